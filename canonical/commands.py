"""What we tell systems, in the imperative. A command is one outside effect; it names its subject by our ids and carries its content.

`ref(entity, id)` values inside a command are ours; a connector declares which it needs, the top floor resolves them to the
target's external ids before sending.
"""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, NamedTuple

from canonical.types import Address, Charge, Entity, Line, Parcel, Units, Value


class Ref(NamedTuple):
    """One of our own subjects, to be resolved to a target's external id."""

    entity: Entity
    id: int


class Command(Value, tag=True):
    """Base of all commands. `level` commands carry identity only and coalesce; the others keep content and order.

    `stoppable` ones move an order on: they do not leave while the order is on hold, and while unsent they follow its edits. The others
    tell of what has happened.
    """

    level: ClassVar[bool] = False
    stoppable: ClassVar[bool] = False

    @property
    def subject(self) -> Ref:
        """What this command is about: commands of one system and subject go out one at a time, in order."""
        raise TypeError(f"{type(self).__name__} names no subject")

    @property
    def subject_key(self) -> tuple[str, str]:
        """The subject as the outbox orders by it: (kind, key)."""
        return self.subject.entity, str(self.subject.id)

    @property
    def purpose(self) -> str:
        """The purpose key: at most one command per system and purpose is ever planned."""
        raise TypeError(f"{type(self).__name__} names no purpose")

    @property
    def posts(self) -> tuple[str, Ref] | None:
        """What the target holds once this is confirmed: (posting kind, subject). None for a read."""
        return None


class Refresh(Command):
    """Read one subject again at its source. `external_id` because the subject may be unknown to us; a level: it coalesces."""

    level: ClassVar[bool] = True
    entity: Entity
    external_id: str

    @property
    def subject_key(self) -> tuple[str, str]:
        return self.entity, f"external:{self.external_id}"

    @property
    def purpose(self) -> str:
        return f"refresh:{self.entity}:{self.external_id}"


class UpsertCustomer(Command):
    """Make a customer and the addresses of one order known to the ERP. Ids are ours; links come back for each of them."""

    customer_id: int
    order_id: int  # the order that made us do it
    billing_id: int
    billing: Address
    shipping_id: int
    shipping: Address
    email: str = ""

    @property
    def subject(self) -> Ref:
        return Ref("customer", self.customer_id)

    @property
    def purpose(self) -> str:
        return f"customer:{self.customer_id}:{self.billing_id}:{self.shipping_id}"

    @property
    def posts(self) -> tuple[str, Ref]:
        return "customer", self.subject


class OrderLine(Value):
    """One line for an ERP: our line id and SKU id, with the shop's own statement of units, money and taxes."""

    line_id: int
    sku_id: int
    stated: Line


class OrderCharge(Value):
    """One charge for an ERP: our charge id with the shop's own statement."""

    charge_id: int
    stated: Charge


class CreateOrder(Command):
    """Create the sales order in the ERP, unconfirmed. The receipt's amount is the total the ERP computed."""

    stoppable: ClassVar[bool] = True
    order_id: int
    reference: str  # business reference people recognise, e.g. WEB-1042
    customer_id: int
    billing_id: int
    shipping_id: int
    placed_at: datetime
    currency: str
    prices_include_tax: bool
    total: Decimal
    lines: tuple[OrderLine, ...]
    charges: tuple[OrderCharge, ...] = ()
    note: str = ""

    @property
    def subject(self) -> Ref:
        return Ref("order", self.order_id)

    @property
    def purpose(self) -> str:
        return f"sales_order:{self.order_id}"

    @property
    def posts(self) -> tuple[str, Ref]:
        return "sales_order", self.subject


class AddRounding(Command):
    """Add one untaxed rounding line so that the ERP's total equals the shop's to the cent. Answers with the new total."""

    stoppable: ClassVar[bool] = True
    order_id: int
    amount: Decimal

    @property
    def subject(self) -> Ref:
        return Ref("order", self.order_id)

    @property
    def purpose(self) -> str:
        return f"rounding:{self.order_id}"

    @property
    def posts(self) -> tuple[str, Ref]:
        return "rounding", self.subject


class ConfirmOrder(Command):
    """Confirm the ERP's sales order, so that it becomes binding there."""

    stoppable: ClassVar[bool] = True
    order_id: int

    @property
    def subject(self) -> Ref:
        return Ref("order", self.order_id)

    @property
    def purpose(self) -> str:
        return f"confirm:{self.order_id}"

    @property
    def posts(self) -> tuple[str, Ref]:
        return "sales_order", self.subject


class IssueLine(Value):
    """Units of one order line that left the warehouse."""

    line_id: int
    sku_id: int
    units: int


class PostGoodsIssue(Command):
    """Book a shipment out of the ERP's stock. `final` means nothing more will ship on this order: no backorder is kept."""

    shipment_id: int
    order_id: int
    location_id: int
    lines: tuple[IssueLine, ...]
    shipped_at: datetime
    tracking: str = ""  # all tracking numbers of the shipment, comma separated
    carrier: str = ""
    final: bool = False

    @property
    def subject(self) -> Ref:
        return Ref("order", self.order_id)

    @property
    def purpose(self) -> str:
        return f"goods_issue:{self.shipment_id}"

    @property
    def posts(self) -> tuple[str, Ref]:
        return "goods_issue", Ref("shipment", self.shipment_id)


class RequestLine(Value):
    """One line of a fulfilment request: our line id (which the partner repeats), SKU code, name and units."""

    line_id: int
    sku: str
    name: str
    units: int


class RequestFulfilment(Command):
    """Ask a warehouse to ship. `reference` is ours, unique for ever; the partner repeats it in everything it says."""

    stoppable: ClassVar[bool] = True
    request_id: int
    order_id: int
    reference: str
    order_reference: str
    location_code: str
    ship_to: Address
    lines: tuple[RequestLine, ...]
    requested_at: datetime
    shipping_method: str = ""
    note: str = ""

    @property
    def subject(self) -> Ref:
        return Ref("fulfilment_request", self.request_id)

    @property
    def purpose(self) -> str:
        return f"fulfilment_request:{self.request_id}"

    @property
    def posts(self) -> tuple[str, Ref]:
        return "fulfilment_request", self.subject


class SendTracking(Command):
    """Show the customer a shipment in the shop: carrier, tracking numbers, what is inside. Lines carry the *shop's* line ids."""

    shipment_id: int
    order_id: int
    reference: str  # our shipment reference; stored with the shop's record so that it is found again
    carrier: str
    parcels: tuple[Parcel, ...]
    lines: tuple[Units, ...]
    shipped_at: datetime

    @property
    def subject(self) -> Ref:
        return Ref("order", self.order_id)

    @property
    def purpose(self) -> str:
        return f"tracking:{self.shipment_id}"

    @property
    def posts(self) -> tuple[str, Ref]:
        return "tracking", Ref("shipment", self.shipment_id)


class CompleteOrder(Command):
    """Set the shop's order to completed: everything that ships has shipped, and the shop knows its tracking."""

    order_id: int

    @property
    def subject(self) -> Ref:
        return Ref("order", self.order_id)

    @property
    def purpose(self) -> str:
        return f"complete:{self.order_id}"

    @property
    def posts(self) -> tuple[str, Ref]:
        return "completion", self.subject
