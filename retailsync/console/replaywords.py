"""What a replay's preview says, in words a shop's back office reads. Knows how effects are stored."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Count

from canonical import sql
from canonical.models import Hold
from retailsync.console import words
from retailsync.sync.models import Replay, ReplayItem

TONES = {
    "done": "good",
    "running": "warn",
    "previewing": "warn",
    "previewed": "warn",
    "asked": "warn",
    "differs": "bad",
}
ITEM_TONES = {"done": "good", "settled": "good", "differs": "bad", "refused": "bad"}
#: What is to become of a command.
HOW = {
    "new": "sent", "again": "sent again", "changed": "sent as it is now", "freed": "goes on, as nothing holds it any more",
    "dropped": "not sent any more",
}  # fmt: skip
#: What depends on the answer, and can only be said then.
FOLLOWS = {
    "UpsertCustomer": "Orders of this customer are created once its number is known.",
    "CreateOrder": "Its total is compared; a rounding line is added where a cent is missing, and it is confirmed.",
    "AmendOrder": "Its new total is compared; where the ERP does not allow the change, it is cancelled and created anew.",
    "RequestFulfilment": "The warehouse accepts or rejects it, and ships; the customer is shown the tracking, the goods are booked out.",
    "ChangeRequest": "The warehouse agrees or refuses; what it refuses becomes a question.",
    "CancelOrder": "Where goods or invoices are booked already, the ERP refuses, and somebody has to look.",
    "PostGoodsIssue": "Nothing more is left to ship, or a rest stays open.",
    "SendTracking": "Once everything is shipped, the order is completed in the shop.",
    "Refresh": "What it says is recorded, and whatever follows from that.",
}  # fmt: skip
#: Moments that are now, and our own counts.
_HIDDEN = frozenset(
    {"lifted_at", "released_at", "raised_at", "asked_at", "answered_at", "ended_at", "attempt", "number"}
)


def counted(replay: Replay) -> dict[str, int]:
    """State → how many items."""
    return dict(replay.items.order_by().values_list("state").annotate(count=Count("pk")))


def summary(replay: Replay) -> dict[str, Any]:
    """Everything the items say together."""
    said = replay.summary or {}
    calls = [_call(*row) for row in said.get("calls", ())]
    kinds = dict.fromkeys(kind for _, kind, how, *_ in said.get("calls", ()) if how != "dropped")
    return {
        "calls": calls, "before": [{"system": s, "kind": words.plain(k), "count": n} for s, k, n in said.get("done", ())],
        "follows": [(words.plain(kind), FOLLOWS[kind]) for kind in kinds if kind in FOLLOWS],
        "goes": said.get("goes", 0), "stays": said.get("stays", 0),
        "worth": [words.money(Decimal(amount), currency) for currency, amount in sorted(replay.money.items())],
    }  # fmt: skip


def _call(system: str, kind: str, how: str, held: bool, count: int) -> dict[str, Any]:
    later = ", once nothing else holds its order" if held else ""
    return {
        "system": system,
        "kind": words.plain(kind),
        "how": f"{HOW[how]}{later}",
        "count": count,
        "dropped": how == "dropped",
    }


#: Fields that name rows of ours which people know by a word → where that word stands.
_NAMED = {
    "sku_id": "SELECT id, code FROM canonical_sku WHERE id = ANY(%s)",
    "system_id": "SELECT id, name FROM canonical_system WHERE id = ANY(%s)",
    "location_id": "SELECT id, code FROM canonical_location WHERE id = ANY(%s)",
    "lines": "SELECT l.id, coalesce(s.code, l.sku_text) FROM canonical_orderline l LEFT JOIN canonical_sku s ON s.id = l.sku_id"
             " WHERE l.id = ANY(%s)",
}  # fmt: skip
Names = Mapping[str, Mapping[str, str]]


def names(items: Iterable[Any]) -> Names:
    """Field → id → the word people know it by, for all ids these items name."""
    wanted: dict[str, set[int]] = {field: set() for field in _NAMED}
    for effect in (item.effect or {} for item in items):
        for changed in effect.get("changes", ()):
            for field, *sides in changed["fields"]:
                wanted.get(field, set()).update(id for side in sides for id in _ids(side))
    return {
        field: {str(id): name for id, name in sql.fetch(_NAMED[field], (sorted(ids),))} for field, ids in wanted.items()
    }


def _ids(side: Any) -> Iterable[int]:
    """The ids one side of a field names: of one row, or of the lines units are counted by."""
    given = side if isinstance(side, dict) else [side]
    return [int(id) for id in given if str(id).isdecimal()]


def item(row: ReplayItem, reference: str, known: Names) -> dict[str, Any]:
    """One subject: what becomes of its exceptions, what is sent, what changes."""
    effect: Mapping[str, Any] = row.effect or {}
    outcomes = effect.get("outcomes", ())
    return {
        "row": row, "reference": reference, "tone": ITEM_TONES.get(row.state, ""),
        "stays": [o["words"] for o in outcomes if not o["closed"]], "opens": effect.get("opens", ()),
        "goes": sum(o["closed"] for o in outcomes),
        "calls": [(words.plain(c["kind"]), c["system"], HOW[c["how"]], _note(c)) for c in effect.get("calls", ())],
        "changes": [change(c, known) for c in effect.get("changes", ())],
    }  # fmt: skip


def _note(call: Mapping[str, Any]) -> str:
    notes = ["once nothing else holds its order"] if call["held"] and call["how"] != "dropped" else []
    notes += ["looked for first, in case it was carried out before"] if call["doubtful"] else []
    return ", ".join(notes)


def change(said: Mapping[str, Any], known: Names) -> dict[str, Any]:
    """One change of a row in words: its fields before and after."""
    told = [field for field in said["fields"] if _told(*field, new=said["new"])]
    fields = [(_titled(name), *(value(side, known.get(name, {})) for side in sides)) for name, *sides in told]
    what, event = words.plain(said["kind"]), words.plain(said["event"]).lower().replace("sku", "SKU")
    return {"what": what, "event": event, "new": said["new"], "fields": fields}


def _told(name: str, before: Any, after: Any, *, new: bool) -> bool:
    """What says nothing to a person is left out: our own numbers, and what a new row begins with."""
    if name in _HIDDEN or (name.endswith("_id") and name not in _NAMED):
        return False
    return bool(after) if new else before != after


def _titled(name: str) -> str:
    return "SKU" if name == "sku_id" else words.plain(name.removesuffix("_id"))


_REASONS = {reason.value: reason.label for reason in Hold.Reason}


def value(said: Any, known: Mapping[str, str]) -> str:
    """A value of a row, as people read it. `known`: the words of ids it may hold."""
    if str(said) in known:
        return known[str(said)]
    match said:
        case None | "":
            return words.NOTHING
        case bool():
            return "yes" if said else "no"
        case dict():
            parts = (f"{known.get(k, words.plain(k).lower())}: {value(v, {})}" for k, v in said.items() if v != 0)
            return ", ".join(parts)
        case list():
            return ", ".join(value(v, known) for v in said)
        case str():
            return _REASONS.get(said, said.replace("_", " ") if said.islower() else said)
    return str(said)
