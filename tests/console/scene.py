"""A morning in the back office: a shop, its ERP, two warehouses, orders on their way and exceptions of every kind.

What is true comes in by canonical.record; the rows of the corridor are stated as a worker would have left them.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from django.db import transaction

from canonical import commands
from canonical.facts import Fact, OrderStated, RequestAnswered, ShipmentStated
from canonical.ledger import Cause
from canonical.models import FulfilmentRequest, Location, Mapping, Order, Product, ShopPolicy, Sku, Sourcing, System
from canonical.record import Stated
from canonical.types import Address, Charge, Line, Parcel, PaymentStatement, Tax, Units
from retailsync.partners import asks
from retailsync.partners.models import Ask
from retailsync.sync import cases, clock, corridor, gates
from retailsync.sync.models import Attempt, Case, Command, Cursor, Gate, Message

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"
SKUS = {"MUG-BLUE": "Mug, blue", "TEE-L": "T-shirt, size L", "POSTER": "Poster 50 × 70"}


@dataclass
class Scene:
    """One shop with everything behind it."""

    shop: System
    erp: System
    warehouse: System
    orders: list[Order] = field(default_factory=list)

    def order(self, number: int, sku: str = "MUG-BLUE", status: Any = "processing", name: str = "Testa") -> Order:
        """A shop tells of an order; it goes as far as it can."""
        heard = self.message(
            "order.updated", json.dumps({"id": number, "number": str(number), "total": "28.50"}).encode()
        )
        self.tell(self.shop, heard.pk, _stated(number, sku, status, name))
        order = Order.objects.get(channel=self.shop, external_id=str(number))
        self.orders.append(order)
        return order

    def tell(self, source: System, message: int, fact: Fact) -> None:
        """One fact goes through record and plan."""
        with transaction.atomic():
            corridor.advance(source.pk, [Stated(Cause("message", message), fact)], clock.now())

    def message(self, topic: str, body: bytes, state: str = "done", **more: Any) -> Message:
        """Something the shop said."""
        key = f"{topic}:{Message.objects.count()}".encode()
        done = clock.now() if state == "done" else None
        return Message.objects.create(
            system=self.shop, topic=topic, dedup_key=key, door="webhook", body=body, state=state, done_at=done, **more
        )

    def malformed(self, body: bytes = b'{"id": 7, "line_items": null, "total": 10.10}') -> Case:
        """A message nobody understands."""
        words = "The order's “line_items” is empty, but a list was expected."
        row = self.message(
            "order.updated", body, "parked", reason="malformed", words=words, trouble="Traceback: secret place"
        )
        return self.case("message", row.pk, self.shop, None, "intake", "read", "malformed", "line_items", words)

    def readable(self, number: int) -> Case:
        """A message that was not understood once, and would be now: an order that was deleted in the shop."""
        body, words = json.dumps({"id": number}).encode(), "Nobody understood it."
        row = self.message("order.deleted", body, "parked", reason="malformed", words=words)
        return self.case("message", row.pk, self.shop, None, "intake", "read", "malformed", "id", words)

    def parked(self, order: Order, state: str = "parked", reason: str = "refused") -> Case:
        """A command of this order that a person must look at, with what was exchanged."""
        command = Command.objects.filter(order_id=order.pk, kind="CreateOrder").get()
        error = {"name": "odoo.exceptions.UserError", "message": f"Tax 21 % is archived {HOSTILE}"}
        attempt = Attempt.objects.create(
            system=self.erp, method="POST", url="https://erp.example.com/json/2/sale.order/create", status=422,
            request='{"vals_list": [{"client_order_ref": "WEB-1"}], "token": "•••"}', response=json.dumps(error),
            commands=[command.pk], started_at=clock.now(), seconds=0.42,
        )  # fmt: skip
        words = "Odoo did not accept the order: tax 21 % is archived."
        Command.objects.filter(pk=command.pk).update(
            state=state, reason=reason, words=words, attempts=1, exchanges=[attempt.pk], sent_at=clock.now()
        )
        return self.case(
            "command",
            command.pk,
            self.erp,
            order.pk,
            "order_to_fulfilment",
            "send",
            reason,
            "Tax 21 % is archived",
            words,
        )

    def confirming(self, order: Order, state: str = "parked", reason: str = "refused") -> Case:
        """The ERP holds the order; confirming it is what a person must look at."""
        command = commands.ConfirmOrder(order_id=order.pk, booking_id=order.pk)
        row = Command.objects.create(
            system=self.erp, kind="ConfirmOrder", subject_kind="order", subject_key=str(order.pk), purpose=command.purpose,
            payload=msgspec.to_builtins(command), order_id=order.pk, state=state, reason=reason, words="Not confirmed.",
            attempts=1, cause_kind="message", cause_id=1,
        )  # fmt: skip
        rest = ("order_to_fulfilment", "send", reason, "", "Odoo did not confirm the order.")
        return self.case("command", row.pk, self.erp, order.pk, *rest)

    def unread(self, feed: str = "stock") -> Case:
        """A feed of the shop that cannot be read."""
        words = "Our own fault: KeyError: 'items'"
        cursor = Cursor.objects.create(
            system=self.shop,
            feed=feed,
            value="2026-11-23T06:00:00|page=7",
            every=300,
            polled_at=clock.now(),
            words=words,
        )
        return self.case("cursor", cursor.pk, self.shop, None, "intake", "receive", "feed_failed", feed, words)

    def unheard(self, words: str = "Polls found 3 new orders of the last hour that no webhook told of.") -> Case:
        """A shop whose webhooks do not arrive."""
        return self.case("webhooks", self.shop.pk, self.shop, None, "intake", "receive", "silent", "webhooks", words)

    def unanswered(self, order: Order) -> Case:
        """The warehouse was asked to ship this and says nothing."""
        request, taken = FulfilmentRequest.objects.get(order=order), clock.now() - timedelta(days=28)
        Ask.objects.create(system=self.warehouse, request=request, asked_at=taken, due_at=taken + timedelta(hours=2))
        asks.raise_overdue(clock.now())
        return Case.objects.get(target_kind="request", target_id=request.pk)

    def down(self) -> Case:
        """The warehouse's system does not answer."""
        gates.failed(self.warehouse.pk, clock.now(), "Connection refused.", "unreachable", whole=True)
        Gate.objects.filter(system=self.warehouse).update(failures=4)
        rest = ("connection", "send", "unreachable", "", "Connection refused.")
        return self.case("system", self.warehouse.pk, self.warehouse, None, *rest)

    def case(self, kind: str, id: int, system: System, order: int | None, *rest: str) -> Case:
        """Open one exception."""
        cases.open_all([cases.Opening(kind, id, system.pk, order, *rest)])
        return Case.objects.get(target_kind=kind, target_id=id, closed_at=None)

    def shipped(self, order: Order) -> None:
        """The warehouse accepts and ships all of it in one parcel."""
        ask = FulfilmentRequest.objects.get(order=order)
        now = clock.now()
        heard = self.message("shipment", b'{"shipment": "S"}')
        self.tell(
            self.warehouse,
            heard.pk,
            RequestAnswered(occurred_at=now, request=ask.reference, answer="accepted", partner_ref="NP-7781"),
        )
        line = order.lines.get()
        parcel = Parcel(
            tracking="3SABCD1234567", tracking_url="https://track.example.com/3SABCD1234567",
            lines=(Units(units=line.ordered, line=str(line.pk)),),
        )  # fmt: skip
        shipment = ShipmentStated(
            occurred_at=now,
            ref=f"S-{order.pk}",
            request=ask.reference,
            carrier="PostNL",
            service="Standard",
            parcels=(parcel,),
        )
        self.tell(self.warehouse, heard.pk, shipment)


def make() -> Scene:
    """Systems, SKUs, locations and where things are shipped from."""
    erp = System.objects.create(
        slug="odoo",
        name="Odoo",
        connector="odoo",
        roles=["erp"],
        settings={"url": "https://erp.example.com", "database": "main"},
    )
    shop = System.objects.create(
        slug="web", name="Web shop", connector="woocommerce", roles=["channel"], prefix="WEB-", erp=erp,
        settings={"url": "https://shop.example.com"},
    )  # fmt: skip
    warehouse = System.objects.create(
        slug="northpick",
        name="Northpick",
        connector="partner",
        roles=["3pl"],
        settings={"url": "https://northpick.example.com/hook"},
    )
    place = Location.objects.create(code="NORTH", name="Northpick, hall 2", executor=warehouse)
    Sourcing.objects.create(channel=shop, location=place, rank=1)
    product = Product.objects.create(name="Things with our logo")
    for code, name in SKUS.items():
        Sku.objects.create(code=code, name=name, product=product, authority=shop)
    return Scene(shop, erp, warehouse)


def morning() -> Scene:
    """Everything a person may meet at nine o'clock."""
    scene = make()
    now = clock.now()
    Gate.objects.create(system=scene.shop, last_ok_at=now - timedelta(seconds=40))
    Gate.objects.create(system=scene.erp, last_ok_at=now - timedelta(minutes=2))
    words = "Northpick does not answer: connection refused."
    Gate.objects.create(
        system=scene.warehouse,
        failures=4,
        open_until=now + timedelta(minutes=3),
        last_ok_at=now - timedelta(minutes=21),
        words=words,
    )
    Mapping.objects.create(kind="meta", key="_billing_vat", value={"field": "vat_id"})
    ShopPolicy.objects.create(channel=scene.shop, on_short="ship_available")
    Cursor.objects.create(system=scene.shop, feed="orders", value="2026-11-23T06:00:00", every=60, polled_at=now)
    Cursor.objects.create(system=scene.shop, feed="products", every=3600, polled_at=now, words="The shop answered 503.")
    names = ("Testa", "Ada", "Grace", "Linus", "Barbara", "Edsger")
    for number in range(1042, 1056):
        scene.order(number, sku=list(SKUS)[number % 3], name=names[number % 6])
    for number in range(1056, 1063):
        scene.order(number, sku="CAP-RED" if number < 1061 else "SOCKS-M", name=names[number % 6])
    scene.order(1063, status="pending")
    scene.order(1064, status="unknown")
    scene.shipped(scene.orders[0])
    scene.parked(scene.orders[1])
    scene.parked(scene.orders[2])
    scene.parked(scene.orders[3], "in_doubt", "in_doubt")
    scene.malformed()
    scene.unread()
    scene.malformed(f'{{"note": "{HOSTILE}"}}'.encode())
    scene.case("system", scene.warehouse.pk, scene.warehouse, None, "connection", "send", "unreachable", "", words)
    scene.message("product.updated", b'{"id": 12}', "received")
    Case.objects.filter(reason="sku_mapping").update(opened_at=now - timedelta(hours=2, minutes=10))
    return scene


def _stated(number: int, sku: str, status: Any, name: str) -> OrderStated:
    """Two of one thing, delivered, 21 % tax."""
    at = datetime.now(UTC) - timedelta(minutes=5)
    tax = Tax(code="NL-21", rate=Decimal(21), amount=Decimal("4.00"))
    line = Line(
        ref="1", sku=sku, name=SKUS.get(sku, sku.title()), units=2, subtotal=Decimal("19.05"), total=Decimal("19.05"),
        variant_ref=f"v-{sku}", taxes=(tax,),
    )  # fmt: skip
    charge = Charge(ref="9", kind="shipping", title="Flat rate", code="flat_rate", total=Decimal("5.45"))
    home = Address(
        first_name=name, last_name="Bezoeker", line1="Straat 12", postcode="3511 AB", city="Utrecht", country="NL",
        email=f"{name.lower()}@example.com",
    )  # fmt: skip
    return OrderStated(
        ref=str(number), version=1, occurred_at=at, number=str(number), status=status, status_text=str(status), placed_at=at,
        currency="EUR", prices_include_tax=True, total=Decimal("28.50"), total_tax=Decimal("4.00"), lines=(line,), charges=(charge,),
        billing=home, shipping=home,
        payment=PaymentStatement(method="ideal", title="iDEAL", transaction_id=f"tr_{number}", paid_at=at),
    )  # fmt: skip
