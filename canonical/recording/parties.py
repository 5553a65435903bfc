"""Customers and addresses become known. Matching: the shop's customer link first, the normalised e-mail second, the order itself last.

Whoever is found and was merged stands for the customer kept. A merge moves no link, name or address: those stay with the row they were
stated for, so that it makes no difference whether the merge or the statement came first (and a system may have an account for each of
the two, but links one of ours once). Only orders go over. `merged_into` always names a customer that is not merged itself.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from canonical import ledger, sql
from canonical.facts import CustomersMerged, CustomerStated, OrderStated
from canonical.recording import links
from canonical.recording.work import Recorded, Stated, by_ref, digest, latest, ours
from canonical.types import Address

_MERGING = 5_017_224  # the advisory lock of those who merge


class Buyer(NamedTuple):
    """Who bought, as one order says it."""

    key: str
    email: str
    ref: str


def buyer(source: int, fact: OrderStated, *, guests_alone: bool = False) -> Buyer:
    """The identity an order's customer is matched on. Guests of one e-mail are one customer; without one, or where the shop wants a
    contact per order (`guests_alone`), each order stands alone."""
    email = normalised(fact.billing.email)
    ref = fact.customer_ref
    alone = f"{source}:order:{fact.ref}"
    known = alone if guests_alone and not ref else email
    return Buyer(known or (f"{source}:customer:{ref}" if ref else alone), email, ref)


def normalised(email: str) -> str:
    """An e-mail as we compare it: trimmed and lower-case (every mail host in use ignores case)."""
    return email.strip().lower()


def customers(source: int, buyers: Iterable[Buyer], recorded: Recorded) -> dict[Buyer, int]:
    """Buyer → our customer id, creating customers and links where there are none; whoever was merged is the one kept."""
    wanted = sorted(set(buyers))
    known = links.known(source, "customer", {b.ref for b in wanted if b.ref})
    unknown = [b for b in wanted if b.ref not in known]
    ids = _upsert({b.key: b.email for b in unknown})
    links.claim([(source, "customer", b.ref, ids[b.key], 0, None, None) for b in unknown if b.ref], recorded)
    found = {b: known[b.ref].our_id if b.ref in known else ids[b.key] for b in wanted}
    kept = _kept(found.values())
    return {b: kept[id] for b, id in found.items()}


def _kept(ids: Iterable[int]) -> dict[int, int]:
    """Customer → the one it is now. Locked against merging until the order that names it is there to be taken over."""
    return dict(
        sql.fetch(
            "SELECT id, coalesce(merged_into_id, id) FROM canonical_customer WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE",
            (sorted(set(ids)),),
        )
    )


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
    """(customer id, digest) → address id; equal content of one customer is one row, the first one where it was merged with others."""
    rows = {(customer, address_digest(address)): address for customer, address in wanted}
    columns = {"customer_id": "bigint", "digest": "bytea", "content": "jsonb"}
    ordered = sorted(rows)
    sql.insert(
        "canonical_address", columns, [(c, d, msgspec.json.encode(rows[c, d]).decode()) for c, d in ordered],
        "ON CONFLICT (customer_id, digest) DO NOTHING",
    )  # fmt: skip
    found = sql.fetch(
        """SELECT v.c, v.d, min(a.id) FROM unnest(%s::bigint[], %s::bytea[]) v(c, d)
           CROSS JOIN LATERAL (SELECT v.c AS id UNION ALL SELECT m.id FROM canonical_customer m WHERE m.merged_into_id = v.c) k
           JOIN canonical_address a ON a.customer_id = k.id AND a.digest = v.d GROUP BY 1, 2""",
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


def merged(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Apply CustomersMerged, one after the other; returns the orders that went over. Those two already the same leave nothing to do."""
    sql.fetch("SELECT pg_advisory_xact_lock(%s)", (_MERGING,))
    moved: list[int] = []
    for item in sorted(stated, key=lambda s: s.fact.occurred_at):
        fact: CustomersMerged = item.fact
        now = _kept((fact.kept_id, fact.merged_id))
        if len(now) < len({fact.kept_id, fact.merged_id}):
            recorded.conflicts[item.cause] = "One of these two customers does not exist."
        elif now[fact.kept_id] != now[fact.merged_id]:
            moved += _merge(now[fact.kept_id], now[fact.merged_id], item, recorded)
    return moved


def _merge(kept: int, gone: int, stated: Stated, recorded: Recorded) -> list[int]:
    """One customer, and all that were merged into it before, stand for another. Waits for orders of theirs that are being recorded.

    Everything the order book knows is theirs is taken over after that wait, in a statement of its own: it sees what was waited for.
    """
    sql.fetch("SELECT 1 FROM canonical_customer WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (sorted((kept, gone)),))
    sql.fetch(
        "UPDATE canonical_customer SET merged_into_id = %s WHERE id = %s OR merged_into_id = %s RETURNING id",
        (kept, gone, gone),
    )
    orders = sql.fetch(
        """UPDATE canonical_order t SET customer_id = %s
           FROM (SELECT id FROM canonical_order WHERE customer_id = %s ORDER BY id FOR UPDATE) o WHERE o.id = t.id RETURNING t.id""",
        (kept, gone),
    )
    sql.fetch(
        "UPDATE canonical_order SET restated_at = %s WHERE id = ANY(%s)",  # what has not left takes the customer over
        (stated.fact.occurred_at, [id for (id,) in orders]),
    )
    recorded.entries += ledger.changed("order", [ours(None, stated, id, "customer merged") for (id,) in orders])
    return [id for (id,) in orders]
