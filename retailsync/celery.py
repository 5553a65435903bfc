"""The Celery application. Tasks use `from retailsync.celery import app`; it knows none of them."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "retailsync.settings")

app = Celery("retailsync")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
