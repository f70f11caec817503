"""Celery's entry point: `celery -A yima.celery_app worker`, `celery -A yima.celery_app beat`."""

from __future__ import annotations

import os
import warnings

from celery.platforms import SecurityWarning

from yima import broker, logs, settings, signs, worker

# In a container or a trial as root there is no other user; messages are JSON, so that no pickle can run code.
warnings.filterwarnings("ignore", category=SecurityWarning)

_settings = settings.load()
logs.configure(dev=_settings.dev)
_url = _settings.database_url or os.environ["YIMA_EMBEDDED_URL"]
app = broker.make_app(_settings, _url)
_signs = signs.Worker(app, _settings, _url)
worker.register(app, watch=_signs.watch)
