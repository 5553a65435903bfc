"""manage.py up: the whole product in one terminal. Knows which programs, not what they do."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from retailsync.platform import preparation, processes
from retailsync.platform.processes import Program


class Command(BaseCommand):
    """Prepare the database, then run web, workers and beat. Subclasses add programs."""

    help = "Run the web server, the Celery workers and beat until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = processes.bind_address(os.environ)
        preparation.prepare()
        self.stdout.write(self.greeting(host, port))
        more = self.more_programs(host, port)
        sys.exit(processes.run_all([*processes.product(host, port, settings.STATIC_ROOT), *more]))

    def greeting(self, host: str, port: int) -> str:
        """What a person reads before the log begins."""
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}/admin/"
        if settings.PRODUCTION:
            return f"retailsync serves {address}; manage.py createsuperuser makes the first administrator."
        return f"retailsync serves {address}\n  {preparation.ensure_admin(settings.LOCAL)}"

    def more_programs(self, host: str, port: int) -> Sequence[Program]:
        """Programs to run beside the product; called when the database is ready."""
        return []
