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
    """Prepare the database, then run web, workers and beat. Subclasses run them among others."""

    help = "Run the web server, the Celery workers and beat until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = self.address()
        preparation.prepare()
        self.stdout.write(self.greeting(host, port))
        sys.exit(self.run(host, port, options))

    def address(self) -> tuple[str, int]:
        """Where the web server listens."""
        return processes.bind_address(os.environ)

    def greeting(self, host: str, port: int) -> str:
        """What a person reads before the log begins."""
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}/admin/"
        if settings.PRODUCTION:
            return f"retailsync serves {address}; manage.py createsuperuser makes the first administrator."
        return f"retailsync serves {address}\n  {preparation.ensure_admin(settings.LOCAL)}"

    def run(self, host: str, port: int, options: dict[str, Any]) -> int:
        """Run everything; the database is ready. Returns the exit code."""
        return processes.run_all(self.product(host, port))

    def product(self, host: str, port: int) -> Sequence[Program]:
        """The programs of the product."""
        return processes.product(host, port, settings.STATIC_ROOT)
