"""A simulated Odoo, and a desk from which commands are sent to it through the real way out."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest

from canonical.commands import (
    AmendOrder,
    ConfirmOrder,
    CreateOrder,
    IssueLine,
    OrderCharge,
    OrderLine,
    PostGoodsIssue,
    PostMovement,
    Ref,
    UpsertCustomer,
)
from canonical.types import Address, Charge, Line, Tax
from connectors.base import Job, Receipt, Response, Session
from connectors.http import Http, Pool
from connectors.odoo import connector, probing
from connectors.odoo.settings import Settings
from connectors.odoo.simulator import Odoo

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ANN = Address(
    first_name="Ann", last_name="Buyer", line1="Weg 1", city="Berlin", state="DE-BE", country="DE", email="a@b.example"
)
#: Our sku ids are the numbers of the catalogue's articles in the simulator.
MUG, PLATE, TEA = 1, 3, 7


class Desk:
    """Sends commands as the top floor does: resolves references from the links receipts brought."""

    def __init__(self, odoo: Odoo, **settings: Any) -> None:
        probing._known.clear()  # another Odoo, of another release, may have had this port before
        self.odoo = odoo
        self.pool = Pool()
        self.settings = Settings(url=odoo.url, database="odoo", allow_loopback_http=True, **settings)
        self.links = {Ref("sku", number): str(number) for number in range(1, 41)}

    def session(self, deadline: float = 10.0, **changed: Any) -> Session:
        http = Http(self.pool, deadline=deadline, allow_loopback_http=True)
        key = changed.pop("api_key", "odoo-key")
        settings = Settings(**{name: getattr(self.settings, name) for name in Settings.__struct_fields__} | changed)
        return Session("odoo1", settings, {"api_key": [key]}, http, lambda: datetime.now(UTC))

    def jobs(self, *commands: Any) -> list[Job]:
        return [Job(i, c.purpose, c, self._resolved(c)) for i, c in enumerate(commands, 1)]

    def _resolved(self, command: Any) -> dict[Ref, str]:
        send = connector.sends[type(command)]
        wanted = [*send.needs(command), *send.optional(command)]
        return {ref: self.links[ref] for ref in wanted if ref in self.links}

    def send(self, *commands: Any, session: Session | None = None) -> list[Receipt]:
        jobs = self.jobs(*commands)
        receipts = connector.sends[type(commands[0])].send(session or self.session(), jobs)
        for receipt in receipts:
            self.links.update({Ref(entity, ours): theirs for entity, ours, theirs in receipt.links})
        return sorted(receipts, key=lambda r: r.job)

    def look(self, *commands: Any) -> Sequence[Receipt | None]:
        look = connector.sends[type(commands[0])].look
        assert look
        return look(self.session(), self.jobs(*commands))

    def orders(self) -> list[Any]:
        found: list[Any] = self.odoo.state()["orders"]
        return found

    def by_hand(self, order: int, action: str, **body: Any) -> None:
        """What staff do with an order of Odoo's."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.odoo.url}/_sim/orders/{order}/{action}", json.dumps(body).encode(), method="POST"
        )
        urllib.request.urlopen(request).close()  # noqa: S310

    def confirmed(self, *commands: CreateOrder) -> None:
        """The orders exist in Odoo and are confirmed."""
        assert [r.error for r in self.send(*commands)] == [None] * len(commands)
        assert [
            r.error for r in self.send(*(ConfirmOrder(order_id=c.order_id, booking_id=c.booking_id) for c in commands))
        ] == [None] * len(commands)


def line(line_id: int, sku: int, units: int, total: str, rate: str = "21") -> OrderLine:
    """An order line; an empty rate means exempt."""
    net = Decimal(total)
    taxes = (
        (Tax(code="t", rate=Decimal(rate), amount=(net * Decimal(rate) / 100).quantize(Decimal("0.01"))),)
        if rate
        else ()
    )
    return OrderLine(
        line_id=line_id,
        sku_id=sku,
        stated=Line(
            ref=str(line_id), sku=f"S{sku}", name=f"Article {sku}", units=units, subtotal=net, total=net, taxes=taxes
        ),
    )


def charge(charge_id: int, kind: Any, total: str) -> OrderCharge:
    return OrderCharge(charge_id=charge_id, stated=Charge(ref="c", kind=kind, title="Parcel", total=Decimal(total)))


def order(number: int = 1, *lines: OrderLine, **changed: Any) -> CreateOrder:
    stated = lines or (line(number * 10 + 1, MUG, 3, "30.99"), line(number * 10 + 2, TEA, 1, "5.73", "9"))
    said = {
        "order_id": number,
        "booking_id": number,
        "reference": f"WEB-{number}",
        "customer_id": 1,
        "billing_id": 1,
        "shipping_id": 2,
        "placed_at": AT,
        "currency": "EUR",
        "prices_include_tax": False,
        "total": sum((n.stated.total + n.stated.tax for n in stated), Decimal(0)),
        "lines": stated,
    }
    return CreateOrder(**{**said, **changed})


def amendment(number: int = 1, *lines: OrderLine, revision: int = 1, **changed: Any) -> AmendOrder:
    """What the order of this number should say now."""
    command = order(number, *lines, **changed)
    said = {name: getattr(command, name) for name in CreateOrder.__struct_fields__}
    return AmendOrder(**said, revision=revision)


def customer(number: int = 1, **changed: Any) -> UpsertCustomer:
    said = {
        "order_id": number,
        "customer_id": number,
        "billing_id": 1,
        "billing": ANN,
        "shipping_id": 2,
        "shipping": ANN,
    }
    return UpsertCustomer(**{**said, **changed})


def issue(shipment: int, order_id: int, *units: tuple[int, int, int], **changed: Any) -> PostGoodsIssue:
    """A shipment of (our line id, sku, units)."""
    lines = tuple(IssueLine(line_id=n, sku_id=sku, units=count) for n, sku, count in units)
    said = {"location_id": 1, "shipped_at": AT, "tracking": f"TRK{shipment}", "carrier": "PostNL"}
    return PostGoodsIssue(
        **{"shipment_id": shipment, "order_id": order_id, "booking_id": order_id, "lines": lines, **said, **changed}
    )


M = TypeVar("M", bound=PostMovement)


def movement(kind: type[M], number: int, units: int, sku: int = MUG, **changed: Any) -> M:
    """Units of an article that came to location 1, or left it."""
    said = {"sku_id": sku, "location_id": 1, "happened_at": AT, "reference": f"MOVE-{number}", **changed}
    return kind(movement_id=number, units=units, **said)


def recorded(name: str) -> Any:
    """A request and the answer a real Odoo 19 gave it."""
    return json.loads((Path(__file__).parent / "recorded" / f"{name}.json").read_bytes())


def answer(name: str) -> Response:
    """A recorded answer as the way out hands it over."""
    said = recorded(name)
    return Response(said["status"], {"content-type": "application/json"}, json.dumps(said["body"]).encode())


@pytest.fixture
def odoo() -> Iterator[Odoo]:
    with Odoo() as odoo:
        yield odoo


@pytest.fixture
def desk(odoo: Odoo) -> Desk:
    """A desk whose customer 1 with addresses 1 and 2 Odoo knows."""
    desk = Desk(odoo)
    assert [r.state for r in desk.send(customer())] == ["done"]
    return desk
