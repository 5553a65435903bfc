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

    #: (entity, field) of what the command is about: commands of one system and subject go out one at a time, in order.
    subject_of: ClassVar[tuple[Entity, str]] = ("order", "order_id")
    #: The purpose key ({0} = the command): at most one command per system and purpose is ever planned.
    purpose_of: ClassVar[str] = ""
    #: The kind of what the target holds once this is confirmed; empty for a read. `posting_of`: its subject, where it is another one.
    posting: ClassVar[str] = ""
    posting_of: ClassVar[tuple[Entity, str] | None] = None

    @property
    def subject(self) -> Ref:
        """What this command is about."""
        return self._ref(self.subject_of)

    @property
    def subject_key(self) -> tuple[str, str]:
        """The subject as the outbox orders by it: (kind, key)."""
        return self.subject.entity, str(self.subject.id)

    @property
    def purpose(self) -> str:
        """This command's purpose key, stable over every retry."""
        return self.purpose_of.format(self)

    @property
    def posts(self) -> tuple[str, Ref] | None:
        """What the target holds once this is confirmed: (posting kind, subject). None for a read."""
        return (self.posting, self._ref(self.posting_of or self.subject_of)) if self.posting else None

    def _ref(self, named: tuple[Entity, str]) -> Ref:
        entity, field = named
        return Ref(entity, getattr(self, field))


class Refresh(Command):
    """Read one subject again at its source. `external_id` because the subject may be unknown to us; a level: it coalesces."""

    level: ClassVar[bool] = True
    purpose_of: ClassVar[str] = "refresh:{0.entity}:{0.external_id}"
    entity: Entity
    external_id: str

    @property
    def subject_key(self) -> tuple[str, str]:
        return self.entity, f"external:{self.external_id}"


class UpsertCustomer(Command):
    """Make a customer and the addresses of one order known to the ERP. Ids are ours; links come back for each of them."""

    subject_of: ClassVar[tuple[Entity, str]] = ("customer", "customer_id")
    purpose_of: ClassVar[str] = "customer:{0.customer_id}:{0.billing_id}:{0.shipping_id}"
    posting: ClassVar[str] = "customer"
    customer_id: int
    order_id: int  # the order that made us do it
    billing_id: int
    billing: Address
    shipping_id: int
    shipping: Address
    email: str = ""


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
    purpose_of: ClassVar[str] = "sales_order:{0.order_id}"
    posting: ClassVar[str] = "sales_order"
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


class AddRounding(Command):
    """Add one untaxed rounding line so that the ERP's total equals the shop's to the cent. Answers with the new total."""

    stoppable: ClassVar[bool] = True
    purpose_of: ClassVar[str] = "rounding:{0.order_id}"
    posting: ClassVar[str] = "rounding"
    order_id: int
    amount: Decimal


class ConfirmOrder(Command):
    """Confirm the ERP's sales order, so that it becomes binding there."""

    stoppable: ClassVar[bool] = True
    purpose_of: ClassVar[str] = "confirm:{0.order_id}"
    posting: ClassVar[str] = "sales_order"
    order_id: int


class IssueLine(Value):
    """Units of one order line that left the warehouse."""

    line_id: int
    sku_id: int
    units: int


class PostGoodsIssue(Command):
    """Book a shipment out of the ERP's stock. `final` means nothing more will ship on this order: no backorder is kept."""

    purpose_of: ClassVar[str] = "goods_issue:{0.shipment_id}"
    posting: ClassVar[str] = "goods_issue"
    posting_of: ClassVar[tuple[Entity, str]] = ("shipment", "shipment_id")
    shipment_id: int
    order_id: int
    location_id: int
    lines: tuple[IssueLine, ...]
    shipped_at: datetime
    tracking: str = ""  # all tracking numbers of the shipment, comma separated
    carrier: str = ""
    final: bool = False


class RequestLine(Value):
    """One line of a fulfilment request: our line id (which the partner repeats), SKU code, name and units."""

    line_id: int
    sku: str
    name: str
    units: int


class RequestFulfilment(Command):
    """Ask a warehouse to ship. `reference` is ours, unique for ever; the partner repeats it in everything it says."""

    stoppable: ClassVar[bool] = True
    subject_of: ClassVar[tuple[Entity, str]] = ("fulfilment_request", "request_id")
    purpose_of: ClassVar[str] = "fulfilment_request:{0.request_id}"
    posting: ClassVar[str] = "fulfilment_request"
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


class SendTracking(Command):
    """Show the customer a shipment in the shop: carrier, tracking numbers, what is inside. Lines carry the *shop's* line ids."""

    purpose_of: ClassVar[str] = "tracking:{0.shipment_id}"
    posting: ClassVar[str] = "tracking"
    posting_of: ClassVar[tuple[Entity, str]] = ("shipment", "shipment_id")
    shipment_id: int
    order_id: int
    reference: str  # our shipment reference; stored with the shop's record so that it is found again
    carrier: str
    parcels: tuple[Parcel, ...]
    lines: tuple[Units, ...]
    shipped_at: datetime


class CompleteOrder(Command):
    """Set the shop's order to completed: everything that ships has shipped, and the shop knows its tracking."""

    purpose_of: ClassVar[str] = "complete:{0.order_id}"
    posting: ClassVar[str] = "completion"
    order_id: int
