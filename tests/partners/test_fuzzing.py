"""Thousands of calls nobody thought of, right and wrong ones, by two partners at once against the running API: never a 5xx, never an
answer the contract does not state, never a wrong message taken."""

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from canonical.models import (
    FulfilmentRequest,
    InboundShipment,
    Order,
    OrderLine,
    Package,
    Return,
    Shipment,
    StockSource,
    System,
)
from retailsync.partners import authentication, feed
from retailsync.partners.models import Delivery, PartnerTerms, Subscription
from retailsync.partners.webhooks import fanning, subscribing
from retailsync.sync import inbox
from retailsync.sync.models import Message

from .conftest import AT, Partner, change
from .test_contract import BASELINE
from .test_isolation import Ask

#: Generated calls of each address: few in the suite. By hand as many as one likes, and each edge of each field besides.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
PHASES = "examples,coverage,fuzzing" if EXAMPLES else "examples,fuzzing"
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "negative_data_rejection", "unsupported_method", "ignored_auth",
)  # fmt: skip


def with_names(document: dict[str, Any], names: list[str], lines: list[str]) -> dict[str, Any]:
    """The contract, with references, lines, SKUs, locations and webhooks that are there, or not."""
    whole = {
        "change": range(4),
        "webhook": [0, *Subscription.objects.values_list("pk", flat=True)],
        "delivery": [0, *Delivery.objects.values_list("pk", flat=True)],
    }
    schemas = document["components"]["schemas"]
    schemas["SomeUnits"]["properties"]["line"]["enum"] = [*lines, ""]
    schemas["SomeUnits"]["properties"]["sku"]["enum"] = ["A", "B", ""]
    for each in ("Levels", "Part", "Complete", "Adjustment", "Unannounced"):
        schemas[each]["properties"]["location"]["enum"] = ["W1", "W2", "W3"]
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "reference":
                    parameter["schema"] = {"type": "string", "enum": names}
                if parameter["name"] in whole:
                    parameter["schema"] = {"type": "integer", "enum": list(whole[parameter["name"]])}
    return document


def fuzz(url: str, partner: Partner, document: dict[str, Any], folder: Path, seed: int, done: dict[str, Any]) -> None:
    file = folder / f"{partner.system.slug}.json"
    file.write_text(json.dumps(document))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", str(file), "--url", url),
        *("-H", f"Authorization: Bearer {partner.text}", "--checks", ",".join(CHECKS), "--mode", "all"),
        *("--max-examples", str(EXAMPLES or 6), "--seed", str(seed), "--phases", PHASES, "--no-color"),
    ]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    done[partner.system.slug] = ran.returncode, ran.stdout + ran.stderr


def arriving(partner: Partner) -> None:
    """Under the reference of each of its requests goods come to the partner, and others come back; some of the requests were shipped."""
    source = {"system": partner.system, "location": partner.location, "external_id": partner.location.code}
    StockSource.objects.create(authority="movements", **source)
    for n, request in enumerate(FulfilmentRequest.objects.filter(system=partner.system).order_by("id"), 1):
        said: dict[str, Any] = {"reference": request.reference, "location": partner.location, "stated_at": AT}
        sku = request.lines.get().line.sku
        for row in (InboundShipment.objects.create(**said), Return.objects.create(**said)):
            row.lines.create(sku=sku, expected=n)
        if n <= 3:
            shipment = Shipment.objects.create(
                system=partner.system, external_id=f"S{n}", order=request.order, request=request, shipped_at=AT, digest=b"",
                ledger_version=1,
            )  # fmt: skip
            Package.objects.create(shipment=shipment, position=1)


@pytest.mark.django_db(transaction=True)
def test_two_partners_fuzz_the_running_api(
    live_server: Any, partner: Partner, other: Partner, ask: Ask, tmp_path: Path, no_look_ups: None
) -> None:
    for each in (partner, other):
        PartnerTerms.objects.create(system=each.system, calls_per_minute=1_000_000)
        for n in range(1, 13):
            change(ask(each, n, answer="accepted" if n % 3 else "submitted"), kind=("cancel", "hold", "amend")[n % 3])
        System.objects.filter(pk=each.system.pk).update(settings={"allow_loopback_http": True})
        for _ in range(3):
            subscribing.create(each.system.pk, "http://127.0.0.1:9/nobody", [])
        feed.write(each.system.pk, "webhook.enabled", "1", {})
        fanning.fan_out(each.system.pk)
        arriving(each)
    authentication.forget()
    references = list(FulfilmentRequest.objects.values_list("reference", flat=True))
    lines = [str(id) for id in OrderLine.objects.values_list("id", flat=True)]
    document = with_names(json.loads(BASELINE.read_text()), [*references, "nothing"], lines)
    done: dict[str, Any] = {}
    threads = [
        threading.Thread(target=fuzz, args=(live_server.url, each, document, tmp_path, seed, done))
        for seed, each in enumerate((partner, other), 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in (partner, other):
        code, said = done[each.system.slug]
        print(each.system.slug, *re.findall(r".*(?:generated|Test cases|passed|failed).*", said), sep="\n")
        assert code == 0, said[-20_000:]
        while inbox.drain(each.system.pk):
            pass
    assert Message.objects.filter(reason="bug").count() == 0
    assert not Shipment.objects.exclude(system__in=[partner.system, other.system]).exists()
    assert [s for s in Shipment.objects.select_related("request") if s.system_id != s.request.system_id] == []
    assert Order.objects.count() == 1
