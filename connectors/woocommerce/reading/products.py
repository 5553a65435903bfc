"""WooCommerce's products and variations → SkuStated and ListingStated. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from canonical.facts import Fact, SkuStated
from connectors.base import Envelope, Malformed
from connectors.woocommerce.reading.fields import (
    decoded,
    ident,
    modified_or_created,
    needed,
    only_an_error,
    seconds,
    text,
)
from connectors.woocommerce.reading.stock import keeper, listing
from connectors.woocommerce.wire import WireProduct

#: Product types that are only a frame around what is sold.
FRAMES = frozenset({"variable", "variable-subscription", "grouped", "external"})

_PRODUCT = msgspec.json.Decoder(WireProduct)


def read_product(envelope: Envelope) -> Sequence[Fact]:
    """A simple product or a variation → SkuStated, and what the shop shows of its stock. Frames (variable, grouped, external) are
    not sold; one that keeps the stock its variations share has a listing.

    A virtual product does not ship; a merely downloadable one (a book with a file) does.
    """
    said = decoded(envelope.body, _PRODUCT, "product")
    if said.id is msgspec.UNSET:
        return only_an_error(said.code, "product")
    ref = needed(said.id, "The product's id")
    if not said.status:
        raise Malformed(f"The status of product {ref} is missing.")
    return tuple(_stated(said, ref, envelope))


def _stated(said: WireProduct, ref: str, envelope: Envelope) -> Iterator[Fact]:
    framed = said.type in FRAMES
    if not framed:
        yield _sku(said, ref, envelope)
    known = said.manage_stock is not msgspec.UNSET and said.status != "trash"
    if known and (not framed or keeper(said.manage_stock) == "itself"):
        yield listing(said, envelope)


def _sku(said: WireProduct, ref: str, envelope: Envelope) -> SkuStated:
    modified = modified_or_created(said.date_modified_gmt, said.date_created_gmt, f"product {ref}")
    return SkuStated(
        occurred_at=modified or envelope.asked_at or envelope.received_at,
        ref=ref,
        version=seconds(modified),
        read_at=envelope.asked_at,
        sku=text(said.sku),
        name=text(said.name),
        product_ref=ident(said.parent_id, f"parent_id of product {ref}") or ref,
        gtin=text(said.global_unique_id),
        requires_shipping=not said.virtual,
        active=said.status in ("publish", "private"),
        category=_category(said.categories),
    )


def _category(said: Any) -> str:
    """The first category, by the name in its address, which stays when people rename it."""
    first = said[0] if isinstance(said, list) and said else None
    named = (first.get(field) for field in ("slug", "name")) if isinstance(first, dict) else ()
    return next((text(value) for value in named if isinstance(value, str) and value.strip()), "")
