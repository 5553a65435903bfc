"""What we tell systems, in the imperative. A command is one outside effect; it names its subject by our ids and carries its content.

`ref(entity, id)` values inside a command are ours; a connector declares which it needs, the top floor resolves them to the
target's external ids before sending.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Literal, NamedTuple

from canonical.types import Address, Backorders, ChangeKind, Charge, Entity, Line, Parcel, Units, Value


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
    #: The purpose of the create this one undoes or changes. Where that one never left, nothing has to be sent: its receipt is `undone`.
    undoes: ClassVar[str] = ""
    undone: ClassVar[str] = ""
    #: The workflow people look for its trouble in.
    workflow: ClassVar[str] = "order_to_fulfilment"
    #: The field with the moment this tells a customer of. Old news waits for a person (the shop's policy says how old).
    notice_of: ClassVar[str] = ""

    @property
    def ends(self) -> bool:
        """Whether it ends what its create began, rather than changing it."""
        return bool(self.undoes)

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

    @property
    def replaces(self) -> Sequence[str]:
        """The purposes of earlier ones it says everything of anew: what of them is unsent does not leave any more."""
        return ()

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
    purpose_of: ClassVar[str] = "customer:{0.customer_id}:{0.billing_id}:{0.shipping_id}:{0.account}"
    posting: ClassVar[str] = "customer"
    customer_id: int
    order_id: int  # the order that made us do it
    billing_id: int
    billing: Address
    shipping_id: int
    shipping: Address
    email: str = ""
    vat_id: str = ""
    terms: str = ""  # the payment terms' name or code in the ERP; empty: the ERP's own default
    #: per_email: one contact per e-mail (registered customers always); per_order: a contact for this order alone;
    #: collective: all guests are one account of the ERP, named in its settings, with this order's addresses below it
    account: Literal["per_email", "per_order", "collective"] = "per_email"
    reference: str = ""  # the order's business reference, where a contact of its own is named after it


class OrderLine(Value):
    """One line for an ERP: our line id and SKU id, with the shop's own statement of units, money and taxes."""

    line_id: int
    sku_id: int
    stated: Line


class OrderCharge(Value):
    """One charge for an ERP: our charge id with the shop's own statement."""

    charge_id: int
    stated: Charge


class SalesOrder(Command):
    """What an ERP's sales order should say. Base of the two commands that say it."""

    stoppable: ClassVar[bool] = True
    order_id: int
    booking_id: int
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
    terms: str = ""  # payment terms' name or code in the ERP, from the payment method's mapping


class CreateOrder(SalesOrder):
    """Create the sales order in the ERP, unconfirmed. The receipt's amount is the total the ERP computed."""

    purpose_of: ClassVar[str] = "sales_order:{0.booking_id}"
    posting: ClassVar[str] = "sales_order"
    posting_of: ClassVar[tuple[Entity, str]] = ("booking", "booking_id")


class AmendOrder(SalesOrder):
    """Make the ERP's sales order, draft or confirmed, say exactly this: lines and charges added, changed and taken out.

    Answers `done` with the new total, or `refused` where the ERP does not allow it any more (then it is cancelled and created anew).
    A rounding line of ours is taken out: the new total is compared again.
    """

    purpose_of: ClassVar[str] = "amend_order:{0.booking_id}:{0.revision}"
    posting: ClassVar[str] = "amendment"
    posting_of: ClassVar[tuple[Entity, str]] = ("booking", "booking_id")
    revision: int  # 1, 2, … per booking


class CancelOrder(Command):
    """Cancel the ERP's sales order, draft or confirmed, with what is not delivered yet. Refused where goods or invoices are booked."""

    purpose_of: ClassVar[str] = "cancel_order:{0.booking_id}"
    posting: ClassVar[str] = "sales_order"
    posting_of: ClassVar[tuple[Entity, str]] = ("booking", "booking_id")
    undoes: ClassVar[str] = "sales_order:{0.booking_id}"
    undone: ClassVar[str] = "cancelled"
    order_id: int
    booking_id: int
    reason: str = ""


class AddRounding(Command):
    """Add one untaxed rounding line so that the ERP's total equals the shop's to the cent. Answers with the new total."""

    stoppable: ClassVar[bool] = True
    purpose_of: ClassVar[str] = "rounding:{0.booking_id}:{0.revision}"
    posting: ClassVar[str] = "rounding"
    posting_of: ClassVar[tuple[Entity, str]] = ("booking", "booking_id")
    order_id: int
    booking_id: int
    amount: Decimal
    revision: int = 0  # of the amendment it follows; 0: of the creation


class ConfirmOrder(Command):
    """Confirm the ERP's sales order, so that it becomes binding there."""

    stoppable: ClassVar[bool] = True
    purpose_of: ClassVar[str] = "confirm:{0.booking_id}"
    posting: ClassVar[str] = "sales_order"
    posting_of: ClassVar[tuple[Entity, str]] = ("booking", "booking_id")
    order_id: int
    booking_id: int


class IssueLine(Value):
    """Units of one order line that left the warehouse."""

    line_id: int
    sku_id: int
    units: int


class PostGoodsIssue(Command):
    """Book a shipment out of the ERP's stock. `final` means nothing more will ship on this order: no backorder is kept."""

    workflow: ClassVar[str] = "shipments"
    purpose_of: ClassVar[str] = "goods_issue:{0.shipment_id}"
    posting: ClassVar[str] = "goods_issue"
    posting_of: ClassVar[tuple[Entity, str]] = ("shipment", "shipment_id")
    shipment_id: int
    order_id: int
    booking_id: int
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
    carrier: str = ""  # from the shipping method's mapping
    service: str = ""
    purpose_text: str = "original"  # original, backorder, reship, exchange


class ChangeRequest(Command):
    """Ask a warehouse to change a request it was told of: amend it to exactly this content, cancel all or part of it, hold it, or go on.

    The warehouse answers later (accepted or rejected). `lines` is the request's whole content as it should be, without lines of no units.
    """

    subject_of: ClassVar[tuple[Entity, str]] = ("fulfilment_request", "request_id")
    purpose_of: ClassVar[str] = "request_change:{0.change_id}"
    posting: ClassVar[str] = "request_change"
    posting_of: ClassVar[tuple[Entity, str]] = ("request_change", "change_id")
    undoes: ClassVar[str] = "fulfilment_request:{0.request_id}"
    undone: ClassVar[str] = "done"
    change_id: int
    request_id: int
    order_id: int
    reference: str
    number: int
    kind: ChangeKind
    lines: tuple[RequestLine, ...]
    ship_to: Address
    shipping_method: str = ""
    carrier: str = ""
    service: str = ""
    note: str = ""
    asked_at: datetime
    reason: str = ""

    @property
    def ends(self) -> bool:
        return self.kind == "cancel" and not self.lines


class SendTracking(Command):
    """Show the customer a shipment in the shop: carrier, tracking numbers, what is inside. Lines carry the *shop's* line ids.

    A later `revision` says all of it anew, in place of what was shown before: the warehouse gave other numbers at `stated_at`.
    """

    workflow: ClassVar[str] = "shipments"
    purpose_of: ClassVar[str] = "tracking:{0.shipment_id}"
    posting: ClassVar[str] = "tracking"
    posting_of: ClassVar[tuple[Entity, str]] = ("shipment", "shipment_id")
    notice_of: ClassVar[str] = "told_at"
    shipment_id: int
    order_id: int
    reference: str  # our shipment reference; stored with the shop's record so that it is found again
    carrier: str
    parcels: tuple[Parcel, ...]
    lines: tuple[Units, ...]
    shipped_at: datetime
    revision: int = 0
    stated_at: datetime | None = None

    @property
    def purpose(self) -> str:
        return self._purposes()[-1]

    @property
    def replaces(self) -> Sequence[str]:
        return self._purposes()[:-1]

    @property
    def told_at(self) -> datetime:
        """The moment of what the customer is told."""
        return self.stated_at or self.shipped_at

    def _purposes(self) -> list[str]:
        """Of all revisions up to this one."""
        first = self.purpose_of.format(self)
        return [first, *(f"{first}:{revision}" for revision in range(1, self.revision + 1))]


class CompleteOrder(Command):
    """Set the shop's order to completed: everything that ships has shipped, and the shop knows its tracking. A status somebody set
    meanwhile that an order is not completed from is left alone (refused, with its name)."""

    workflow: ClassVar[str] = "shipments"
    purpose_of: ClassVar[str] = "complete:{0.order_id}"
    posting: ClassVar[str] = "completion"
    notice_of: ClassVar[str] = "happened_at"
    order_id: int
    happened_at: datetime  # when the last shipment left


class RemindPayment(Command):
    """Tell the customer by the shop that payment is still awaited: a customer note, which the shop mails. Said once."""

    purpose_of: ClassVar[str] = "remind:{0.order_id}"
    posting: ClassVar[str] = "reminder"
    notice_of: ClassVar[str] = "due_at"
    order_id: int
    text: str
    due_at: datetime


class CancelShopOrder(Command):
    """Cancel an order in the shop that nobody paid in time. Only while it still has the status it had when we decided: a newer human
    status is never overwritten (answered `done` with the status found as evidence, as then nothing is left to do)."""

    purpose_of: ClassVar[str] = "cancel_in_shop:{0.order_id}:{0.attempt}"
    posting: ClassVar[str] = "shop_cancellation"
    order_id: int
    status_text: str  # the shop's own word when we decided
    reason: str
    attempt: int = 1


class PublishStock(Command):
    """A shop's stock of one listing must equal ours. A level: only `listing_id` is put out, the rest is filled in when it is sent.

    `ref` is the shop's address of what holds the stock ("12", of a variation "10:12"). The receipt carries what the shop answered
    about this item as `heard`, so that it is read like everything a shop says.
    """

    level: ClassVar[bool] = True
    workflow: ClassVar[str] = "inventory"
    subject_of: ClassVar[tuple[Entity, str]] = ("listing", "listing_id")
    purpose_of: ClassVar[str] = "stock:{0.listing_id}"
    listing_id: int
    ref: str = ""
    sku: str = ""  # for words
    quantity: int = 0
    backorders: Backorders = "no"


class PostMovement(Command):
    """Book units that came or left (`units` signed) in an ERP that is told of a location. Base of the two commands that do."""

    workflow: ClassVar[str] = "inventory"
    subject_of: ClassVar[tuple[Entity, str]] = ("stock_movement", "movement_id")
    movement_id: int
    sku_id: int
    location_id: int
    units: int
    happened_at: datetime
    reference: str  # ours, unique for ever: what the ERP's document is found by
    reason: str = ""


class PostReceipt(PostMovement):
    """Goods a warehouse received. `document` is what they came with."""

    purpose_of: ClassVar[str] = "receipt:{0.movement_id}"
    posting: ClassVar[str] = "receipt"
    document: str = ""


class PostStockAdjustment(PostMovement):
    """A correction a warehouse made: found, lost, damaged beyond sale."""

    purpose_of: ClassVar[str] = "stock_adjustment:{0.movement_id}"
    posting: ClassVar[str] = "stock_adjustment"


def _concrete(base: type[Command]) -> list[type[Command]]:
    below = [kind for child in base.__subclasses__() for kind in _concrete(child)]
    return [base, *below] if base.purpose_of else below


#: Name → command, of all that can be put out.
KINDS: Mapping[str, type[Command]] = {kind.__name__: kind for kind in _concrete(Command)}
