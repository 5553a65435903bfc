"""manage.py issue_partner_key SYSTEM NAME [--scopes …] [--sandbox] [--days N]: a new API key for a warehouse, shown this once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from canonical.models import System
from retailsync.partners.models import SCOPES, PartnerKey

MOST_DAYS = 36_500


class Command(BaseCommand):
    help = "Issue a key of the partner API. It is printed once and cannot be had again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "system", help="the partner system's short name; that of what is played for it does as well"
        )
        parser.add_argument("name", help="who or what will use it")
        parser.add_argument("--days", type=int, help="how long it is valid; without it, until revoked")
        parser.add_argument(
            "--scopes",
            nargs="+",
            choices=SCOPES,
            metavar="SCOPE",
            help=f"what it may do, of {', '.join(SCOPES)}; without it, all",
        )
        parser.add_argument(
            "--sandbox", action="store_true", help="for what is played for the partner, not for the partner"
        )

    def handle(
        self,
        *args: Any,
        system: str,
        name: str,
        days: int | None,
        scopes: list[str] | None,
        sandbox: bool,
        **options: Any,
    ) -> None:
        found = System.objects.filter(slug=system, connector="partner").first()
        if found is None:
            raise CommandError(f"There is no partner called {system}.")
        if sandbox and not found.sandbox_of_id:
            found = System.objects.filter(sandbox_of=found, connector="partner").first()
            if found is None:
                raise CommandError(f"Nothing is played for {system}: it has no sandbox yet.")
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise CommandError(f"A key is valid for 1 to {MOST_DAYS:,} days, or until it is revoked.")
        expires_at = timezone.now() + timedelta(days=days) if days else None
        _, text = PartnerKey.issue(found, name, expires_at=expires_at, scopes=scopes)
        self.stdout.write(text)
