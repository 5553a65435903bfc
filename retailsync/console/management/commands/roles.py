"""manage.py roles: makes viewer, operator, approver and administrator, or brings them up to date. Gives them to nobody."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from retailsync.console import roles


class Command(BaseCommand):
    """Safe to run again: what is right already is left alone."""

    help = "Make the four roles of the console, or bring them up to date."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changed = roles.keep()
        except roles.Unknown as trouble:
            raise CommandError(str(trouble)) from trouble
        for line in changed or ["All roles are as they should be."] if options["verbosity"] else ():
            self.stdout.write(line)
