"""The change feed: what changed of things a partner may see, in an order that never skips a late commit.

Events are written by the transaction that changes something, and numbered afterwards, one hand at a time, once they are committed: a
number is never given below one that could be read before. Transactions that change one order follow each other by its lock, and rows are
numbered in the order of their ids, so events of one subject keep their order.
"""

import json
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import transaction

from canonical import sql
from canonical.ledger import Written
from retailsync.partners.models import Event
from retailsync.sync import bell

TASK = "partners.fan_out"
_LOCK = 0x5245  # the first number of advisory locks on numbering

#: (kind of subject, event in the ledger) → the last word of the type. A change that is asked for is called by its kind.
EVENTS = {
    ("fulfilment_request", "submitted"): "created",
    ("fulfilment_request", "accepted"): "accepted",
    ("fulfilment_request", "rejected"): "rejected",
    ("fulfilment_request", "picking"): "started",
    ("fulfilment_request", "picked"): "picked",
    ("fulfilment_request", "packed"): "packed",
    ("fulfilment_request", "short"): "short",
    ("fulfilment_request", "changed"): "changed",
    ("fulfilment_request", "progress"): "progressed",
    ("request_change", "asked"): "change_requested",
    ("request_change", "accepted"): "change_accepted",
    ("request_change", "rejected"): "change_rejected",
    ("request_change", "overtaken"): "change_overtaken",
    ("shipment", "shipped"): "shipped",
    ("shipment", "tracked"): "tracked",
}
#: Kinds of changes → what asking for one is called.
ASKED = {
    "amend": "amendment_requested",
    "cancel": "cancellation_requested",
    "hold": "hold_requested",
    "resume": "resume_requested",
}
#: What becomes of a partner's webhooks.
OF_WEBHOOKS = ("webhook.disabled", "webhook.enabled")
#: Kinds of what arrives → its events in the ledger, which are told by the same words.
ARRIVALS = {
    "inbound_shipment": ("announced", "changed", "cancelled", "received"),
    "return": ("announced", "changed", "cancelled", "arrived", "received", "inspected"),
}
TYPES = (
    *(f"fulfilment_request.{word}" for word in (*EVENTS.values(), *ASKED.values()) if word != "change_requested"),
    *(f"{kind}.{word}" for kind, words in ARRIVALS.items() for word in words),
    *OF_WEBHOOKS,
)


def told(f: str) -> str:
    """What left for the partner, in SQL (`f`: the request's row). What was ended before it left is closed, and nothing it may see.

    OFFSET 0: looked up request by request. PostgreSQL would rather read all commands there ever were, to show a page of fifty.
    """
    command = f"""SELECT 1 FROM sync_command c WHERE c.system_id = {f}.system_id AND NOT c.level
      AND c.purpose = 'fulfilment_request:' || {f}.id"""
    return f"""(CASE {f}.answer WHEN 'unsubmitted' THEN EXISTS ({command} AND c.sent_at IS NOT NULL OFFSET 0)
      WHEN 'closed' THEN EXISTS ({command} AND (c.sent_at IS NOT NULL OR c.state = 'confirmed') OFFSET 0) ELSE true END)"""


#: Whose events were written, and whether anybody wants to be told.
_RINGS = """RETURNING system_id,
    (SELECT true FROM partners_subscription h WHERE h.system_id = partners_event.system_id AND h.state = 'on' LIMIT 1)"""
_FOLLOW = f"""INSERT INTO partners_event (system_id, type, subject, data)
  SELECT f.system_id, 'fulfilment_request.' || CASE WHEN v.word = 'change_requested' THEN v.asked::jsonb ->> c.kind ELSE v.word END,
    f.reference, jsonb_strip_nulls(jsonb_build_object('reference', f.reference, 'order_reference', o.reference,
      'state', CASE f.answer WHEN 'unsubmitted' THEN 'submitted' ELSE f.answer END, 'execution', f.execution, 'held', f.held,
      'change', c.number, 'kind', c.kind, 'shipment', h.external_id))
  FROM (SELECT *, %s AS asked FROM unnest(%s::text[], %s::bigint[], %s::text[]) WITH ORDINALITY u(kind, id, word, n)) v
  LEFT JOIN canonical_requestchange c ON v.kind = 'request_change' AND c.id = v.id
  LEFT JOIN canonical_shipment h ON v.kind = 'shipment' AND h.id = v.id
  JOIN canonical_fulfilmentrequest f ON f.id = coalesce(c.request_id, h.request_id, v.id)
  JOIN canonical_order o ON o.id = f.order_id
  JOIN canonical_system s ON s.id = f.system_id AND s.connector = 'partner' WHERE {told("f")} ORDER BY v.n
  {_RINGS}"""


_ARRIVED = f"""INSERT INTO partners_event (system_id, type, subject, data)
  SELECT l.executor_id, v.kind || '.' || v.word, coalesce(i.reference, r.reference), jsonb_build_object(
    'reference', coalesce(i.reference, r.reference), 'location', l.code, 'state', coalesce(i.state, r.state))
  FROM unnest(%s::text[], %s::bigint[], %s::text[]) WITH ORDINALITY v(kind, id, word, n)
  LEFT JOIN canonical_inboundshipment i ON v.kind = 'inbound_shipment' AND i.id = v.id
  LEFT JOIN canonical_return r ON v.kind = 'return' AND r.id = v.id
  JOIN canonical_location l ON l.id = coalesce(i.location_id, r.location_id)
  JOIN canonical_system s ON s.id = l.executor_id AND s.connector = 'partner' ORDER BY v.n
  {_RINGS}"""


def follow(entries: Iterable[Written]) -> None:
    """Write the events of what was just recorded. In the caller's transaction."""
    entries = list(entries)
    news = [
        (e.subject_kind, e.subject_id, EVENTS[e.subject_kind, e.event])
        for e in entries
        if (e.subject_kind, e.event) in EVENTS
    ]
    arrived = [(e.subject_kind, e.subject_id, e.event) for e in entries if e.event in ARRIVALS.get(e.subject_kind, ())]
    written: list[tuple[int, bool]] = []
    if news:
        written += sql.fetch(_FOLLOW, (json.dumps(ASKED), *map(list, zip(*news, strict=True))))
    if arrived:
        written += sql.fetch(_ARRIVED, tuple(map(list, zip(*arrived, strict=True))))
    _ring(system for system, subscribed in written if subscribed)


def write(system_id: int, type: str, subject: str, data: dict[str, Any]) -> None:
    """Write one event. In the caller's transaction."""
    Event.objects.create(system_id=system_id, type=type, subject=subject, data=data)
    _ring([system_id])


def _ring(systems: Iterable[int]) -> None:
    """Once it is committed, have it put out to these partners' webhooks."""
    for system in sorted(set(systems)):
        transaction.on_commit(partial(bell.ring, TASK, system))


_NUMBER = """UPDATE partners_event t SET position = v.position FROM (SELECT id,
    row_number() OVER (ORDER BY id) + coalesce((SELECT max(position) FROM partners_event WHERE system_id = %(system)s), 0) AS position
    FROM partners_event WHERE system_id = %(system)s AND position IS NULL) v WHERE v.id = t.id"""


def number(system_id: int) -> None:
    """Give this partner's committed events their positions."""
    if not sql.fetch("SELECT 1 FROM partners_event WHERE system_id = %s AND position IS NULL LIMIT 1", (system_id,)):
        return
    with transaction.atomic():
        sql.fetch("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, system_id))
        sql.fetch(_NUMBER, {"system": system_id})


def after(system_id: int, position: int, limit: int) -> list[Event]:
    """The partner's next events after this position, in order."""
    number(system_id)
    return list(Event.objects.filter(system_id=system_id, position__gt=position).order_by("position")[:limit])


WALK = 2_000  # events looked through for one page at most, so that no page takes long

#: A subject's latest event is the one that no other follows. The last row says how far the walk came where it did not fill the page.
_SUBJECTS = """WITH walked AS (SELECT subject, position, type FROM partners_event
      WHERE system_id = %(system)s AND position > %(after)s ORDER BY position LIMIT %(walk)s),
    found AS (SELECT w.subject, w.position FROM walked w WHERE w.type LIKE %(types)s AND NOT EXISTS (SELECT 1 FROM partners_event l
        WHERE l.system_id = %(system)s AND l.subject = w.subject AND l.position > w.position AND l.type LIKE %(types)s)
      ORDER BY w.position LIMIT %(limit)s)
  SELECT subject, position FROM found
  UNION ALL SELECT NULL, max(position) FROM walked WHERE (SELECT count(*) FROM found) < %(limit)s HAVING max(position) IS NOT NULL
  ORDER BY position"""


def subjects_since(system_id: int, types: str, position: int, limit: int) -> tuple[list[str], int]:
    """Subjects of events of these types after a position, each once, by its latest; and the position to go on from."""
    number(system_id)
    rows = sql.fetch(
        _SUBJECTS,
        {"system": system_id, "after": position, "types": f"{types}%", "limit": limit, "walk": max(WALK, limit)},
    )
    return [subject for subject, _ in rows if subject is not None], rows[-1][1] if rows else position
