"""Our own decisions and the receipts of our own commands become true."""

from collections.abc import Sequence

from canonical import ledger, sql
from canonical.ledger import Change, Why
from canonical.recording import bookings, changes, derived, links, stock
from canonical.recording.fulfilment import waiting_key
from canonical.recording.work import Recorded, Stated, ours

#: A posting only goes forward: a receipt that comes late says nothing new.
_STATES = ("sent", "created", "confirmed", "done", "refused", "cancelled")


def postings(source: int, stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Apply Posted receipts of one target. Returns our order ids."""
    best: dict[tuple[str, str, int], Stated] = {}
    for s in sorted(stated, key=lambda s: (_STATES.index(s.fact.state), s.fact.occurred_at)):
        best[s.fact.kind, s.fact.subject_kind, s.fact.subject_id] = s
    rows = [
        (source, *key, s.fact.order_id, s.fact.state, s.fact.external_id, s.fact.amount, s.fact.occurred_at, 1)
        for key, s in sorted(best.items())
    ]
    columns = {
        "system_id": "bigint", "kind": "text", "subject_kind": "text", "subject_id": "bigint", "order_id": "bigint", "state": "text",
        "external_id": "text", "amount": "numeric", "occurred_at": "timestamptz", "ledger_version": "integer",
    }  # fmt: skip
    recorded.entries += ledger.inserted(
        "posting", columns, rows, _POSTED, {"kind": "text", "subject_kind": "text", "subject_id": "bigint"},
        {key: Why(s.cause, s.fact.occurred_at, source) for key, s in best.items()},
        f"""ON CONFLICT (system_id, kind, subject_kind, subject_id) DO UPDATE SET state = excluded.state,
              external_id = coalesce(nullif(excluded.external_id, ''), t.external_id),
              amount = coalesce(excluded.amount, t.amount), occurred_at = excluded.occurred_at,
              ledger_version = t.ledger_version + 1
            WHERE array_position({_sql_states()}, excluded.state) > array_position({_sql_states()}, t.state)
               OR (excluded.state = t.state AND excluded.amount IS NOT NULL AND excluded.occurred_at > t.occurred_at)""",
    )  # fmt: skip
    _link(source, stated, recorded)
    return [s.fact.order_id for s in stated if s.fact.order_id]


#: The event names the posting's kind, so that a flow can tell which receipts move it.
_POSTED = "t.kind || ' ' || t.state"


def _sql_states() -> str:
    return f"ARRAY[{', '.join(repr(state) for state in _STATES)}]::text[]"


#: Receipts that may say since when a shipment is out of a source's figures.
_SINCE = ("fulfilment_request", "sales_order", "goods_issue")


def _link(source: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    links.claim([(source, e, x, our, 0, None, None) for s in stated for e, our, x in s.fact.links], recorded)
    _submitted(source, [s for s in stated if s.fact.subject_kind == "fulfilment_request"], recorded)
    unsent = {s.fact.subject_id: s for s in stated if s.fact.kind == "request_change" and s.fact.state == "done"}
    changes.done(source, unsent, recorded)
    recorded.recount.update(s.fact.order_id for s in unsent.values())
    if told := {
        s.fact.order_id: (s.cause, s.fact.occurred_at) for s in stated if s.fact.kind in _SINCE and s.fact.order_id
    }:
        stock.heard_late(told, recorded)
    ended = {s.fact.subject_id: s for s in stated if s.fact.kind == "sales_order" and s.fact.state == "cancelled"}
    bookings.ended(source, ended, recorded)


def _submitted(source: int, stated: Sequence[Stated], recorded: Recorded) -> None:
    if not stated:
        return
    recorded.entries += ledger.updated(
        "fulfilment_request",
        "UPDATE canonical_fulfilmentrequest t SET answer = 'submitted', ledger_version = t.ledger_version + 1"
        " WHERE t.id = ANY(%s) AND t.answer = 'unsubmitted'",
        [sorted({s.fact.subject_id for s in stated})],
        "'submitted'",
        {"id": "bigint"},
        {(s.fact.subject_id,): Why(s.cause, s.fact.occurred_at, source) for s in stated},
    )


def holds_placed(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Place holds; one that is already open for the same order, line and reason stays as it is."""
    facts = {(s.fact.order_id, s.fact.line_id or 0, s.fact.reason): s for s in stated}
    rows = [
        (
            s.fact.order_id,
            s.fact.line_id,
            s.fact.reason,
            s.fact.detail,
            s.fact.words,
            s.fact.by,
            s.fact.blocks,
            s.fact.quiet,
            1,
        )
        for _, s in sorted(facts.items())
    ]
    columns = {
        "order_id": "bigint", "line_id": "bigint", "reason": "text", "detail": "text", "words": "text", "placed_by": "text",
        "blocks": "boolean", "quiet": "boolean", "ledger_version": "integer",
    }  # fmt: skip
    made = sql.insert(
        "canonical_hold", columns, rows, "ON CONFLICT DO NOTHING RETURNING id, order_id, coalesce(line_id, 0), reason"
    )
    changes = [ours(None, facts[order, line, reason], id, "placed") for id, order, line, reason in made]
    recorded.entries += ledger.opened("hold", changes)
    return [s.fact.order_id for s in stated]


def holds_lifted(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Lift holds that are still open."""
    facts = {s.fact.hold_id: s for s in stated}
    rows = sql.fetch(
        """UPDATE canonical_hold t SET lifted_at = v.at, lifted_by = v.who
           FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[]) v(id, at, who)
           WHERE t.id = v.id AND t.lifted_at IS NULL RETURNING t.id""",
        (list(facts), [s.fact.occurred_at for s in facts.values()], [s.fact.by for s in facts.values()]),
    )
    recorded.entries += ledger.changed("hold", [ours(None, facts[id], id, "lifted") for (id,) in rows])
    return [s.fact.order_id for s in stated]


def released(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Release orders; said once. The stage that follows writes the entry: it always changes with a release."""
    facts = {s.fact.order_id: s for s in stated}
    rows = sql.fetch(
        """UPDATE canonical_order t SET released_at = v.at FROM unnest(%s::bigint[], %s::timestamptz[]) v(id, at)
           WHERE t.id = v.id AND t.released_at IS NULL RETURNING t.id""",
        (list(facts), [s.fact.occurred_at for s in facts.values()]),
    )
    return [id for (id,) in rows]


def requests_raised(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Raise fulfilment requests. One that exists already means that a plan forgot what it knows: our own fault, and it says so."""
    facts = {s.fact.reference: s for s in stated}
    columns = {
        "order_id": "bigint", "location_id": "bigint", "system_id": "bigint", "reference": "text", "purpose": "text",
        "attempt": "integer", "requested_at": "timestamptz", "answer": "text", "execution": "text", "reason": "text",
        "partner_ref": "text", "ship_to_id": "bigint", "ledger_version": "integer",
    }  # fmt: skip
    rows = [
        (f.order_id, f.location_id, f.system_id, f.reference, f.purpose, f.attempt, f.occurred_at, "unsubmitted", "open", "", "",
         f.ship_to_id, 1)
        for f in (facts[reference].fact for reference in sorted(facts))
    ]  # fmt: skip
    made = sql.insert("canonical_fulfilmentrequest", columns, rows, "ON CONFLICT DO NOTHING RETURNING id, reference")
    if len(made) != len(rows):
        raise RuntimeError(f"a fulfilment request was raised twice: {sorted(facts)}")
    sql.insert(
        "canonical_requestline",
        {"request_id": "bigint", "line_id": "bigint", "units": "integer"},
        [(id, line, units) for id, reference in made for line, units in facts[reference].fact.lines],
    )
    recorded.entries += ledger.opened(
        "fulfilment_request",
        [Change(id, "raised", facts[r].cause, facts[r].fact.occurred_at, None) for id, r in made],
    )
    recorded.appeared.update(waiting_key(reference) for _, reference in made)
    return [s.fact.order_id for s in stated]


def units_abandoned(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Note units that will not be shipped, and how many were given back before."""
    lines = {s.fact.line_id: s for s in stated}
    columns = {
        "line_id": "bigint", "units": "integer", "why": "text", "by": "text", "at": "timestamptz", "refunded": "integer",
    }  # fmt: skip
    before = dict(sql.fetch("SELECT id, refunded FROM canonical_orderline WHERE id = ANY(%s)", (sorted(lines),)))
    rows = [(f.line_id, f.units, f.why[:300], f.by, f.occurred_at, before[f.line_id]) for f in (s.fact for s in stated)]
    sql.insert("canonical_abandonment", columns, sorted(rows))
    derived.count_abandoned(sorted(lines))
    recorded.entries += ledger.changed("order_line", [ours(None, lines[id], id, "abandoned") for id in sorted(lines)])
    _restated(stated)
    return [s.fact.order_id for s in stated]


def statuses_known(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """A shop status nobody knew is one of ours now, on the orders that still have it."""
    facts = {s.fact.order_id: s for s in stated}
    ids = sorted(facts)
    rows = sql.fetch(
        "UPDATE canonical_order t SET shop_status = v.status FROM unnest(%s::bigint[], %s::text[]) v(id, status)"
        " WHERE t.id = v.id AND t.shop_status = 'unknown' RETURNING t.id",
        (ids, [facts[id].fact.status for id in ids]),
    )
    recorded.entries += ledger.changed("order", [ours(None, facts[id], id, "status known") for (id,) in rows])
    recorded.recount.update(id for (id,) in rows)
    _restated(stated)
    return [id for (id,) in rows]


def _restated(stated: Sequence[Stated]) -> None:
    """What others were told of these orders may have to change."""
    at = {s.fact.order_id: s.fact.occurred_at for s in stated}
    sql.fetch(
        "UPDATE canonical_order t SET restated_at = v.at FROM unnest(%s::bigint[], %s::timestamptz[]) v(id, at) WHERE t.id = v.id",
        (sorted(at), [at[id] for id in sorted(at)]),
    )


def alarms_set(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """When to look at these orders again. No news about them: no entry."""
    at = {s.fact.order_id: s.fact.at for s in stated}
    sql.fetch(
        "UPDATE canonical_order t SET look_at = v.at FROM unnest(%s::bigint[], %s::timestamptz[]) v(id, at) WHERE t.id = v.id",
        (sorted(at), [at[id] for id in sorted(at)]),
    )
    return []
