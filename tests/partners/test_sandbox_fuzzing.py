"""Calls of the sandbox nobody thought of, with a sandbox key against the running API: never a 5xx, never an answer the contract does not
state, and nothing that stays unread."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from canonical.models import Order
from retailsync.partners.models import PartnerTerms
from retailsync.partners.sandbox_models import SimulatedOrder
from retailsync.sync.models import Message

from .conftest import make_partner
from .playing import player
from .test_contract import BASELINE
from .test_fuzzing import CHECKS, EXAMPLES, PHASES


def about(document: dict[str, Any], orders: list[str]) -> dict[str, Any]:
    """The contract, with orders and SKUs that are there."""
    for shape in ("OfOrder", "NewLines", "NewAddress"):
        document["components"]["schemas"][shape]["properties"]["order"]["enum"] = orders
    document["components"]["schemas"]["SimulatedLine"]["properties"]["sku"]["enum"] = ["SBX-APPLE", "SBX-PEAR"]
    return document


@pytest.mark.django_db(transaction=True)
def test_the_sandbox_survives_what_nobody_thought_of(live_server: Any, tmp_path: Path) -> None:
    at_play = player(make_partner("w1"))
    PartnerTerms.objects.create(system=at_play.sandbox.twin, calls_per_minute=1_000_000)
    orders = [at_play.one(at_play.buy(("SBX-APPLE", 2)))["order_reference"] for _ in range(3)]
    file = tmp_path / "contract.json"
    file.write_text(json.dumps(about(json.loads(BASELINE.read_text()), [*orders, "nothing"])))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", str(file), "--url", live_server.url),
        *("--include-path-regex", "/sandbox/", "-H", f"Authorization: Bearer {at_play.text}"),
        *("--checks", ",".join(CHECKS), "--mode", "all", "--max-examples", str(EXAMPLES or 6), "--seed", "1"),
        *("--phases", PHASES, "--no-color"),
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False)
    print(*re.findall(r".*(?:generated|Test cases|passed|failed).*", ran.stdout), sep="\n")
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-20_000:]
    at_play.settle()
    assert not Message.objects.exclude(state="done").exists()
    assert Order.objects.count() == SimulatedOrder.objects.count()
