"""The Celery application. Tasks use `from retailsync.celery import app`; it knows none of them."""

import os

from celery import Celery
from celery.signals import worker_shutting_down

from retailsync.platform import stopping

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "retailsync.settings")

app = Celery("retailsync")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# SIGTERM lets every task under way end by itself: those that take long end at their next step, and give back what they hold.
worker_shutting_down.connect(stopping.ask)
