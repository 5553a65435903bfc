"""The contract: whole, true to its examples, and never broken within v1."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from canonical.models import FulfilmentRequest, InboundShipment, Package, Return, Shipment
from connectors.partner import reading
from retailsync.partners import contract, problems
from retailsync.partners.examples import EXAMPLES

from .breaking import broken
from .conftest import AT, Partner, change
from .test_isolation import CALLS, Call, _shapes_of

BASELINE = Path(__file__).parent / "contract_v1.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return contract.document()


def test_every_address_and_method_is_in_it(document: dict[str, Any]) -> None:
    stated = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert len(stated) == len(CALLS)
    assert {code for code in problems.CODES if f"`{code}`" in json.dumps(document)} == set(problems.CODES)
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(set(ids)) == len(ids)


def test_every_body_has_an_example_of_its_shape() -> None:
    shapes = {shape.__name__ for call in CALLS for shape in _shapes_of(call.view, {"topic": call.topic}).values()}
    assert shapes == set(EXAMPLES)
    for topic, shape in reading.SHAPES.items():
        reading.stated(topic, json.dumps(EXAMPLES[shape.__name__]).encode(), timezone.now())


def announce(partner: Partner, reference: str) -> None:
    """Goods on their way to it, and goods that come back."""
    said: dict[str, Any] = {"reference": reference, "location": partner.location, "stated_at": AT}
    InboundShipment.objects.create(**said)
    Return.objects.create(**said)


def shipped(request: FulfilmentRequest) -> Shipment:
    return Shipment.objects.create(
        system=request.system, external_id="SHP-1", order=request.order, request=request, shipped_at=AT, digest=b""
    )


@pytest.mark.parametrize("call", [c for c in CALLS if c.topic], ids=str)
def test_examples_are_taken(partner: Partner, ask: Callable[..., FulfilmentRequest], call: Call) -> None:
    request = change(ask(partner), kind="hold").request
    request.order.lines.get().sku.__class__.objects.update(code="TEA-100")
    path = call.path.replace("<str:reference>", request.reference).replace("<int:change>", "1")
    if "inbound" in path or "returns/" in path:
        announce(partner, request.reference)
    if "<str:shipment>" in path:
        Package.objects.create(shipment=shipped(request), position=1)
    path = path.replace("<str:shipment>", "SHP-1").replace("<str:run>", "night").replace("<int:part>", "1")
    example = EXAMPLES[reading.SHAPES[call.topic].__name__]
    answer = Client().post(
        f"{contract.ROOT}/{path}", example, content_type="application/json", headers=partner.headers()
    )
    assert (answer.status_code, answer.json()["received"]) == (202, True)


def test_v1_is_not_broken(document: dict[str, Any]) -> None:
    """What partners built against stays. New things may come: then write the document anew (`manage.py partner_contract --write FILE`)."""
    assert broken(json.loads(BASELINE.read_text()), document) == []


def test_the_baseline_is_todays(document: dict[str, Any]) -> None:
    """So that what is new today is kept tomorrow."""
    assert json.loads(BASELINE.read_text()) == json.loads(json.dumps(document)), "manage.py partner_contract --write"


def _drop(path: str) -> Callable[[dict[str, Any]], None]:
    *way, last = path.split("|")

    def change_it(document: dict[str, Any]) -> None:
        place: Any = document
        for step in way:
            place = place[step]
        if isinstance(place, list):
            place.remove(last)
        else:
            del place[last]

    return change_it


def _put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    *way, last = path.split("|")

    def change_it(document: dict[str, Any]) -> None:
        place: Any = document
        for step in way:
            place = place[step]
        if isinstance(place, list):
            place.append(value)
        else:
            place[last] = value

    return change_it


SHIP = "paths|/api/v1/fulfilment-requests/{reference}/ship"
LIST = "paths|/api/v1/fulfilment-requests|get"
SCHEMAS = "components|schemas"


@pytest.mark.parametrize(
    ("change_it", "words"),
    [
        (_drop(SHIP), "is gone"),
        (_drop(f"{SHIP}|post"), "is gone"),
        (_drop(f"{SHIP}|post|responses|202"), "202"),
        (_drop(f"{SCHEMAS}|RequestOutline|properties|reference"), "RequestOutline.reference"),
        (_put(f"{SCHEMAS}|LineOutline|properties|units", {"type": "string"}), "LineOutline.units"),
        (_drop(f"{SCHEMAS}|Shipped|properties|carrier"), "Shipped.carrier"),
        (_put(f"{SCHEMAS}|Shipped|required|-", "carrier"), "Shipped.carrier"),
        (_put(f"{SCHEMAS}|Shipped|properties|carrier|maxLength", 10), "Shipped.carrier"),
        (_drop(f"{SCHEMAS}|Adjustment|properties|kind|enum|return"), "Adjustment.kind"),
        (_put(f"{LIST}|parameters", []), "state"),
        (_put(f"{SHIP}|post|requestBody|content|application/json|schema", {"$ref": "#/components/schemas/Short"}), "body"),
    ],
)  # fmt: skip
def test_what_breaks_is_noticed(document: dict[str, Any], change_it: Any, words: str) -> None:
    old = json.loads(json.dumps(document))
    new = copy.deepcopy(old)
    change_it(new)
    assert any(words in each for each in broken(old, new))


def test_what_is_only_more_breaks_nothing(document: dict[str, Any]) -> None:
    old = json.loads(json.dumps(document))
    new = copy.deepcopy(old)
    for more in (
        _put("paths|/api/v1/more", {"get": {"responses": {}}}),
        _put(f"{SCHEMAS}|RequestOutline|properties|more", {"type": "string"}),
        _put(f"{SCHEMAS}|Shipped|properties|more", {"type": "string"}),
        _put(f"{SCHEMAS}|Adjustment|properties|kind|enum|-", "more"),
        _put(f"{SCHEMAS}|Shipped|properties|carrier|maxLength", 1000),
    ):
        more(new)
    assert broken(old, new) == []


def test_the_pages_are_there(db: None) -> None:
    found = Client().get("/api/v1/openapi.json").json()
    assert found["openapi"] == "3.1.0"
    assert "redoc" in Client().get("/api/v1/docs").content.decode()
    page = Client().get("/api/v1/docs/problems").content.decode()
    assert [code for code in problems.CODES if f'id="{code}"' not in page] == []
