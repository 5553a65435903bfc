"""An order's life in words: why it waits, its money, what ERP and warehouses were told, what plugins' texts mean."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Q

from canonical.mappings import Tables
from canonical.models import FulfilmentRequest, Hold, Location, Order, OrderLine, Payment, Posting, Refund
from canonical.models import Mapping as Row
from canonical.rules.money import payment_state
from retailsync.console import meanings, words
from retailsync.sync import deciding

#: Kinds of payments that are money that came, next to what is only reserved.
_CAME = frozenset({"capture", "gift_card", "store_credit"})


class Money(NamedTuple):
    """The sums of one order, and the state that follows from them."""

    state: str
    tone: str
    captured: Decimal
    authorised: Decimal
    refunded: Decimal


def money(order: Order, payments: Sequence[Payment], refunds: Sequence[Refund]) -> Money:
    """What came, what is reserved, what went back."""
    captured = sum((p.amount for p in payments if p.kind in _CAME), Decimal(0))
    authorised = sum((p.amount for p in payments if p.kind == "authorise"), Decimal(0))
    refunded = sum((r.amount for r in refunds if r.gone_at is None), Decimal(0))
    state = payment_state(order.total, captured, authorised, refunded)
    return Money(state, words.PAYMENT_TONES.get(state, "warn"), captured, authorised, refunded)


def payments(order: Order) -> list[Payment]:
    """Payments with the name of their kind and of how the customer knows the method."""
    rows = list(order.payments.select_related("source").order_by("pk"))
    for row in rows:
        row.what = words.PAYMENTS.get(row.kind, words.plain(row.kind))
        row.by = row.tender or (order.payment_title if row.method == order.payment_method else "") or row.method
    return rows


def refunds(order: Order) -> list[Refund]:
    """Refunds with their lines."""
    return list(order.refunds.prefetch_related("lines__line__sku").order_by("pk"))


# ---- why it waits -----------------------------------------------------------------------------------------------------------
class Waits(NamedTuple):
    """One reason that asks nothing of anybody; what does is an exception."""

    title: str
    words: str


def waits(order: Order, holds: Sequence[Hold]) -> list[Waits]:
    """Why an order stays where it is although nobody has to act."""
    opened = [h for h in holds if h.lifted_at is None and h.blocks]
    found = [Waits(h.get_reason_display(), h.words) for h in opened if h.quiet]
    if not opened and order.released_at is None and order.stage == Order.Stage.RECEIVED:
        status = order.shop_status_text or order.shop_status
        found.append(Waits("waits for the shop", f"The shop says “{status}”. It goes on when the shop moves it on."))
    return found


# ---- what was told ----------------------------------------------------------------------------------------------------------
def postings(order: Order) -> list[Posting]:
    """What systems hold, with words."""
    rows = list(order.postings.select_related("system").order_by("pk"))
    for row in rows:
        row.what = words.posting(row.kind)
    return rows


def bookings(order: Order, held: Sequence[Posting]) -> list[Any]:
    """The ERP's documents of this order, each with what the ERP confirmed of it."""
    rows = list(order.bookings.select_related("system").order_by("pk"))
    for row in rows:
        row.held = [p for p in held if (p.subject_kind, p.subject_id) == ("booking", row.pk)]
    return rows


def requests(order: Order, lines: Sequence[OrderLine]) -> list[FulfilmentRequest]:
    """What warehouses were asked, with each change asked of it since and the answer."""
    known = {str(line.pk): _code(line) for line in lines}
    related = order.requests.select_related("location", "system", "ship_to").prefetch_related(
        "lines__line__sku", "changes"
    )
    rows = list(related.order_by("pk"))
    for row in rows:
        row.why = words.PURPOSES.get(row.purpose, words.plain(row.purpose))
        row.asked = sorted(row.changes.all(), key=lambda change: change.number)
        for change in row.asked:
            change.what = words.CHANGES.get(change.kind, words.plain(change.kind))
            change.units = ", ".join(f"{units} × {known.get(line, line)}" for line, units in change.lines.items())
    return rows


def _code(line: OrderLine) -> str:
    return line.sku.code if line.sku else line.sku_text or line.name


# ---- plugins' texts ---------------------------------------------------------------------------------------------------------
class Text(NamedTuple):
    """One text a plugin put on the order."""

    key: str
    text: str
    meaning: str


def texts(order: Order) -> list[Text]:
    """Those with a meaning first."""
    if not order.meta:
        return []
    rows = Row.objects.filter(Q(channel=order.channel_id) | Q(channel=None), kind="meta").order_by("pk")
    tables = Tables(rows.values_list("kind", "channel_id", "key", "value"))
    found = [Text(key, str(text), _means(tables, key)) for key, text in order.meta.items()]
    return sorted(found, key=lambda text: (not text.meaning, text.key))


def _means(tables: Tables, key: str) -> str:
    field = next(iter(tables.meta({key: "x"})), "")
    return meanings.text_means(field) if field else ""


# ---- what people may decide -------------------------------------------------------------------------------------------------
def choices(order: Order, lines: Sequence[OrderLine]) -> Mapping[str, Any]:
    """What the buttons of the page offer."""
    left = [(line, deciding.remaining(line)) for line in lines]
    shipped = [line for line in lines if line.shipped and line.sku_id]
    places = list(Location.objects.filter(active=True).select_related("executor").order_by("code")) if shipped else []
    return {
        "reasons": [(reason.value, reason.label) for reason in deciding.BY_PEOPLE], "left": [pair for pair in left if pair[1]],
        "shipped": shipped, "places": places, "ended": order.stage in words.ENDED,
    }  # fmt: skip
