"""The Celery application. Tasks use `from retailsync.celery import app`; it knows none of them."""

import os
from typing import Any

from celery import Celery, bootsteps

from retailsync.platform import broker, stopping

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "retailsync.settings")

broker.install()
app = Celery("retailsync")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


class Stopping(bootsteps.StartStopStep):  # type: ignore[misc]
    """A worker that stops waits for the tasks under way: this tells them, before it waits, to end at their next step."""

    requires = {"celery.worker.components:Pool"}

    def stop(self, parent: Any) -> None:
        """The worker's part of SIGTERM, in its main process."""
        stopping.ask()


app.steps["worker"].add(Stopping)
