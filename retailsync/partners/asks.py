"""What partners were told and have to answer, kept beside what is recorded: when the answer is due, and when it came.

It counts from when the partner took it (its 2xx to our webhook, or a person's word that it was told), not from when we planned it: what
waits with us is not the partner's time. It ends with the first word that answers it, when that reached us: a partner's own clock may be
wrong, and what it dates back was not known here any sooner. Work that is begun, or a shipment, answers a request as well as words do.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from canonical import sql
from canonical.ledger import Written
from canonical.models import System
from retailsync.partners import worktime
from retailsync.partners.models import ASKED_FOR, PartnerTerms
from retailsync.sync import cases, clock

#: Receipts that say a partner took something.
TOLD = frozenset({("posting", "fulfilment_request sent"), ("posting", "request_change sent")})
#: What may answer; whether it does is seen on the row.
SAID = frozenset(
    {
        *(("fulfilment_request", event) for event in ("accepted", "rejected", "picking", "picked", "packed", "short")),
        *(("fulfilment_request", event) for event in ("progress", "changed")),
        *(("request_change", event) for event in ("accepted", "rejected", "overtaken")),
    }
)


def follow(entries: Sequence[Written]) -> None:
    """Write down what was just told, and what was just answered. In the caller's transaction, which holds the orders' locks."""
    told = [e.subject_id for e in entries if (e.subject_kind, e.event) in TOLD]
    said = [(e.subject_kind, e.subject_id, *e.cause) for e in entries if (e.subject_kind, e.event) in SAID]
    if told:
        said += _told(told)
    if said:
        _answered(said)


# ---- hours ------------------------------------------------------------------------------------------------------------------
def terms_of(system: System) -> PartnerTerms:
    """What was agreed with a partner; where nothing was, the defaults."""
    return getattr(system, "partner_terms", None) or PartnerTerms(system=system)


def hours_of(system: System) -> worktime.Hours:
    """A partner's hours, in its zone."""
    terms = terms_of(system)
    days, holidays = frozenset(map(int, terms.working_days)), frozenset(terms.holidays)
    return worktime.Hours(
        terms.opens_at, terms.closes_at, terms.cut_off, days, holidays, ZoneInfo(system.timezone or "UTC")
    )


def _systems(ids: Iterable[int]) -> Mapping[int, System]:
    return System.objects.select_related("partner_terms").in_bulk(set(ids))


# ---- told -------------------------------------------------------------------------------------------------------------------
_TAKEN = """SELECT p.system_id, coalesce(c.request_id, p.subject_id), c.id, p.occurred_at FROM canonical_posting p
  JOIN canonical_system s ON s.id = p.system_id AND s.connector = 'partner'
  LEFT JOIN canonical_requestchange c ON p.kind = 'request_change' AND c.id = p.subject_id WHERE p.id = ANY(%s) ORDER BY p.id"""
_COLUMNS = {
    "system_id": "bigint", "request_id": "bigint", "change_id": "bigint", "asked_at": "timestamptz", "due_at": "timestamptz",
}  # fmt: skip


def _told(postings: Sequence[int]) -> list[tuple[str, int, str, int]]:
    """Keep what was told, with when it is due; returns it as what may have been answered before we knew that it was taken."""
    taken = sql.fetch(_TAKEN, (list(postings),))
    systems = _systems(row[0] for row in taken)
    rows = []
    for system, request, change, at in taken:
        terms = terms_of(systems[system])
        rows.append((system, request, change, at, worktime.due(at, terms.answer_within, hours_of(systems[system]))))
    sql.insert("partners_ask", _COLUMNS, rows, "ON CONFLICT DO NOTHING")
    return [
        ("request_change", change, "told", 0) if change else ("fulfilment_request", request, "told", 0)
        for _, request, change, *_ in rows
    ]


# ---- answered ---------------------------------------------------------------------------------------------------------------
_HEARD = """WITH said AS (SELECT * FROM unnest(%(kinds)s::text[], %(ids)s::bigint[], %(whys)s::text[], %(causes)s::bigint[])
    v(kind, id, why, cause)),
  heard AS (
    SELECT a.id, v.why, v.cause FROM said v JOIN canonical_requestchange c ON v.kind = 'request_change' AND c.id = v.id
    JOIN partners_ask a ON a.change_id = c.id WHERE c.answer <> 'asked'
    UNION ALL
    SELECT a.id, v.why, v.cause FROM said v JOIN canonical_fulfilmentrequest f ON v.kind = 'fulfilment_request' AND f.id = v.id
    JOIN partners_ask a ON a.request_id = f.id AND a.change_id IS NULL
    WHERE f.answer NOT IN ('unsubmitted', 'submitted') OR f.execution <> 'open' OR f.short_at IS NOT NULL)
  SELECT a.id, a.system_id, a.asked_at, a.due_at,
    greatest(a.asked_at, min(coalesce(m.received_at, CASE h.why WHEN 'told' THEN a.asked_at ELSE %(now)s END)))
  FROM heard h JOIN partners_ask a ON a.id = h.id AND a.answered_at IS NULL
  LEFT JOIN sync_message m ON h.why = 'message' AND m.id = h.cause GROUP BY a.id ORDER BY a.id"""
_ANSWER = {"id": "bigint", "at": "timestamptz", "minutes": "integer", "late": "integer"}
_SETTLE = f"""UPDATE partners_ask t SET answered_at = v.at, minutes = v.minutes, late = v.late FROM {sql.values(_ANSWER)}
  WHERE t.id = v.id AND t.answered_at IS NULL RETURNING t.request_id, t.raised"""


def _answered(said: Sequence[tuple[str, int, str, int]]) -> None:
    """Keep when these were answered, and how many working minutes that took; their exceptions close."""
    kinds, ids, whys, causes = (list(column) for column in zip(*said, strict=True))
    given = {"kinds": kinds, "ids": ids, "whys": whys, "causes": causes, "now": clock.now()}
    heard = sql.fetch(_HEARD, given)
    if not heard:
        return
    systems = _systems(row[1] for row in heard)
    rows = []
    for id, system, asked_at, due_at, at in heard:
        hours = hours_of(systems[system])
        took = worktime.minutes(worktime.worked(worktime.begins(asked_at, hours), at, hours))
        rows.append((id, at, took, minutes_late(due_at, at, hours)))
    settled = sql.fetch(_SETTLE, sql.arrays(_ANSWER, rows))
    _close([request for request, raised in settled if raised])


def minutes_late(due_at: datetime, at: datetime, hours: worktime.Hours) -> int:
    """Working minutes beyond what was agreed; what is late is late by one at least, also after hours."""
    return max(1, worktime.minutes(worktime.worked(due_at, at, hours))) if at > due_at else 0


# ---- overdue ----------------------------------------------------------------------------------------------------------------
_OVERDUE = """UPDATE partners_ask t SET raised = true FROM (SELECT id FROM partners_ask
    WHERE answered_at IS NULL AND NOT raised AND due_at < %s ORDER BY due_at, id LIMIT %s FOR UPDATE SKIP LOCKED) d
  WHERE t.id = d.id RETURNING t.request_id"""
#: Of each request what is due first; of a sandbox nobody has to do anything.
_OPENINGS = """SELECT DISTINCT ON (a.request_id) a.request_id, a.system_id, f.order_id, s.name, f.reference, coalesce(c.kind, 'request'),
    a.asked_at, a.due_at
  FROM partners_ask a JOIN canonical_fulfilmentrequest f ON f.id = a.request_id
  JOIN canonical_system s ON s.id = a.system_id AND s.sandbox_of_id IS NULL LEFT JOIN canonical_requestchange c ON c.id = a.change_id
  WHERE a.request_id = ANY(%s) AND a.answered_at IS NULL AND a.raised ORDER BY a.request_id, a.due_at, a.id"""


def raise_overdue(now: datetime, limit: int = 1000) -> int:
    """Open an exception for what is overdue since the last look; returns how much is. Each is raised once: who closes it knows of it."""
    with transaction.atomic():
        found = sql.fetch(_OVERDUE, (now, limit))
        _open([request for (request,) in found])
    return len(found)


def _open(requests: Sequence[int]) -> None:
    cases.open_all(_opening(*row) for row in sql.fetch(_OPENINGS, (sorted(set(requests)),)))


def _opening(request: int, system: int, order: int, *said: Any) -> cases.Opening:
    name, reference, kind, asked_at, due_at = said
    words = (
        f"{name} has not answered: {reference}, {ASKED_FOR[kind]}. It took it at {asked_at:%Y-%m-%d %H:%M} UTC, and the answer was due"
        f" by {due_at:%Y-%m-%d %H:%M} UTC."
    )
    return cases.Opening("request", request, system, order, "order_to_fulfilment", "confirm", "not_answered", "", words)


def _close(requests: Sequence[int]) -> None:
    """Close the exceptions of requests of which nothing is overdue any more; of the others say what still is."""
    if not requests:
        return
    rows = sql.fetch(
        """SELECT DISTINCT a.request_id FROM partners_ask a JOIN sync_case k ON k.target_kind = 'request' AND k.target_id = a.request_id
             AND k.closed_at IS NULL WHERE a.request_id = ANY(%s) AND a.answered_at IS NULL AND a.raised""",
        (list(requests),),
    )
    left = {request for (request,) in rows}
    _open(sorted(left))
    cases.close("request", sorted(set(requests) - left))
