"""manage.py partner_contract [--write FILE]: the partner API's contract, OpenAPI 3.1 as JSON."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from retailsync.partners import contract


class Command(BaseCommand):
    help = "Print the contract of the partner API, or write it to a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--write", type=Path, metavar="FILE", help="e.g. tests/partners/contract_v1.json")

    def handle(self, *args: Any, write: Path | None, **options: Any) -> None:
        text = json.dumps(contract.document(), indent=1, ensure_ascii=False) + "\n"
        if write:
            write.write_text(text)
        else:
            self.stdout.write(text)
