"""WooCommerce's words → facts. Pure: no clock, no network, no memory. Knows nothing of how the words arrived.

One file per subject; here are the tables and what is said of a subject that is gone.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from canonical.facts import Fact, Gone, RangeListed, Vanished
from canonical.types import Entity, Listed
from connectors.base import Envelope, Malformed, Read
from connectors.woocommerce.reading.customers import read_customer
from connectors.woocommerce.reading.fields import decoded, ident, instant, money, needed, only_an_error, text
from connectors.woocommerce.reading.orders import STATUSES, order_stated, read_order
from connectors.woocommerce.reading.products import read_product
from connectors.woocommerce.reading.refunds import read_refund
from connectors.woocommerce.reading.stock import read_stock, stock_missing
from connectors.woocommerce.wire import WireDeleted, WireMissing, WireRange

__all__ = [
    "READS", "STATUSES", "TOPICS", "deleted", "ident", "instant", "missing", "order_stated", "read_customer", "read_order",
    "read_product", "read_refund", "read_stock",
]  # fmt: skip
_DELETED = msgspec.json.Decoder(WireDeleted)
_MISSING = msgspec.json.Decoder(WireMissing)
_RANGE = msgspec.json.Decoder(WireRange)
Subject = Literal["order", "sku", "customer", "refund"]


def deleted(entity: Subject) -> Read:
    """Reader of `*.deleted`: trash and deletion say the same, `{"id": 17}`, so it is only Vanished."""

    def read(envelope: Envelope) -> Sequence[Fact]:
        said = decoded(envelope.body, _DELETED, f"deletion of a {entity}")
        if said.id is msgspec.UNSET:
            return only_an_error(said.code, entity)
        return (
            Vanished(
                occurred_at=envelope.received_at, entity=entity, ref=needed(said.id, f"The deleted {entity}'s id")
            ),
        )

    return read


def missing(entity: Subject) -> Read:
    """Reader of our own note that a read was answered with 404. The version is the shop's clock: later than any change."""

    def read(envelope: Envelope) -> Sequence[Fact]:
        said = decoded(envelope.body, _MISSING, f"answer about a missing {entity}")
        at = envelope.asked_at or envelope.received_at
        ref = needed(said.id, f"The missing {entity}'s id")
        return (Gone(occurred_at=at, ref=ref, version=said.at, read_at=envelope.asked_at, entity=entity),)

    return read


def read_range(envelope: Envelope) -> Sequence[Fact]:
    """One page of a sweep → RangeListed. Rows in the trash are listed: they are not gone."""
    said = decoded(envelope.body, _RANGE, "list of orders")
    if not 0 < said.first <= said.last:
        raise Malformed(f"The shop's list of orders goes from {said.first} to {said.last}.")
    rows = ((needed(row.id, "A listed order's id"), row) for row in said.rows)
    listed = tuple(
        Listed(
            ref=ref, status_text=text(row.status), total=money(row.total, f"The total of order {ref}", negative=True)
        )
        for ref, row in rows
    )
    at = envelope.asked_at or envelope.received_at
    return (RangeListed(occurred_at=at, entity="order", first=said.first, last=said.last, listed=listed),)


def nothing(envelope: Envelope) -> Sequence[Fact]:
    """Reader of what the product has no use for."""
    return ()


READS: Mapping[str, Read] = {
    "order.created": read_order,
    "order.updated": read_order,
    "order.restored": read_order,
    "order.read": read_order,
    "order.deleted": deleted("order"),
    "order.missing": missing("order"),
    "order.listed": read_range,
    "product.created": read_product,
    "product.updated": read_product,
    "product.restored": read_product,
    "product.read": read_product,
    "product.deleted": deleted("sku"),
    "product.missing": missing("sku"),
    "stock.read": read_stock,
    "stock.missing": stock_missing,
    "customer.created": read_customer,
    "customer.updated": read_customer,
    "customer.read": read_customer,
    "customer.deleted": deleted("customer"),
    "customer.missing": missing("customer"),
    "refund.read": read_refund,
    "refund.missing": missing("refund"),
    "coupon.created": nothing,
    "coupon.updated": nothing,
    "coupon.deleted": nothing,
    "coupon.restored": nothing,
    "action": nothing,
}

#: Entity of a Refresh → the first word of the topics its answers are stored under.
TOPICS: Mapping[Entity, str] = {
    "order": "order",
    "sku": "product",
    "product": "product",
    "customer": "customer",
    "refund": "refund",
}
