"""What a target will not take, found before anything is sent to it: words without a meaning, addresses it cannot print. Pure."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from canonical.mappings import Limits, Unmapped
from canonical.types import Address
from retailsync.flows import reckoning, wishes
from retailsync.flows.view import OrderView


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
    """What the ERP and the warehouses cannot take of it: those that work on it, and those it would go to now. After a rejection that is
    the next one, with limits of its own, and a further request has a longer reference."""
    if not order.limits or not any(line.ships for line in order.lines):
        return
    address = wishes.placed(order, order.shipping)
    problems: dict[str, None] = {}
    for system, reference in sorted(_told(order, now)):
        name, limits = order.limits[system]
        for problem in _problems(reference, address, limits):
            problems[f"{name}: {problem}"] = None
    if problems:
        mark = hashlib.sha256(msgspec.json.encode((address, sorted(problems)))).hexdigest()[:12]
        yield Finding("address", mark, " ".join(problems))


def _told(order: OrderView, now: datetime) -> set[tuple[int, str]]:
    """The systems with limits that are told of the order, each with the references it is called by there; of lines that go nowhere yet,
    the first of their list."""
    following, live = reckoning.next_requests(order, now), [r for r in order.requests if reckoning.live(r)]
    told = {(order.erp_id, order.reference)}
    told |= {(r.place.system_id, wishes.reference(order, r)) for r in live}
    told |= {(n.place.system_id, wishes.called(order, n.purpose, n.attempt)) for n in following}
    lines = {line for some in (*live, *following) for line in some.units}
    waiting = [x.sources[0].place for x in order.lines if x.ships and x.id not in lines and x.sources]
    told |= {(place.system_id, wishes.called(order, "original", 1)) for place in waiting}
    return {(system, reference) for system, reference in told if system is not None and system in order.limits}


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
