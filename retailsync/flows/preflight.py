"""What a target will not take, found before anything is sent to it: words without a meaning, addresses it cannot print. Pure."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from canonical.mappings import Limits, Unmapped
from canonical.types import Address
from retailsync.flows import reckoning, wishes
from retailsync.flows.view import OrderView, Place


class Finding(NamedTuple):
    """A hold's reason, what exactly, and words."""

    reason: str
    detail: str
    words: str


#: Mapping table → the reason of the hold a missing word makes.
_REASONS = {
    "shipping_method": "method_mapping", "payment_method": "method_mapping", "tax": "tax_mapping", "line_kind": "line_mapping",
}  # fmt: skip


def unmapped(order: OrderView) -> Iterator[Finding]:
    """Words of the shop that nobody gave a meaning, each once."""
    attempts: list[Callable[[], Any]] = [
        lambda: order.tables.payment(order.payment_method),
        lambda: wishes.shipping(order),
        *(
            lambda tax=tax: wishes.taxed(order, (tax,))
            for thing in (*order.lines, *order.charges)
            for tax in thing.taxes
        ),
        *(lambda title=c.title: order.tables.line_kind(title) for c in order.charges if c.kind == "fee"),
    ]
    found: dict[str, Finding] = {}
    for attempt in attempts:
        try:
            attempt()
        except Unmapped as gap:
            words = f"Nobody has said yet what the {gap.kind.replace('_', ' ')} “{gap.key}” of this shop means."
            reason = _REASONS[gap.kind]
            known = found.get(reason)
            if known is None:
                found[reason] = Finding(reason, f"{gap.kind} {gap.key}", words)
    yield from found.values()


def refused(order: OrderView, now: datetime) -> Iterator[Finding]:
    """What the ERP and the warehouses this order would go to cannot take of it."""
    if not order.limits or not any(line.ships for line in order.lines):
        return
    systems = {order.erp_id} | {place.system_id for place in _places(order, now)}
    address = wishes.placed(order, order.shipping)
    problems: dict[str, None] = {}
    for system in sorted(s for s in systems if s is not None and s in order.limits):
        name, limits = order.limits[system]
        for problem in _problems(order.reference, address, limits):
            problems[f"{name}: {problem}"] = None
    if problems:
        mark = hashlib.sha256(msgspec.json.encode((address, sorted(problems)))).hexdigest()[:12]
        yield Finding("address", mark, " ".join(problems))


def _places(order: OrderView, now: datetime) -> Iterator[Place]:
    """Where its units are, or are about to be sent; of lines that go nowhere yet, the first of their list."""
    sent = reckoning.routes(order, now).sent
    asked = [(r.place, r.units) for r in order.requests if r.answer not in ("rejected", "closed")]
    gone = [*sent.items(), *asked]
    yield from (place for place, _ in gone)
    lines = {line for _, units in gone for line in units}
    yield from (s.place for x in order.lines if x.ships and x.id not in lines for s in x.sources[:1])


def _problems(reference: str, address: Address, limits: Limits) -> Iterator[str]:
    longest = {
        "order number": (reference, limits.reference), "name": (address.name, limits.name), "company": (address.company, limits.name),
        "street": (address.line1, limits.line), "second address line": (address.line2, limits.line), "city": (address.city, limits.city),
    }  # fmt: skip
    for what, (text, limit) in longest.items():
        if limit and len(text) > limit:
            yield f"the {what} has {len(text)} characters, at most {limit} are taken."
    missing = {
        "street": limits.street_required and not address.line1,
        "postcode": limits.postcode_required and not address.postcode,
        "city": not address.city,
        "country": not address.country,
        "phone number": limits.phone_required and not address.phone,
    }
    for what in (name for name, lacks in missing.items() if lacks):
        yield f"the {what} is missing."
    if limits.countries and address.country.upper() not in {c.upper() for c in limits.countries}:
        yield f"does not ship to {address.country}."
    if limits.charset and not _printable(address, limits.charset):
        yield f"the address has letters its labels cannot print ({limits.charset})."


def _printable(address: Address, charset: str) -> bool:
    try:
        for text in (address.name, address.company, address.line1, address.line2, address.city):
            text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True
