"""effects: what a transaction did so far to whole subjects, told before it is committed or rolled back: fields before and after, calls
that will be sent, what was done already. Two equal digests mean: the same changes and the same commands."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from canonical import sql
from canonical.commands import KINDS
from retailsync.sync import clock, digests

#: Kinds of rows a transaction may make, and where: what is new has another id each time it is tried.
_TABLES = {
    "order": "canonical_order", "order_line": "canonical_orderline", "charge": "canonical_charge", "hold": "canonical_hold",
    "booking": "canonical_booking", "fulfilment_request": "canonical_fulfilmentrequest", "request_change": "canonical_requestchange",
    "shipment": "canonical_shipment", "posting": "canonical_posting", "payment": "canonical_payment", "refund": "canonical_refund",
    "customer": "canonical_customer", "address": "canonical_address", "entry": "canonical_entry", "command": "sync_command",
    "case": "sync_case", "action": "sync_action",
}  # fmt: skip


# ---- what is told -----------------------------------------------------------------------------------------------------------
class Change(msgspec.Struct, frozen=True):
    """One subject that changes: what happens to it, and its fields before → after. A new one has no before."""

    kind: str
    id: int | str  # a word where it is new: it has no number yet
    event: str
    new: bool
    fields: list[tuple[str, Any, Any]]


class Call(msgspec.Struct, frozen=True):
    """One command that will be sent, or will not be any more. `how`: new, again, changed, freed, or dropped. `held`: not before its
    order's holds are lifted. `content` is there until its digest is taken."""

    system: str
    kind: str
    how: str
    held: bool
    content: dict[str, Any]
    doubtful: bool = False
    shared: bool = False  # not about this subject alone: others may want it too, and who is first has it sent


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of one exception: closed, or open again with these words."""

    case: int
    closed: bool
    words: str = ""


class Effect(msgspec.Struct):
    """Everything that happens to one subject. `done`: (system, kind) of commands carried out before, which are not sent again."""

    changes: list[Change]
    calls: list[Call]
    outcomes: list[Outcome]
    opens: list[str]  # the words of exceptions that come about
    done: list[tuple[str, str]]
    digest: str = ""


# ---- before -----------------------------------------------------------------------------------------------------------------
class Subject(NamedTuple):
    """A whole subject: the orders it is about (none is known of a message nobody understood), and its exceptions."""

    orders: tuple[int, ...]
    cases: tuple[int, ...]


class Target(NamedTuple):
    """What one exception points at."""

    kind: str
    id: int
    order_id: int | None
    reason: str


class Row(NamedTuple):
    """One command as it stands. `held`: its order has a hold that keeps it back."""

    id: int
    order_id: int | None
    system: str
    kind: str
    state: str
    payload: dict[str, Any]
    cause: tuple[str, int]
    held: bool
    doubtful: bool


class Before(NamedTuple):
    """How things stood: the newest id of every kind, the subjects' commands, and what their exceptions point at."""

    at: datetime
    newest: Mapping[str, int]
    commands: Mapping[int, Row]
    targets: Mapping[int, Target]


def before(subjects: Sequence[Subject]) -> Before:
    """Look, before anything is done. The subjects' orders must be locked, so that what changes afterwards changes by us."""
    ids = [id for s in subjects for id in s.cases]
    rows = sql.fetch("SELECT id, target_kind, target_id, order_id, reason FROM sync_case WHERE id = ANY(%s)", (ids,))
    targets = {id: Target(*rest) for id, *rest in rows}
    commands = [t.id for t in targets.values() if t.kind == "command"]
    return Before(clock.now(), _newest(), _commands(_OURS, _orders(subjects), commands), targets)


def _orders(subjects: Iterable[Subject]) -> list[int]:
    return sorted({order for s in subjects for order in s.orders})


def _newest() -> dict[str, int]:
    rows = sql.fetch(
        "SELECT k, coalesce(pg_sequence_last_value(pg_get_serial_sequence(t, 'id')::regclass), 0)"
        " FROM unnest(%s::text[], %s::text[]) v(k, t)",
        (list(_TABLES), list(_TABLES.values())),
    )
    return dict(rows)


_COMMANDS = """SELECT c.id, c.order_id, s.name, c.kind, c.state, c.payload, c.cause_kind, c.cause_id,
    c.stoppable AND EXISTS (SELECT 1 FROM canonical_hold h WHERE h.order_id = c.order_id AND h.lifted_at IS NULL AND h.blocks), c.doubtful
  FROM sync_command c JOIN canonical_system s ON s.id = c.system_id WHERE {which} ORDER BY c.id"""
_OURS = "c.order_id = ANY(%(orders)s) OR c.id = ANY(%(ids)s)"
_NEW = "c.id > %(newest)s AND (c.cause_kind, c.cause_id) IN (SELECT * FROM unnest(%(kinds)s::text[], %(causes)s::bigint[]))"


def _commands(which: str, orders: list[int], ids: list[int], **more: Any) -> dict[int, Row]:
    rows = sql.fetch(_COMMANDS.format(which=which), {"orders": orders, "ids": ids, **more})
    return {row[0]: Row(*row[:5], _decoded(row[5]), (row[6], row[7]), *row[8:]) for row in rows}


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


# ---- after ------------------------------------------------------------------------------------------------------------------
def touched(subjects: Sequence[Subject], was: Before) -> list[Subject]:
    """The same subjects with every order that was there before and that something was recorded about since."""
    found = [set(s.orders) for s in subjects]
    place = _Place(subjects, was)
    for entry in _entries(place, was):
        at = place.of(entry.order_id, entry.cause)
        if at is not None and entry.order_id and entry.order_id <= was.newest["order"]:
            found[at].add(entry.order_id)
    return [s._replace(orders=tuple(sorted(orders))) for s, orders in zip(subjects, found, strict=True)]


def seen(subjects: Sequence[Subject], was: Before) -> list[Effect]:
    """What was done to each of these subjects since `was`, in their order. In the same transaction."""
    effects = [Effect([], [], [], [], []) for _ in subjects]
    place = _Place(subjects, was)
    entries = _entries(place, was)
    for change, at in _changes(entries, place):
        effects[at].changes.append(change)
    for command in _after(place, was).values():
        if (at := place.of(command.order_id, command.cause, command.id)) is not None:
            _add(effects[at], command, was.commands.get(command.id))
    _outcomes(effects, place, _owners(entries, place), was)
    return [_plain(effect, was) for effect in effects]


class _Place:
    """Which subject a row belongs to: by the message or command an exception points at, else by its order."""

    def __init__(self, subjects: Sequence[Subject], was: Before) -> None:
        self.orders = {order: n for n, s in reversed([*enumerate(subjects)]) for order in s.orders}
        self.cases = {id: n for n, s in enumerate(subjects) for id in s.cases}
        self.targets = {
            (was.targets[id].kind, was.targets[id].id): n for id, n in self.cases.items() if id in was.targets
        }

    def of(self, order_id: int | None, cause: tuple[str, int], command: int = 0) -> int | None:
        """Its position, or None: it is nobody's here."""
        found = self.targets.get(("command", command), self.targets.get(cause))
        return self.orders.get(order_id or 0) if found is None else found


class _Entry(NamedTuple):
    id: int
    kind: str
    subject: int
    version: int
    event: str
    state: dict[str, Any]
    order_id: int | None
    cause: tuple[str, int]


#: Ours: what our actions of this transaction and the messages that were read again caused.
_ENTRIES = """SELECT id, subject_kind, subject_id, version, event, state, order_id, cause_kind, cause_id FROM canonical_entry
  WHERE id > %(newest)s AND ((cause_kind = 'action' AND cause_id > %(action)s AND order_id = ANY(%(orders)s))
    OR (cause_kind = 'message' AND cause_id = ANY(%(messages)s))) ORDER BY id"""


def _entries(place: _Place, was: Before) -> list[_Entry]:
    messages = [id for kind, id in place.targets if kind == "message"]
    given = {
        "newest": was.newest["entry"],
        "action": was.newest["action"],
        "orders": sorted(place.orders),
        "messages": messages,
    }
    return [_Entry(*row[:5], _decoded(row[5]), row[6], (row[7], row[8])) for row in sql.fetch(_ENTRIES, given)]


def _owners(entries: Sequence[_Entry], place: _Place) -> dict[int, int]:
    """Whose each order is, also one that is new."""
    of_entries = {e.order_id: at for e in entries if e.order_id and (at := place.of(e.order_id, e.cause)) is not None}
    return {**of_entries, **place.orders}


def _changes(entries: Sequence[_Entry], place: _Place) -> list[tuple[Change, int]]:
    """One change per subject of the ledger, from before its first entry to after its last, in the order they began."""
    by_subject: dict[tuple[str, int], list[_Entry]] = {}
    for entry in entries:
        by_subject.setdefault((entry.kind, entry.subject), []).append(entry)
    earlier = _earlier([rows[0] for rows in by_subject.values()])
    found = []
    for key, rows in by_subject.items():
        at = place.of(rows[-1].order_id, rows[-1].cause)
        if at is not None:
            found.append((_change(rows, earlier.get(key)), at))
    return found


def _earlier(firsts: Sequence[_Entry]) -> dict[tuple[str, int], dict[str, Any]]:
    """The state before each of these entries."""
    known = [e for e in firsts if e.version > 1]
    rows = sql.fetch(
        "SELECT k, i, e.state FROM canonical_entry e JOIN unnest(%s::text[], %s::bigint[], %s::integer[]) v(k, i, n)"
        " ON e.subject_kind = v.k AND e.subject_id = v.i AND e.version = v.n",
        ([e.kind for e in known], [e.subject for e in known], [e.version - 1 for e in known]),
    )
    return {(kind, id): _decoded(state) for kind, id, state in rows}


def _change(rows: Sequence[_Entry], earlier: dict[str, Any] | None) -> Change:
    last, was = rows[-1], earlier or {}
    fields = [(name, was.get(name), value) for name, value in last.state.items() if value != was.get(name)]
    return Change(last.kind, last.subject, ", ".join(e.event for e in rows), earlier is None, fields)


def _after(place: _Place, was: Before) -> dict[int, Row]:
    """The subjects' commands now, those put out by what has no order among them."""
    causes = [key for key in place.targets if key[0] == "message"]
    more = {"newest": was.newest["command"], "kinds": [k for k, _ in causes], "causes": [i for _, i in causes]}
    ids = [id for kind, id in place.targets if kind == "command"]
    return _commands(f"({_OURS}) OR ({_NEW})", sorted(place.orders), ids, **more)


def _add(effect: Effect, now: Row, then: Row | None) -> None:
    """Note what becomes of one command."""
    if how := _how(now, then):
        held = now.held and how != "dropped"
        effect.calls.append(Call(now.system, now.kind, how, held, now.payload, now.doubtful, now.kind in _SHARED))
    elif then and then.state == "confirmed":
        effect.done.append((now.system, now.kind))


#: Commands about what many subjects share: a customer, something that is read again.
_SHARED = frozenset(name for name, kind in KINDS.items() if kind.level or kind.subject_of[0] == "customer")


def _how(now: Row, then: Row | None) -> str:
    """What happens to a command, or nothing. A worker may send one meanwhile: that one goes or went by itself, not by us."""
    if then is None:
        return "new" if now.state in ("waiting", "sending", "confirmed") else ""
    if now.state == "superseded":
        return "dropped" if then.state != "superseded" else ""
    if then.state in ("parked", "in_doubt", "superseded"):
        return "again" if now.state != then.state else ""
    if then.state == "waiting" and now.payload != then.payload:
        return "changed"
    return "freed" if then.state == "waiting" and then.held and not now.held else ""


_STILL = """SELECT c.id, c.closed_at IS NOT NULL, n.id, n.words FROM sync_case c
  LEFT JOIN sync_case n ON n.closed_at IS NULL AND n.id > %(newest)s AND ((n.target_kind, n.target_id) = (c.target_kind, c.target_id)
      OR (c.target_kind = 'hold' AND n.target_kind = 'hold' AND n.order_id = c.order_id AND n.reason = c.reason AND n.detail = c.detail))
  WHERE c.id = ANY(%(ids)s) ORDER BY c.id"""
_OPENED = """SELECT c.order_id, c.words FROM sync_case c WHERE c.id > %(newest)s AND c.closed_at IS NULL
    AND c.order_id = ANY(%(orders)s) AND c.id <> ALL(%(again)s) ORDER BY c.id"""


def _outcomes(effects: Sequence[Effect], place: _Place, owners: Mapping[int, int], was: Before) -> None:
    """What becomes of each exception, and which others open."""
    newest = was.newest["case"]
    rows = sql.fetch(_STILL, {"newest": newest, "ids": list(place.cases)})
    for id, closed, _, words in rows:
        effects[place.cases[id]].outcomes.append(Outcome(id, closed and words is None, words or ""))
    again = [new for _, _, new, _ in rows if new]
    for order, words in sql.fetch(_OPENED, {"newest": newest, "orders": sorted(owners), "again": again}):
        effects[owners[order]].opens.append(words)


# ---- what is kept -----------------------------------------------------------------------------------------------------------
def _plain(effect: Effect, was: Before) -> Effect:
    """The effect without numbers and moments that are only this try's own. What is sent counts in its digest, and is not kept with it:
    it names people in more places than a list of fields would know (a product made for somebody, a tracking page with a postcode)."""
    told = digests.plain(effect, was.newest, was.at)
    own = [call for call in told["calls"] if not call["shared"]]
    digest = digests.digest({"calls": own, **{name: told[name] for name in ("changes", "outcomes", "opens")}})
    for call in told["calls"]:
        call["content"] = {}
    return msgspec.convert({**told, "digest": digest}, Effect)
