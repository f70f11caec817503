"""Celery's entry point: `celery -A yima.celery_app worker`, `celery -A yima.celery_app beat`."""

from __future__ import annotations

import os

from yima import logs, settings, worker

_settings = settings.load()
logs.configure(dev=_settings.dev)
app = worker.make_app(_settings, _settings.database_url or os.environ["YIMA_EMBEDDED_URL"])
worker.register(app)
