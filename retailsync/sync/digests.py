"""digests: whether two tries did the same. What differs each time is left out: moments, and the numbers of new rows. Asks no database."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

#: Which kind of row a field names.
_FIELDS = {
    "booking_id": "booking", "request_id": "fulfilment_request", "change_id": "request_change", "shipment_id": "shipment",
    "customer_id": "customer", "billing_id": "address", "shipping_id": "address", "ship_to_id": "address", "line_id": "order_line",
    "order_id": "order", "charge_id": "charge", "hold_id": "hold", "lines": "order_line",
}  # fmt: skip
_REFERENCE = re.compile(r"^F(\d+)-")  # of a fulfilment request: it names our order


class Told(Protocol):
    """What an effect says."""

    changes: list[Any]
    calls: list[Any]
    outcomes: list[Any]
    opens: list[str]


def digest(effect: Told, newest: Mapping[str, int], since: datetime) -> str:
    """Equal for two tries that change the same and put out the same. `newest`: the highest id of each kind before, `since`: the moment."""
    plain = _Plain(newest, since)
    changes = [plain.of(_change(change)) for change in effect.changes]
    calls = [plain.of(msgspec.to_builtins(call)) for call in effect.calls]
    outcomes = sorted((o.case, o.closed, o.words) for o in effect.outcomes)
    content = json.dumps([changes, calls, outcomes, sorted(effect.opens)], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def _change(change: Any) -> dict[str, Any]:
    fields = msgspec.to_builtins(change.fields)
    sides = {"before": {n: before for n, before, _ in fields}, "after": {n: after for n, _, after in fields}}
    return {"kind": change.kind, "id": change.id, "event": change.event, "new": change.new, **sides}


class _Plain:
    """Values with new rows called by the order they appear in, and moments since then called now."""

    def __init__(self, newest: Mapping[str, int], since: datetime) -> None:
        self._newest, self._since = newest, since
        self._names: dict[tuple[str, int], str] = {}

    def of(self, value: Any, field: str = "") -> Any:
        """The value, equal each time the same is tried."""
        kind = _FIELDS.get(field, "")
        match value:
            case dict():
                return {str(self._number(k, kind)): self.of(v, k) for k, v in value.items()} | self._named(value)
            case list():
                return [self.of(v, field) for v in value]
            case int() if kind:
                return self._number(value, kind)
            case str():
                return self._moment(_REFERENCE.sub(lambda m: f"F{self._number(m[1], 'order')}-", value))
        return value

    def _named(self, value: dict[str, Any]) -> dict[str, Any]:
        """Numbers whose kind stands beside them: of what changes, and of what a posting is about."""
        beside = {"id": "kind", "subject_id": "subject_kind"}
        return {
            field: self._number(value[field], str(value[kind]))
            for field, kind in beside.items()
            if {field, kind} <= value.keys()
        }

    def _number(self, value: Any, kind: str) -> Any:
        number = int(value) if str(value).isdecimal() else 0
        if kind not in self._newest or number <= self._newest[kind]:
            return value
        return self._names.setdefault((kind, number), f"new {kind} {len(self._names)}")

    def _moment(self, text: str) -> str:
        if len(text) < 19 or text[4] != "-":
            return text
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return text
        return "now" if at.tzinfo and at >= self._since else text
