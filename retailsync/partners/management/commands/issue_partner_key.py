"""manage.py issue_partner_key SYSTEM NAME: a new API key for a warehouse, shown this once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from canonical.models import System
from retailsync.partners.models import PartnerKey
from retailsync.partners.sandbox import ensure


class Command(BaseCommand):
    help = "Issue a key of the partner API. It is printed once and cannot be had again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("system", help="the partner system's short name")
        parser.add_argument("name", help="who or what will use it")
        parser.add_argument(
            "--sandbox", action="store_true", help="a key of the partner's sandbox, which is made where there is none"
        )
        parser.add_argument("--days", type=int, help="how long it is valid; without it, until revoked")

    def handle(self, *args: Any, system: str, name: str, days: int | None, sandbox: bool, **options: Any) -> None:
        found = System.objects.filter(slug=system).first()
        if found is None:
            raise CommandError(f"There is no system called {system}.")
        if sandbox and not found.sandbox_of_id:
            found = ensure(found).twin
        expires_at = timezone.now() + timedelta(days=days) if days else None
        _, text = PartnerKey.issue(found, name, expires_at=expires_at)
        self.stdout.write(text)
