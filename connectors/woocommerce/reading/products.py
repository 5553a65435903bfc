"""WooCommerce's products and variations → SkuStated. Pure."""

from collections.abc import Sequence

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
from connectors.woocommerce.wire import WireProduct

#: Product types that are only a frame around what is sold.
FRAMES = frozenset({"variable", "variable-subscription", "grouped", "external"})

_PRODUCT = msgspec.json.Decoder(WireProduct)


def read_product(envelope: Envelope) -> Sequence[Fact]:
    """A simple product or a variation → SkuStated. Frames (variable, grouped, external) are not stocked: nothing.

    A virtual product does not ship; a merely downloadable one (a book with a file) does.
    """
    said = decoded(envelope.body, _PRODUCT, "product")
    if said.id is msgspec.UNSET:
        return only_an_error(said.code, "product")
    ref = needed(said.id, "The product's id")
    if not said.status:
        raise Malformed(f"The status of product {ref} is missing.")
    if said.type in FRAMES:
        return ()
    modified = modified_or_created(said.date_modified_gmt, said.date_created_gmt, f"product {ref}")
    return (
        SkuStated(
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
        ),
    )
