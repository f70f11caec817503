"""The composition root: settings, command line, ASGI application, worker, and the wiring between rooms."""
