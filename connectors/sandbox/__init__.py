"""The shop of a partner's sandbox: its orders are made up, and what it is told goes nowhere. Speaks with nobody over HTTP."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from canonical.commands import CancelShopOrder, Command, CompleteOrder, SendTracking
from canonical.facts import Fact, OrderStated
from canonical.types import Address, Line, PaymentStatement
from connectors.base import Connector, Envelope, Job, Malformed, Receipt, Send, Session

PRICE = Decimal("10.00")  # of one unit of whatever is sold there
METHOD = "sandbox"  # nobody paid, and nobody has to

Text40 = Annotated[str, Meta(min_length=1, max_length=40, pattern="^[^\x00]*$")]
Text100 = Annotated[str, Meta(max_length=100, pattern="^[^\x00]*$")]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Instant = Annotated[datetime, Meta(tz=True)]


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """It has none."""


class Wanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Units of one SKU. `ref` tells two lines of one SKU apart."""

    ref: Text40
    sku: Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\x00]*$")]
    name: Text100
    units: Count

    def line(self) -> Line:
        price = PRICE * self.units
        return Line(ref=self.ref, sku=self.sku, name=self.name, units=self.units, subtotal=price, total=price)


class Home(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where it goes."""

    first_name: Text100 = ""
    last_name: Text100 = ""
    company: Text100 = ""
    line1: Text100 = ""
    line2: Text100 = ""
    postcode: Text100 = ""
    city: Text100 = ""
    state: Text100 = ""
    country: Text100 = ""
    phone: Text100 = ""
    email: Text100 = ""

    def address(self) -> Address:
        return Address(**msgspec.structs.asdict(self))


class Order(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One order, whole, as of `stated_at`; a later statement has a greater version."""

    number: Text40
    version: Annotated[int, Meta(ge=1, le=2**31)]
    status: Literal["processing", "on_hold", "cancelled"]
    placed_at: Instant
    stated_at: Instant
    lines: Annotated[list[Wanted], Meta(min_length=1, max_length=100)]
    ship_to: Home
    note: Annotated[str, Meta(max_length=1000, pattern="^[^\x00]*$")] = ""

    def fact(self) -> OrderStated:
        """Paid when it was placed. Whoever lives at the address is no customer of anybody's."""
        placed = self.placed_at.astimezone(UTC)
        lines = tuple(wanted.line() for wanted in self.lines)
        return OrderStated(
            occurred_at=self.stated_at.astimezone(UTC), ref=self.number, version=self.version, number=self.number, status=self.status,
            status_text=self.status, placed_at=placed, currency="EUR", prices_include_tax=False,
            total=sum((line.total for line in lines), Decimal(0)), total_tax=Decimal(0), lines=lines,
            billing=Address(email=f"{self.number.lower()}@sandbox.invalid"), shipping=self.ship_to.address(), note=self.note,
            payment=PaymentStatement(method=METHOD, title="Sandbox", paid_at=placed),
        )  # fmt: skip


_ORDER = msgspec.json.Decoder(Order)


def read(envelope: Envelope) -> Sequence[Fact]:
    """One statement of an order."""
    try:
        order = _ORDER.decode(envelope.body)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"The sandbox's order was not stored as it should be: {error}.") from error
    if not all(2000 <= at.year <= 9000 for at in (order.placed_at, order.stated_at)):
        raise Malformed("The sandbox's order has no date anybody could mean.")
    return [order.fact()]


def take(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Everything is taken, and shown to nobody."""
    return [Receipt(job.id, state="done", evidence="taken by the sandbox") for job in jobs]


def probe(session: Session) -> str:
    """There is nobody to ask."""
    return "The sandbox's shop is here, and speaks with nobody."


#: What a shop is told of the orders a warehouse works on.
TOLD: Sequence[type[Command]] = (SendTracking, CompleteOrder, CancelShopOrder)
sends: Mapping[type[Command], Send] = dict.fromkeys(TOLD, Send(send=take, protection="idempotent", batch=100))

connector = Connector(
    name="sandbox",
    title="Sandbox of a warehouse partner",
    roles=frozenset({"channel"}),
    settings=Settings,
    reads={"order": read},
    sends=sends,
    probe=probe,
)
