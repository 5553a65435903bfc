"""WooCommerce's registered customers → CustomerStated. Pure."""

from collections.abc import Sequence

import msgspec

from canonical.facts import CustomerStated, Fact
from connectors.base import Envelope
from connectors.woocommerce.reading.fields import (
    address,
    decoded,
    modified_or_created,
    needed,
    only_an_error,
    seconds,
    text,
)
from connectors.woocommerce.wire import WireCustomer

_CUSTOMER = msgspec.json.Decoder(WireCustomer)


def read_customer(envelope: Envelope) -> Sequence[Fact]:
    """A registered customer → CustomerStated."""
    said = decoded(envelope.body, _CUSTOMER, "customer")
    if said.id is msgspec.UNSET:
        return only_an_error(said.code, "customer")
    ref = needed(said.id, "The customer's id")
    modified = modified_or_created(said.date_modified_gmt, said.date_created_gmt, f"customer {ref}")
    return (
        CustomerStated(
            occurred_at=modified or envelope.asked_at or envelope.received_at,
            ref=ref,
            version=seconds(modified),
            read_at=envelope.asked_at,
            email=text(said.email),
            billing=address(said.billing),
        ),
    )
