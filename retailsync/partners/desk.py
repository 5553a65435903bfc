"""What a partner may do with one of its requests now: what is recorded, and what it said since that is not recorded yet.

What partners say is stored at the door and recorded moments later. A second call must not slip in between: the door takes the request's
lock, folds what is still on its way onto what is recorded, and lets through what that allows. Folding the same word twice changes
nothing, so it does not matter how far the recording is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from canonical import sql
from connectors.partner.reading import Statement, kept
from connectors.partner.reading import fulfilment as words
from retailsync.partners.feed import told
from retailsync.partners.problems import Problem

#: How far work is, in order; what is said out of order says nothing new.
STAGES = ("open", "picking", "picked", "packed")
#: What may be done → the topic its words are stored under. Changes have numbers and stand in the object beside.
ACTIONS: Mapping[str, str] = {
    "accept": "request.accepted",
    "reject": "request.rejected",
    "start": "execution.picking",
    "pick": "execution.picked",
    "pack": "execution.packed",
    "short": "execution.short",
    "ship": "shipment.shipped",
}
_LOCK = 0x5244  # the seed of advisory locks on requests: 64 bits, so that two never share one
_OVER = frozenset({"shipped", "short", "cancelled"})
#: Changes that may still be answered: one that was overtaken needs no answer, and a late one is no mistake.
ANSWERABLE = frozenset({"asked", "moot"})


class Item(msgspec.Struct):
    """One line of a request: what is asked for, and what became of it."""

    sku: str
    units: int
    short: int
    shipped: int

    @property
    def left(self) -> int:
        """Units that may still be shipped."""
        return max(0, self.units - self.short - self.shipped)


class Asked(msgspec.Struct):
    """One change of a request: what kind, how it stands (asked, accepted, rejected, moot), and the units it wants by line."""

    kind: str
    answer: str
    lines: dict[str, int]


class Standing(msgspec.Struct):
    """One request as its partner may act on it. `changes` by their number; `shipments` with the number of their packages."""

    reference: str
    state: str  # submitted, accepted, rejected, closed
    execution: str
    held: bool
    lines: dict[str, Item]
    changes: dict[str, Asked]
    shipments: dict[str, int]
    answered_at: datetime | None = None  # by the partner's clock

    @property
    def left(self) -> int:
        """Units that may still be shipped."""
        return sum(item.left for item in self.lines.values())

    @property
    def actions(self) -> list[str]:
        """What may be done now, in the order of work."""
        open_changes = [number for number in sorted(self.changes, key=int) if self.changes[number].answer == "asked"]
        return [name for name, allows in _ALLOWS.items() if allows(self)] + [
            f"changes/{number}/{answer}" for number in open_changes for answer in ("accept", "reject")
        ]


def _open(at: Standing) -> bool:
    return at.state in ("submitted", "accepted") and at.execution not in _OVER and at.left > 0 and not at.held


def _before(stage: str) -> Callable[[Standing], bool]:
    """Work that leads to this stage: not what is behind already."""
    return lambda at: _open(at) and at.execution in STAGES[: STAGES.index(stage)]


def _untouched(at: Standing) -> bool:
    return at.execution in STAGES and not at.shipments and at.left > 0


_ALLOWS: Mapping[str, Callable[[Standing], bool]] = {
    "accept": lambda at: at.state == "submitted" and _untouched(at),
    "reject": lambda at: at.state in ("submitted", "accepted") and _untouched(at),
    "start": _before("picking"),
    "pick": _before("picked"),
    "pack": _before("packed"),
    "short": _open,
    "ship": _open,
}


# ---- what is said changes where it stands -----------------------------------------------------------------------------------
def fold(at: Standing, topic: str, said: Statement, heard: datetime) -> None:
    """Let one word count that is not recorded yet, as recording it will. Saying it twice is saying it once."""
    match said:
        case words.Accepted():
            _answer(at, "accepted", said.occurred_at or heard)
            _short(at, said.declined)
        case words.Rejected():
            _answer(at, "rejected", said.occurred_at or heard)
        case words.ChangeAccepted() | words.ChangeRejected():
            _answered(at, str(said.change), said)
        case words.Short():
            _short(at, said.lines)
        case words.Shipped():
            _shipped(at, said)
        case words.Progress():
            stage = topic.partition(".")[2]
            if at.execution in STAGES and STAGES.index(stage) > STAGES.index(at.execution):
                at.execution = stage
    _progress(at)
    _overtake(at)


def _answer(at: Standing, word: str, when: datetime) -> None:
    if _counts(at, word, when):
        at.state, at.answered_at = word, when


def _counts(at: Standing, word: str, when: datetime) -> bool:
    """Whether an answer counts: the latest by the partner's clock does, and none after both sides ended it."""
    return at.state != "closed" and (at.answered_at is None or (when, word) > (at.answered_at, at.state))


def _answered(at: Standing, number: str, said: words.ChangeSaid) -> None:
    change = at.changes.get(number)
    if change is None or change.answer not in ANSWERABLE:
        return
    change.answer = "accepted" if isinstance(said, words.ChangeAccepted) else "rejected"
    if change.answer == "rejected":
        return
    if change.kind in ("hold", "resume"):
        at.held = change.kind == "hold"
        return
    for line, item in at.lines.items():
        item.units = max(0, change.lines.get(line, 0))
    if all(item.units <= item.shipped for item in at.lines.values()):
        at.state = "closed"
    if not any(item.units or item.shipped for item in at.lines.values()):
        at.execution = "cancelled"


def _short(at: Standing, units: Sequence[words.SomeUnits]) -> None:
    """The largest figure reported of a line stands. A SKU's is of all that did not leave, so that it may be said again."""
    room = {line: item.units - item.shipped for line, item in at.lines.items()}
    for line, count in _placed(at, units, room).items():
        at.lines[line].short = max(at.lines[line].short, count)


def _shipped(at: Standing, said: words.Shipped) -> None:
    if said.shipment in at.shipments:
        return
    at.shipments[said.shipment] = len(said.packages)
    for package in said.packages:
        for line, units in _placed(at, package.lines).items():
            at.lines[line].shipped += units


def _progress(at: Standing) -> None:
    """How far it is by its units (as canonical.recording.derived)."""
    shipped = any(item.shipped for item in at.lines.values())
    if not shipped and (at.left or not any(item.short for item in at.lines.values())):
        return
    if shipped:
        at.execution = "part_shipped" if at.left else "shipped"
    elif at.execution != "cancelled":
        at.execution = "short"
    agreed = any(each.kind in ("amend", "cancel") and each.answer == "accepted" for each in at.changes.values())
    if agreed and all(item.units <= item.shipped for item in at.lines.values()):
        at.state = "closed"
    elif at.state == "submitted":
        at.state = "accepted"


def _overtake(at: Standing) -> None:
    """Nobody waits for an answer any more where the request was rejected, or everything left."""
    for change in at.changes.values():
        if change.answer == "asked" and (at.state in ("rejected", "closed") or at.execution == "shipped"):
            change.answer = "moot"


def _placed(at: Standing, units: Sequence[words.SomeUnits], room: Mapping[str, int] | None = None) -> dict[str, int]:
    """Units per line of ours; a SKU's are spread over its lines in order, the rest on the last. `room`: how many a line takes, unless told
    what is left of it. What is not on the request is left out: `named` names it."""
    takes = dict(room or {line: item.left for line, item in at.lines.items()})
    of_sku: dict[str, list[str]] = {}
    for line, item in at.lines.items():
        of_sku.setdefault(item.sku, []).append(line)
    placed: dict[str, int] = {}
    for one in units:
        lines = of_sku.get(one.sku, []) if not one.line else [one.line] if one.line in at.lines else []
        rest = one.units
        while rest and lines:
            line = lines[0]
            count = rest if len(lines) == 1 else min(rest, max(0, takes[line]))
            placed[line] = placed.get(line, 0) + count
            takes[line] -= count
            rest -= count
            if rest:
                lines.pop(0)  # full: a message of thousands of entries walks over each line once
    return {line: count for line, count in placed.items() if count}


# ---- what is refused, and what is only remarked ------------------------------------------------------------------------------
def check(at: Standing, action: str) -> None:
    """Raises Problem unless this may be done now. `action` as in `actions`."""
    if action in at.actions:
        return
    if action.startswith("changes/"):
        _, number, answer = action.split("/")
        change = at.changes[number]
        if change.answer not in ANSWERABLE:
            detail = f"Change {number} of {at.reference} is {change.answer} already."
        elif answer == "accept" and _too_late(at, change):
            detail = f"All of {at.reference} has left: change {number} can only be rejected."
        else:
            return
    else:
        detail = f"{at.reference} is {_spoken(at)}: it cannot be {_DONE[action]} now."
    raise Problem("wrong_state", detail, state=at.state, execution=at.execution, held=at.held, actions=at.actions)


def _too_late(at: Standing, change: Asked) -> bool:
    """Who has shipped everything cannot agree to ship less, or otherwise."""
    return at.execution == "shipped" and change.kind in ("amend", "cancel")


def dated(at: Standing, said: Statement, heard: datetime) -> None:
    """Raises Problem where an answer is dated before the one that stands: it would not count, and nobody would hear of it."""
    if not isinstance(said, words.Accepted | words.Rejected):
        return
    word = "accepted" if isinstance(said, words.Accepted) else "rejected"
    if not _counts(at, word, said.occurred_at or heard):
        detail = f"occurred_at: lies before {at.answered_at}, when you answered {at.reference} last."
        raise Problem("invalid", detail, field="occurred_at")


_DONE = {
    "accept": "accepted", "reject": "rejected", "start": "started", "pick": "picked", "pack": "packed", "short": "reported short",
    "ship": "shipped",
}  # fmt: skip


def _spoken(at: Standing) -> str:
    """Where it stands, in a word or two."""
    if at.held:
        return "on hold"
    if at.execution in _OVER or (at.state == "accepted" and at.execution != "open"):
        return at.execution.replace("_", " ")
    return at.state


def named(at: Standing, said: Statement) -> list[str]:
    """Check that what the words name is on the request; returns remarks about what a person at the retailer will look at. A line of ours
    that is not on it is a mistake; a SKU that is not may really lie in the parcel, so it is taken as long as something else is known."""
    groups = _named(said)
    for path, one in groups:
        if one.line and one.line not in at.lines:
            raise Problem(
                "not_on_request", f"{path}.line: {one.line} is not a line of {at.reference}.", field=f"{path}.line"
            )
    skus = {item.sku for item in at.lines.values()}
    strangers = [(path, one) for path, one in groups if not one.line and one.sku not in skus]
    if groups and len(strangers) == len(groups):
        path, one = strangers[0]
        raise Problem("not_on_request", f"{path}.sku: {one.sku} is not on {at.reference}.", field=f"{path}.sku")
    remarks = [f"{one.sku} is not on this request." for _, one in strangers]
    if isinstance(said, words.Shipped):
        remarks += _beyond(at, said)
    return [f"{remark} Somebody at the retailer will look at it." for remark in remarks]


def packed(at: Standing, shipment: str, said: words.Tracking) -> None:
    """Check that the packages numbers are given for are in this shipment. Raises Problem."""
    count = at.shipments[shipment]
    for n, one in enumerate(said.packages):
        if one.package > count:
            field = f"packages[{n}].package"
            detail = f"{field}: {shipment} has {count} package{'s' if count > 1 else ''}."
            raise Problem("not_on_request", detail, field=field)


def _beyond(at: Standing, said: words.Shipped) -> list[str]:
    every = [one for package in said.packages for one in package.lines]
    more = {line: units - at.lines[line].left for line, units in _placed(at, every).items()}
    return [f"{units} more of line {line} than asked for." for line, units in more.items() if units > 0]


def _named(said: Statement) -> list[tuple[str, words.SomeUnits]]:
    if isinstance(said, words.Shipped):
        return [
            (f"packages[{p}].lines[{n}]", one)
            for p, package in enumerate(said.packages)
            for n, one in enumerate(package.lines)
        ]
    field = "declined" if isinstance(said, words.Accepted) else "lines"
    return [(f"{field}[{n}]", one) for n, one in enumerate(getattr(said, field, []))]


#: Where a partner used this id of a shipment already, recorded or on its way there.
_SHIPMENT = """SELECT f.reference FROM canonical_shipment s JOIN canonical_fulfilmentrequest f ON f.id = s.request_id
    WHERE s.system_id = %(system)s AND s.external_id = %(shipment)s
  UNION ALL SELECT m.about FROM sync_message m WHERE m.system_id = %(system)s AND m.about <> ''
    AND m.state IN ('received', 'waiting', 'parked') AND m.topic = 'shipment.shipped' AND position(%(words)s::bytea IN m.body) > 0
  LIMIT 1"""


def unused(system_id: int, at: Standing, said: Statement) -> None:
    """Raises Problem where a shipment has the id of an earlier one: it would count for nothing here, and stop at a person later."""
    if not isinstance(said, words.Shipped) or isinstance(said, words.Corrected):
        return
    named = b'"shipment":' + msgspec.json.encode(
        said.shipment
    )  # as it is stored; inside a text the quotes would be escaped
    used = sql.fetch(_SHIPMENT, {"system": system_id, "shipment": said.shipment, "words": named})
    if used:
        detail = f"shipment: {said.shipment} was reported before, of {used[0][0]}. Each shipment has an id of its own."
        raise Problem("shipment_known", detail, field="shipment")


# ---- reading it -------------------------------------------------------------------------------------------------------------
def take(system_id: int, reference: str) -> Standing | None:
    """One request, locked against other calls about it until the transaction ends; None where this partner was told of none of that name:
    before it left for the partner it may still change, or never come about."""
    sql.fetch("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", (f"{system_id}:{reference}", _LOCK))
    return standings(system_id, [reference]).get(reference)


#: One statement, so that a word is seen where it was stored or where it was recorded, and never in neither. That `about` is not empty is
#: said for the index, which holds only such rows.
_STANDINGS = f"""SELECT f.reference, jsonb_build_object(
    'reference', f.reference, 'state', CASE WHEN f.answer = 'unsubmitted' THEN 'submitted' ELSE f.answer END,
    'execution', f.execution, 'held', f.held, 'answered_at', f.answered_at,
    'lines', coalesce((SELECT jsonb_object_agg(r.line_id, jsonb_build_object('sku', coalesce(s.code, l.sku_text), 'units', r.units,
        'short', r.short, 'shipped', r.shipped)) FROM canonical_requestline r JOIN canonical_orderline l ON l.id = r.line_id
        LEFT JOIN canonical_sku s ON s.id = l.sku_id WHERE r.request_id = f.id), '{{}}'),
    'changes', coalesce((SELECT jsonb_object_agg(c.number, jsonb_build_object('kind', c.kind, 'answer', c.answer, 'lines', c.lines))
        FROM canonical_requestchange c WHERE c.request_id = f.id), '{{}}'),
    'shipments', coalesce((SELECT jsonb_object_agg(s.external_id, (SELECT count(*) FROM canonical_package p WHERE p.shipment_id = s.id))
        FROM canonical_shipment s WHERE s.request_id = f.id), '{{}}')),
    m.topics, m.bodies, m.heard
  FROM canonical_fulfilmentrequest f LEFT JOIN LATERAL (SELECT array_agg(w.topic ORDER BY w.id) AS topics,
      array_agg(w.body ORDER BY w.id) AS bodies, array_agg(w.received_at ORDER BY w.id) AS heard FROM sync_message w
      WHERE w.system_id = f.system_id AND w.about = f.reference AND w.about <> ''
        AND w.state IN ('received', 'waiting', 'parked')) m ON true
  WHERE f.system_id = %s AND f.reference = ANY(%s) AND {told("f")}"""


def standings(system_id: int, references: Sequence[str]) -> dict[str, Standing]:
    """Where these requests of one partner stand, by reference."""
    rows = sql.fetch(_STANDINGS, (system_id, list(references)))
    return {
        reference: _standing(recorded, zip(topics or (), bodies or (), heard or (), strict=True))
        for reference, recorded, topics, bodies, heard in rows
    }


def _standing(recorded: str, said: Iterable[tuple[str, bytes, datetime]]) -> Standing:
    at = msgspec.json.decode(recorded, type=Standing)
    at.lines = dict(sorted(at.lines.items(), key=lambda item: int(item[0])))
    for topic, body, heard in said:
        if (word := kept(topic, bytes(body))) is not None:
            fold(at, topic, word, heard)
    return at
