"""Changes asked of warehouses about requests they know, and their answers. An accepted change makes the request say what was asked for."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from canonical import ledger, sql
from canonical.ledger import Cause, Change
from canonical.recording.fulfilment import waiting_key
from canonical.recording.work import Recorded, Stated, ours

_COLUMNS = {
    "request_id": "bigint", "order_id": "bigint", "number": "integer", "kind": "text", "lines": "jsonb", "ship_to_id": "bigint",
    "asked_at": "timestamptz", "ledger_version": "integer",
}  # fmt: skip


def raised(stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Raise changes. While one of a request is not answered there is no other: a plan that raises one forgot what it knows."""
    facts = {(s.fact.request_id, s.fact.number): s for s in stated}
    rows = []
    for key in sorted(facts):
        f = facts[key].fact
        lines = {str(line): units for line, units in f.lines}
        rows.append((f.request_id, f.order_id, f.number, f.kind, sql.encoded(lines), f.ship_to_id, f.occurred_at, 1))
    made = sql.insert(
        "canonical_requestchange", _COLUMNS, rows, "ON CONFLICT DO NOTHING RETURNING id, request_id, number"
    )
    if len(made) != len(rows):
        raise RuntimeError(f"a change of a request was raised twice: {sorted(facts)}")
    recorded.entries += ledger.opened("request_change", [ours(None, facts[r, n], id, "asked") for id, r, n in made])
    return [s.fact.order_id for s in stated]


def answered(source: int, stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    """Apply ChangeAnswered: the first answer stands, its repetition is no news, another one contradicts it. A change that was overtaken
    may be answered all the same: whatever came first, the warehouse's own word stands. One that names an unknown change of a known
    request is a contradiction too; an unknown request is waited for."""
    rows = sql.fetch(
        """SELECT r.reference, c.number, c.id, c.answer, c.order_id FROM canonical_fulfilmentrequest r
           LEFT JOIN canonical_requestchange c ON c.request_id = r.id WHERE r.system_id = %s AND r.reference = ANY(%s)""",
        (source, sorted({s.fact.request for s in stated})),
    )
    references = {row[0] for row in rows}
    known = {(reference, number): rest for reference, number, *rest in rows if number is not None}
    news: dict[int, Stated] = {}
    for s in sorted(stated, key=lambda s: (s.fact.occurred_at, s.fact.answer)):
        fact = s.fact
        if fact.request not in references:
            recorded.missing[s.cause] = waiting_key(fact.request)
        elif (fact.request, fact.number) not in known:
            recorded.conflicts[s.cause] = f"Request {fact.request} was never asked for a change number {fact.number}."
        else:
            id, before, _ = known[fact.request, fact.number]
            before = news[id].fact.answer if id in news else before
            if before in ("asked", "moot"):
                news[id] = s
            elif before != fact.answer:
                recorded.conflicts[s.cause] = (
                    f"The warehouse {before} change {fact.number} of request {fact.request} before, and now says {fact.answer}."
                )
    answer(source, news, recorded)
    return [order for id, _, order in known.values() if id in news]


def done(source: int, receipts: Mapping[int, Stated], recorded: Recorded) -> None:
    """Changes of requests that never left our house (change id → receipt): nobody has to accept them."""
    answer(source, receipts, recorded, accepted=True)


def answer(source: int, news: Mapping[int, Stated], recorded: Recorded, *, accepted: bool = False) -> None:
    """Write answers of open changes (change id → fact), and what accepted ones make of their requests."""
    if not news:
        return
    said = {id: "accepted" if accepted else s.fact.answer for id, s in news.items()}
    ids = sorted(news)
    rows = sql.fetch(
        """UPDATE canonical_requestchange t SET answer = v.answer, reason = v.reason, answered_at = v.at
           FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[]) v(id, answer, reason, at)
           WHERE t.id = v.id AND t.answer IN ('asked', 'moot') RETURNING t.id, t.request_id, t.answer""",
        (ids, [said[i] for i in ids], [getattr(news[i].fact, "reason", "") for i in ids],
         [news[i].fact.occurred_at for i in ids]),
    )  # fmt: skip
    recorded.entries += ledger.changed("request_change", [ours(source, news[id], id, word) for id, _, word in rows])
    agreed = [id for id, _, word in rows if word == "accepted"]
    sql.fetch(_AGREED_LINES, (agreed,))
    changed = sql.fetch(_AGREED, (agreed,))
    requests = {request: news[id] for id, request, _ in rows}
    recorded.entries += ledger.changed(
        "fulfilment_request", [ours(source, requests[id], id, "changed") for (id,) in changed]
    )


_AGREED_LINES = """UPDATE canonical_requestline t SET units = greatest(coalesce((c.lines ->> t.line_id::text)::integer, 0), 0)
    FROM canonical_requestchange c WHERE c.id = ANY(%s) AND c.kind IN ('amend', 'cancel') AND c.request_id = t.request_id"""

_AGREED = """UPDATE canonical_fulfilmentrequest t SET
      held = CASE c.kind WHEN 'hold' THEN true WHEN 'resume' THEN false ELSE t.held END,
      ship_to_id = CASE WHEN c.kind = 'amend' THEN coalesce(c.ship_to_id, t.ship_to_id) ELSE t.ship_to_id END,
      answer = CASE WHEN n.over AND c.kind IN ('amend', 'cancel') THEN 'closed' ELSE t.answer END,
      execution = CASE WHEN n.units = 0 AND n.shipped = 0 AND c.kind IN ('amend', 'cancel') THEN 'cancelled' ELSE t.execution END
    FROM canonical_requestchange c, LATERAL (SELECT sum(l.units) AS units, sum(l.shipped) AS shipped,
      bool_and(l.units <= l.shipped) AS over FROM canonical_requestline l WHERE l.request_id = c.request_id) n
    WHERE c.id = ANY(%s) AND c.request_id = t.id RETURNING t.id"""

_MOOT = """UPDATE canonical_requestchange t SET answer = 'moot', answered_at = %s FROM canonical_fulfilmentrequest r
    WHERE r.id = t.request_id AND r.order_id = ANY(%s) AND t.answer = 'asked'
      AND (r.answer IN ('rejected', 'closed') OR r.execution = 'shipped') RETURNING t.id, t.order_id"""


def overtaken(order_ids: Sequence[int], causes: Mapping[int, Cause], at: datetime, recorded: Recorded) -> None:
    """Changes nobody will answer any more: their request was rejected, or everything left the building."""
    rows = sql.fetch(_MOOT, (at, list(order_ids)))
    changes = [Change(id, "overtaken", causes[order], at, None) for id, order in sorted(rows)]
    recorded.entries += ledger.changed("request_change", changes)
