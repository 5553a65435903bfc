"""What WooCommerce shows of its own stock → ListingStated. Pure.

A product, or a variation, keeps stock itself; or a variation sells from its parent's, which `manage_stock: "parent"` says; or nobody
counts. A parent whose stock its variations share is not sold itself and has a listing all the same: it holds what they name.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from canonical.facts import Fact, Gone, ListingStated
from canonical.types import Backorders
from connectors.base import Envelope, Malformed
from connectors.woocommerce.reading.fields import decoded, ident, modified_or_created, needed, seconds, text, whole
from connectors.woocommerce.wire import WireMissing, WireProduct, WireStock

_STOCK = msgspec.json.Decoder(WireStock)
_MISSING = msgspec.json.Decoder(WireMissing)
_BACKORDERS: dict[Any, Backorders] = {"no": "no", "notify": "notify", "yes": "yes"}
Keeper = Literal["itself", "parent", "nobody"]


def keeper(said: Any) -> Keeper:
    """Who keeps the stock, by a row's `manage_stock`."""
    if said == "parent":
        return "parent"
    return "itself" if said is True or said in ("yes", "true", "1") else "nobody"


def read_stock(envelope: Envelope) -> Sequence[Fact]:
    """A row that was looked at or written for its stock, as we wrapped it → ListingStated."""
    said = decoded(envelope.body, _STOCK, "answer about stock")
    if said.row is msgspec.UNSET or said.row.id is msgspec.UNSET or said.row.manage_stock is msgspec.UNSET:
        raise Malformed(f"The shop's answer does not say whether {text(said.holder)[:50]} has stock.")
    above, _, _ = text(said.holder).rpartition(":")
    return (listing(said.row, envelope, above=above, shop_at=_moment(said.at), shop_since=_moment(said.since)),)


def stock_missing(envelope: Envelope) -> Sequence[Fact]:
    """Our own note that the shop does not have what we asked for → Gone. The version is the shop's clock."""
    said = decoded(envelope.body, _MISSING, "answer about missing stock")
    at = envelope.asked_at or envelope.received_at
    if not (holder := text(said.id)):
        raise Malformed("What the shop has no stock of is not named.")
    return (Gone(occurred_at=at, ref=holder, version=said.at, read_at=envelope.asked_at, entity="listing"),)


def listing(
    said: WireProduct,
    envelope: Envelope,
    *,
    above: str = "",
    shop_at: datetime | None = None,
    shop_since: datetime | None = None,
) -> ListingStated:
    """What a row says of its stock. `above`: the parent it was read under; older shops do not repeat it."""
    ref = needed(None if said.id is msgspec.UNSET else said.id, "The product's id")
    what = f"product {ref}" + (f" (SKU {sku})" if (sku := text(said.sku)) else "")
    parent = _parent(said, what) or above
    kept_by = keeper(said.manage_stock)
    managed = kept_by != "nobody"
    modified = modified_or_created(said.date_modified_gmt, said.date_created_gmt, what)
    return ListingStated(
        occurred_at=modified or envelope.asked_at or envelope.received_at,
        ref=ref,
        version=seconds(modified),
        read_at=envelope.asked_at,
        holder=ref if not parent else parent if kept_by == "parent" else f"{parent}:{ref}",
        managed=managed,
        quantity=_quantity(said.stock_quantity, what) if managed else 0,
        backorders=_BACKORDERS.get(text(said.backorders), "no") if managed else "no",
        in_stock=said.stock_status != "outofstock",
        shop_at=shop_at,
        shop_since=shop_since or shop_at,
    )


def _parent(said: WireProduct, what: str) -> str:
    """A variation's parent. Before WooCommerce 3.0 members of a group named it as theirs, and some still do."""
    return ident(said.parent_id, f"parent_id of {what}") if said.type.endswith("variation") or not said.type else ""


def _quantity(value: Any, what: str) -> int:
    """Whole units; none where the shop has not been told any yet."""
    if value is None or value == "":
        return 0
    if (amount := whole(value)) is None:
        raise Malformed(f"The stock of {what} should be a whole number, but is “{str(value)[:40]}”.")
    return amount


def _moment(at: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(at, UTC) if at else None
    except (ValueError, OverflowError, OSError):
        raise Malformed(f"The shop's clock should be a number of seconds since 1970, but is {at}.") from None
