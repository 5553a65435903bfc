"""digests: whether two tries did the same. What differs each time is left out: moments, and the numbers of new rows. Asks no database."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

#: Which kind of row a field names.
_FIELDS = {
    "booking_id": "booking", "request_id": "fulfilment_request", "change_id": "request_change", "shipment_id": "shipment",
    "customer_id": "customer", "billing_id": "address", "shipping_id": "address", "ship_to_id": "address", "line_id": "order_line",
    "order_id": "order", "charge_id": "charge", "hold_id": "hold", "lines": "order_line",
}  # fmt: skip
_REFERENCE = re.compile(r"^F(\d+)-")  # of a fulfilment request: it names our order


def plain(value: Any, newest: Mapping[str, int], since: datetime) -> Any:
    """The value with everything left out that differs each time the same is tried. `newest`: the highest id of each kind before,
    `since`: the moment before. A change in it is a dict with `kind`, `id` and `fields`."""
    return _Plain(newest, since).of(msgspec.to_builtins(value))


def digest(value: Any) -> str:
    """Equal for equal values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


class _Plain:
    """Values with new rows called by the order they appear in, and moments since then called now."""

    def __init__(self, newest: Mapping[str, int], since: datetime) -> None:
        self._newest, self._since = newest, since
        self._names: dict[tuple[str, int], str] = {}

    def of(self, value: Any, field: str = "") -> Any:
        """The value, equal each time the same is tried."""
        kind = _FIELDS.get(field, "")
        match value:
            case dict() if "fields" in value:
                return {
                    **self.of({k: v for k, v in value.items() if k != "fields"}),
                    "fields": self._fields(value["fields"]),
                }
            case dict():
                return {str(self._number(k, kind)): self.of(v, k) for k, v in value.items()} | self._named(value)
            case list():
                return [self.of(v, field) for v in value]
            case int() if kind:
                return self._number(value, kind)
            case str():
                return self._moment(_REFERENCE.sub(lambda m: f"F{self._number(m[1], 'order')}-", value))
        return value

    def _fields(self, fields: list[Any]) -> list[Any]:
        """(name, before, after) of each, with what a posting is about named by the field beside it."""
        sides = [{name: pair[n] for name, *pair in fields} for n in (0, 1)]
        before, after = (self.of(side) for side in sides)
        return [[name, before[name], after[name]] for name, *_ in fields]

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
