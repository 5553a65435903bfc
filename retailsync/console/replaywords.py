"""What a replay's preview says, in words a shop's back office reads. Knows how effects are stored, and asks for counts only."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Count

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
_HIDDEN = frozenset({"lifted_at", "released_at", "raised_at", "asked_at", "answered_at", "ended_at"})


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


def item(row: ReplayItem, reference: str) -> dict[str, Any]:
    """One subject: what becomes of its exceptions, what is sent, what changes."""
    effect: Mapping[str, Any] = row.effect or {}
    outcomes = effect.get("outcomes", ())
    return {
        "row": row, "reference": reference, "tone": ITEM_TONES.get(row.state, ""),
        "stays": [o["words"] for o in outcomes if not o["closed"]], "opens": effect.get("opens", ()),
        "goes": sum(o["closed"] for o in outcomes),
        "calls": [(words.plain(c["kind"]), c["system"], HOW[c["how"]], _note(c)) for c in effect.get("calls", ())],
        "changes": [_change(c) for c in effect.get("changes", ())],
    }  # fmt: skip


def _note(call: Mapping[str, Any]) -> str:
    notes = ["once nothing else holds its order"] if call["held"] and call["how"] != "dropped" else []
    notes += ["looked for first, in case it was carried out before"] if call["doubtful"] else []
    return ", ".join(notes)


def _change(change: Mapping[str, Any]) -> dict[str, Any]:
    fields = [
        (words.plain(name), value(before), value(after))
        for name, before, after in change["fields"]
        if _told(name, before, after)
    ]
    return {
        "what": words.plain(change["kind"]),
        "event": words.plain(change["event"]).lower(),
        "new": change["new"],
        "fields": fields,
    }


def _told(name: str, before: Any, after: Any) -> bool:
    """What says nothing to a person is left out: moments that are now, and what is empty as before."""
    return name not in _HIDDEN and (before or after) not in (None, "", [], {})


_REASONS = {reason.value: reason.label for reason in Hold.Reason}


def value(said: Any) -> str:
    """A value of a row, as people read it."""
    match said:
        case None | "":
            return words.NOTHING
        case bool():
            return "yes" if said else "no"
        case dict():
            return ", ".join(f"{k}: {value(v)}" for k, v in said.items())
        case list():
            return ", ".join(map(value, said))
        case str():
            return _REASONS.get(said, said.replace("_", " ") if said.islower() else said)
    return str(said)
