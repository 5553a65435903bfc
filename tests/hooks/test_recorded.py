"""Recorded deliveries of a real shop, byte for byte with their own headers: let in, and recorded as their bodies say."""

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from canonical.models import System
from retailsync.sync import inbox
from tests.connectors.woocommerce.conftest import SAMPLES
from tests.hooks.conftest import ask
from tests.world import rows

Shop = Callable[..., System]


@dataclass(frozen=True)
class Recorded:
    """One delivery as it came over the wire."""

    name: str
    headers: list[tuple[str, str]]
    body: bytes
    secret: str

    def header(self, name: str) -> str:
        return dict(self.headers)[f"X-WC-Webhook-{name}"]

    @property
    def said(self) -> Any:
        return json.loads(self.body, parse_float=Decimal)


def _load() -> list[Recorded]:
    found = []
    for path in sorted((SAMPLES / "webhooks").glob("*.json")):
        raw = json.loads(path.read_text())
        headers = [(name, value) for name, value in raw["headers"]]
        found.append(Recorded(path.stem, headers, b64decode(raw["body_base64"]), raw["secret"] or ""))
    return found


DELIVERIES = _load()
PUSHES = [d for d in DELIVERIES if d.secret]
PINGS = [d for d in DELIVERIES if not d.secret]
ORDERS = [d for d in PUSHES if ".created" in d.name or ".updated" in d.name if "line_items" in d.said]


def post(port: int, system: System, delivery: Recorded, body: bytes | None = None) -> int:
    return ask(port, "POST", f"/hooks/{system.slug}/", delivery.headers, body or delivery.body)[0]


@pytest.fixture
def known(shop: Shop) -> System:
    """A shop with every secret the deliveries were signed with, as while rotating."""
    return shop(*sorted({d.secret for d in PUSHES}))


def test_there_is_something_to_post() -> None:
    assert (len(PUSHES), len(PINGS), len(ORDERS)) == (30, 2, 10)


def test_signed_deliveries_are_stored_and_pings_are_not(port: int, known: System) -> None:
    assert {post(port, known, delivery) for delivery in DELIVERIES} == {200}
    stored = [(topic, bytes(body)) for topic, body in rows("SELECT topic, body FROM sync_message ORDER BY id")]
    apart = dict.fromkeys((d.header("Delivery-ID"), d.header("Topic"), d.body) for d in PUSHES)
    assert stored == [(topic, body) for _, topic, body in apart]
    assert {post(port, known, delivery) for delivery in DELIVERIES} == {200}
    assert rows("SELECT count(*) FROM sync_message") == [(len(apart),)]


def test_one_flipped_byte_is_refused_and_not_stored(port: int, known: System) -> None:
    for delivery in PUSHES:
        body = delivery.body
        middle = len(body) // 2
        assert post(port, known, delivery, body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]) == 401
    assert rows("SELECT count(*) FROM sync_message") == [(0,)]


def test_orders_are_recorded_as_their_newest_snapshots_say(port: int, known: System) -> None:
    for delivery in PUSHES:
        assert post(port, known, delivery) == 200
    inbox.drain(known.pk)
    assert rows("SELECT topic, state, words FROM sync_message WHERE state <> 'done'") == []
    newest = {d.said["id"]: d.said for d in sorted(ORDERS, key=lambda d: d.said["date_modified_gmt"])}
    assert sorted(newest) == [137, 138, 165]
    assert {id: held(id) for id in newest} == {id: stated(said) for id, said in newest.items()}
    assert rows("SELECT count(*) FROM canonical_order") == [(len(newest),)]


# ---- what a body says, and what we hold, in one shape -----------------------------------------------------------------------
ADDRESS = {
    "first_name": "first_name", "last_name": "last_name", "company": "company", "address_1": "line1", "address_2": "line2",
    "postcode": "postcode", "city": "city", "state": "state", "country": "country", "phone": "phone", "email": "email",
}  # fmt: skip


def stated(said: Mapping[str, Any]) -> dict[str, Any]:
    """An order as the shop's own words have it. A shop whose prices include tax sums unrounded taxes, so its total may be a cent
    beside its parts: what is left over is rounding."""
    goods, fees, carriage = said["line_items"], said["fee_lines"], said["shipping_lines"]
    charges = [
        ("shipping", str(c["id"]), c["method_id"], c["method_title"], Decimal(c["total"]), tax(c)) for c in carriage
    ]
    charges += [("fee", str(c["id"]), "", c["name"], Decimal(c["total"]), tax(c)) for c in fees]
    over = Decimal(said["total"]) - sum(Decimal(x["total"]) + tax(x) for x in (*goods, *fees, *carriage))
    paid = (said["payment_method"], said["transaction_id"], Decimal(said["total"]))
    return {
        "head": (said["number"], said["status"], said["currency"], said["prices_include_tax"], said["customer_note"]),
        "totals": (Decimal(said["total"]), Decimal(said["total_tax"])),
        "placed": at(said["date_created_gmt"]),
        "lines": sorted(
            (
                str(x["id"]),
                x["sku"] or "",
                x["name"],
                x["quantity"],
                Decimal(x["subtotal"]),
                Decimal(x["total"]),
                tax(x),
            )
            for x in goods
        ),
        "charges": sorted([*charges, *([("rounding", "rounding", "", "Rounding", over, Decimal(0))] if over else [])]),
        "billing": address(said["billing"]),
        "shipping": address(said["shipping"]),
        "payments": [(*paid, at(said["date_paid_gmt"]))] if said["date_paid_gmt"] else [],
    }


def tax(item: Mapping[str, Any]) -> Decimal:
    return sum((Decimal(one["total"]) for one in item["taxes"] if one["total"]), Decimal(0))


def held(external_id: int) -> dict[str, Any]:
    """The same order as we hold it."""
    ((id, *head),) = rows(
        "SELECT id, number, shop_status_text, currency, prices_include_tax, note FROM canonical_order WHERE external_id = %s",
        str(external_id),
    )
    ((total, tax, placed, billing, shipping),) = rows(
        "SELECT o.total, o.total_tax, o.placed_at, b.content, d.content FROM canonical_order o"
        " JOIN canonical_address b ON b.id = o.billing_id JOIN canonical_address d ON d.id = o.shipping_id WHERE o.id = %s",
        id,
    )
    taxes = "(SELECT coalesce(sum((t->>'amount')::numeric), 0) FROM jsonb_array_elements(x.taxes) t)"
    return {
        "head": tuple(head),
        "totals": (total, tax),
        "placed": placed,
        "lines": sorted(
            rows(
                f"SELECT external_id, sku_text, name, ordered, subtotal, total, {taxes} FROM canonical_orderline x WHERE order_id = %s",
                id,
            )
        ),
        "charges": sorted(
            rows(
                f"SELECT kind, external_id, code, title, total, {taxes} FROM canonical_charge x WHERE order_id = %s", id
            )
        ),
        "billing": content(billing),
        "shipping": content(shipping),
        "payments": rows(
            "SELECT method, transaction_id, amount, paid_at FROM canonical_payment WHERE order_id = %s", id
        ),
    }


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def address(said: Mapping[str, str]) -> dict[str, str]:
    return {ours: said[theirs] for theirs, ours in ADDRESS.items() if said.get(theirs)}


def content(stored: Any) -> dict[str, str]:
    known = json.loads(stored) if isinstance(stored, str) else stored
    return {name: value for name, value in known.items() if value}
