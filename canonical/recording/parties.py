"""Customers and addresses become known. Matching: the shop's customer link first, the normalised e-mail second, the order itself last."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from canonical import sql
from canonical.facts import CustomerStated, OrderStated
from canonical.recording import links
from canonical.recording.work import Recorded, Stated, by_ref, digest, latest
from canonical.types import Address


class Buyer(NamedTuple):
    """Who bought, as one order says it."""

    key: str
    email: str
    ref: str


def buyer(source: int, fact: OrderStated) -> Buyer:
    """The identity an order's customer is matched on. Guests of one e-mail are one customer; without one, each order stands alone."""
    email = normalised(fact.billing.email)
    ref = fact.customer_ref
    key = email or (f"{source}:customer:{ref}" if ref else f"{source}:order:{fact.ref}")
    return Buyer(key, email, ref)


def normalised(email: str) -> str:
    """An e-mail as we compare it: trimmed and lower-case (every mail host in use ignores case)."""
    return email.strip().lower()


def customers(source: int, buyers: Iterable[Buyer], recorded: Recorded) -> dict[Buyer, int]:
    """Buyer → our customer id, creating customers and links where there are none."""
    wanted = sorted(set(buyers))
    known = links.known(source, "customer", {b.ref for b in wanted if b.ref})
    unknown = [b for b in wanted if b.ref not in known]
    ids = _upsert({b.key: b.email for b in unknown})
    links.claim([(source, "customer", b.ref, ids[b.key], 0, None, None) for b in unknown if b.ref], recorded)
    return {b: known[b.ref].our_id if b.ref in known else ids[b.key] for b in wanted}


def _upsert(emails: Mapping[str, str]) -> dict[str, int]:
    keys = sorted(emails)
    sql.insert(
        "canonical_customer", {"key": "text", "email": "text", "name": "text"}, [(k, emails[k], "") for k in keys],
        "ON CONFLICT (key) DO NOTHING",
    )  # fmt: skip
    return dict(sql.fetch("SELECT key, id FROM canonical_customer WHERE key = ANY(%s)", (keys,)))


def address_digest(address: Address) -> bytes:
    """Hash of an address's content."""
    return hashlib.sha256(msgspec.json.encode(address)).digest()


def addresses(wanted: Iterable[tuple[int, Address]]) -> dict[tuple[int, bytes], int]:
    """(customer id, digest) → address id; equal content of one customer is one row."""
    rows = {(customer, address_digest(address)): address for customer, address in wanted}
    columns = {"customer_id": "bigint", "digest": "bytea", "content": "jsonb"}
    ordered = sorted(rows)
    sql.insert(
        "canonical_address", columns, [(c, d, msgspec.json.encode(rows[c, d]).decode()) for c, d in ordered],
        "ON CONFLICT (customer_id, digest) DO NOTHING",
    )  # fmt: skip
    found = sql.fetch(
        "SELECT a.customer_id, a.digest, a.id FROM canonical_address a JOIN unnest(%s::bigint[], %s::bytea[]) v(c, d)"
        " ON a.customer_id = v.c AND a.digest = v.d",
        ([c for c, _ in ordered], [d for _, d in ordered]),
    )
    return {(customer, bytes(mark)): id for customer, mark, id in found}


def record(source: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    """Apply CustomerStated facts of one system: the account's name, and its link."""
    groups = by_ref(stated)
    known = links.known(source, "customer", groups)
    digests = {id(s.fact): digest(s.fact) for s in stated}
    verdicts = {ref: latest(known.get(ref), items, digests) for ref, items in groups.items()}
    for ref in (ref for ref, verdict in verdicts.items() if verdict.ask):
        recorded.ask(source, "customer", ref, groups[ref][0].cause)
    facts: dict[str, CustomerStated] = {ref: v.winner.fact for ref, v in verdicts.items() if v.winner}
    keys = {ref: normalised(fact.email) or f"{source}:customer:{ref}" for ref, fact in facts.items()}
    ids = _upsert({key: normalised(facts[ref].email) for ref, key in keys.items() if ref not in known})
    ours = {ref: known[ref].our_id if ref in known else ids[keys[ref]] for ref in facts}
    _name({ours[ref]: fact.billing.name for ref, fact in facts.items()})
    free = links.claim(
        [(source, "customer", ref, ours[ref], 0, None, None) for ref in facts if ref not in known], recorded
    )
    links.remember(
        [
            (source, "customer", ref, ours[ref], fact.version, fact.read_at, digests[id(fact)])
            for ref, fact in facts.items()
            if ref in known or (source, "customer", ref) in free
        ],
        recorded,
    )


def _name(names: Mapping[int, str]) -> None:
    sql.update(
        "canonical_customer", {"id": "bigint", "name": "text"}, [(id, names[id]) for id in sorted(names) if names[id]]
    )
