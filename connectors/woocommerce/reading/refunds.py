"""WooCommerce's refunds → RefundStated. Pure.

The shop writes what it gives back as negative quantities and amounts; in our facts they are positive. Shipping and fees given back
are part of `amount` alone: they are no line's.
"""

from collections.abc import Iterator, Sequence

import msgspec

from canonical.facts import Fact, RefundStated
from canonical.types import RefundedLine
from connectors.base import Envelope, Malformed
from connectors.woocommerce.reading.fields import decoded, ident, instant, money, needed, stated, text
from connectors.woocommerce.reading.metas import texts
from connectors.woocommerce.wire import WireRefund, WireRefundLine, WireRefundOf

_REFUND = msgspec.json.Decoder(WireRefundOf)


def read_refund(envelope: Envelope) -> Sequence[Fact]:
    """A refund as we wrapped it with its order's id, `{"order": 138, "refund": {…}}` → RefundStated."""
    said = decoded(envelope.body, _REFUND, "refund")
    if said.refund is msgspec.UNSET:
        raise Malformed("The refund is missing.")
    refund = said.refund
    ref = needed(refund.id, "The refund's id")
    created = instant(refund.date_created_gmt, f"date_created_gmt of refund {ref}")
    where = f"The amount of refund {ref}"
    return (
        RefundStated(
            occurred_at=created or envelope.asked_at or envelope.received_at,
            ref=ref,
            order_ref=needed(said.order, f"The order of refund {ref}"),
            amount=abs(money(stated(refund.amount, where), where, negative=True)),
            reason=text(refund.reason),
            lines=tuple(_lines(refund, ref)),
        ),
    )


def _lines(refund: WireRefund, ref: str) -> Iterator[RefundedLine]:
    for said in refund.line_items:
        if line := ident(texts(said.meta_data).get("_refunded_item_id"), f"_refunded_item_id of refund {ref}"):
            yield _line(said, line, f"line {line} in refund {ref}")


def _line(said: WireRefundLine, line: str, where: str) -> RefundedLine:
    units = abs(money(said.quantity, f"The quantity of {where}", negative=True))
    if units != units.to_integral_value():
        raise Malformed(f"The quantity of {where} should be a whole number, but is {units}.")
    return RefundedLine(
        line=line,
        units=int(units),
        total=abs(money(said.total, f"The total of {where}", negative=True)),
        tax=abs(money(said.total_tax, f"total_tax of {where}", negative=True)),
    )
