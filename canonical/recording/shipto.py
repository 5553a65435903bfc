"""Where an order goes: what its shop states, or what a person put in that statement's place. The two merge the same way in any order:
a person's address stands in for the one the shop stated when it was decided, and for no other."""

from collections.abc import Mapping, Sequence

from canonical import ledger, sql
from canonical.recording import parties
from canonical.recording.work import Recorded, Stated, ours

#: Equal content of one customer may be another row once two customers were merged.
_STANDS = "(SELECT x.digest = y.digest FROM canonical_address x, canonical_address y WHERE x.id = {stated} AND y.id = t.instead_of_id)"


def stated(addresses: Mapping[int, int]) -> dict[int, int]:
    """Orders and the addresses their shop states now → where they go, of those a person decided about."""
    rows = sql.fetch(
        f"""UPDATE canonical_shipto t SET stated_id = v.address_id FROM unnest(%s::bigint[], %s::bigint[]) v(order_id, address_id)
           WHERE t.order_id = v.order_id
           RETURNING t.order_id, CASE WHEN {_STANDS.format(stated="v.address_id")} THEN t.address_id ELSE v.address_id END""",
        (sorted(addresses), [addresses[id] for id in sorted(addresses)]),
    )
    return dict(rows)


def changed(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """People had orders sent elsewhere: the latest decision counts, as long as the shop states what it was decided against."""
    facts = {s.fact.order_id: s for s in sorted(stated, key=lambda s: s.fact.occurred_at)}
    _keep(facts)
    moved = sql.fetch(
        f"""UPDATE canonical_order o SET shipping_id = s.goes, restated_at = t.at FROM canonical_shipto t, LATERAL (
             SELECT CASE WHEN {_STANDS.format(stated="t.stated_id")} THEN t.address_id ELSE t.stated_id END AS goes) s
           WHERE t.order_id = o.id AND o.id = ANY(%s) AND o.shipping_id <> s.goes RETURNING o.id""",
        (sorted(facts),),
    )
    recorded.entries += ledger.changed("order", [ours(None, facts[id], id, "address changed") for (id,) in moved])
    return [id for (id,) in moved]


def _keep(facts: Mapping[int, Stated]) -> None:
    orders = {
        id: (customer, shipping)
        for id, customer, shipping in sql.fetch(
            "SELECT id, customer_id, shipping_id FROM canonical_order WHERE id = ANY(%s)", (sorted(facts),)
        )
    }
    known = parties.addresses((customer, facts[id].fact.address) for id, (customer, _) in orders.items())
    rows = [
        (
            id,
            known[customer, parties.address_digest(fact.address)],
            fact.instead_of_id,
            shipping,
            fact.by,
            fact.occurred_at,
        )
        for id, (customer, shipping) in sorted(orders.items())
        for fact in (facts[id].fact,)
    ]
    columns = {
        "order_id": "bigint", "address_id": "bigint", "instead_of_id": "bigint", "stated_id": "bigint", "by": "text", "at": "timestamptz",
    }  # fmt: skip
    sql.insert(
        "canonical_shipto AS t", columns, rows,
        "ON CONFLICT (order_id) DO UPDATE SET address_id = excluded.address_id, instead_of_id = excluded.instead_of_id,"
        " by = excluded.by, at = excluded.at WHERE excluded.at > t.at",
    )  # fmt: skip
