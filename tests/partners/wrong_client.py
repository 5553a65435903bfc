"""The guide's client with one rule broken on purpose: certification must fail, and name the clause.

python tests/partners/wrong_client.py --wrong ships_twice --url … --key … --certify
"""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "partner-guide" / "client.py"
_spec = importlib.util.spec_from_file_location("partner_client", GUIDE)
assert _spec and _spec.loader
client: Any = importlib.util.module_from_spec(_spec)
sys.modules["partner_client"] = client
_spec.loader.exec_module(client)

Data = dict[str, Any]
Step = Callable[[], Data] | None


class ShipsTwice(client.Certified):  # type: ignore[misc]
    """What was refused because it has left already leaves once more."""

    def in_duplicate_confirm(self, request: Data) -> Step:
        if "ship" not in request["actions"] or "pack" in request["actions"]:
            return client.Warehouse.step(self, request)  # type: ignore[no-any-return]
        lines = self.left(request)
        self.ship(request, lines)()
        try:
            self.ship(request, lines, key="again")()
        except client.Refused:
            parcel = {"tracking_number": "T9", "lines": lines}
            self.say(
                request, "corrections", shipment="S9", packages=[parcel], reason="It was refused, so it left again."
            )()
        return None


class IgnoresCancel(client.Certified):  # type: ignore[misc]
    """A cancellation is not answered, and the goods leave."""

    def in_late_cancel(self, request: Data) -> Step:
        if request["execution"] == "packed" and not self.asked(request):
            return None
        without = [action for action in request["actions"] if not action.startswith("changes/")]
        return client.Warehouse.step(self, request | {"actions": without})  # type: ignore[no-any-return]


class ShipsWhatWasCancelled(client.Certified):  # type: ignore[misc]
    """A cancellation is accepted, and the goods leave all the same."""

    def in_late_cancel(self, request: Data) -> Step:
        if request["state"] == "closed" and self.first(request, "corrections"):
            line = self.api.get(f"fulfilment-requests/{request['reference']}")["lines"][0]["line"]
            parcel = {"tracking_number": "T8", "lines": [{"line": line, "units": 1}]}
            return self.say(request, "corrections", shipment="S8", packages=[parcel], reason="It had left.")  # type: ignore[no-any-return]
        return super().in_late_cancel(request)  # type: ignore[no-any-return]


class NoTracking(client.Certified):  # type: ignore[misc]
    """Packages have no tracking numbers."""

    def say(self, request: Data, verb: str, key: str = "", **body: Any) -> Callable[[], Data]:
        for package in body.get("packages", ()):
            del package["tracking_number"]
        return super().say(request, verb, key, **body)  # type: ignore[no-any-return]


class GivesUpAt409(client.Certified):  # type: ignore[misc]
    """A 409 ends its work on the request."""

    def in_out_of_order(self, request: Data) -> Step:
        if "pack" in request["actions"] and "accept" not in request["actions"]:
            return self.say(request, "pack")  # type: ignore[no-any-return]
        if request["execution"] == "packed":
            return self.say(request, "pick") if self.first(request, "pick") else None
        return client.Warehouse.step(self, request)  # type: ignore[no-any-return]


class Stubborn(client.Certified):  # type: ignore[misc]
    """What was refused for its state is said again and again."""

    def in_out_of_order(self, request: Data) -> Step:
        if request["execution"] == "packed":
            for n in range(3):
                try:
                    self.say(request, "pick", key=f"again {n}")()
                except client.Refused:
                    continue
        return super().in_out_of_order(request)  # type: ignore[no-any-return]


class Refusing(client.Certified):  # type: ignore[misc]
    """Breaks no rule: it refuses every change, and ships."""

    def answer(self, request: Data, change: str) -> str:
        return f"{change.rpartition('/')[0]}/reject"

    def say(self, request: Data, verb: str, key: str = "", **body: Any) -> Callable[[], Data]:
        reason = {"reason": "We do not change orders we have."} if verb.endswith("/reject") else {}
        return super().say(request, verb, key, **body, **reason)  # type: ignore[no-any-return]


class Terse(client.Certified):  # type: ignore[misc]
    """Breaks one rule: it ships without a word before, also where it is told to wait or to do something else."""

    def step(self, request: Data) -> Step:
        return self.ship(request, self.left(request)) if "ship" in request["actions"] else None  # type: ignore[no-any-return]


#: What is broken → who does it, and the clauses that must name it.
WRONG: Mapping[str, tuple[type[Any], set[str]]] = {
    "ships_twice": (ShipsTwice, {"DUP-2", "ONCE-1"}),
    "ignores_cancel": (IgnoresCancel, {"CANCEL-1", "CANCEL-2"}),
    "ships_what_was_cancelled": (ShipsWhatWasCancelled, {"CANCEL-2", "ONCE-1"}),
    "no_tracking": (NoTracking, {"TRACK-1"}),
    "gives_up_at_409": (GivesUpAt409, {"ORDER-2"}),
    "stubborn": (Stubborn, {"STATE-1"}),
    "terse": (
        Terse,
        {
            *(
                "ACK-1",
                "WORK-1",
                "SPLIT-1",
                "SHORT-1",
                "CANCEL-1",
                "CANCEL-2",
                "CHANGE-1",
                "HOLD-1",
                "HOLD-2",
                "DUP-1",
                "ORDER-1",
            ),
            *("KEY-1", "SKU-1", "TERMS-1"),
        },
    ),
}

if __name__ == "__main__":
    at = sys.argv.index("--wrong")
    name = sys.argv[at + 1]
    sys.exit(client.main([*sys.argv[1:at], *sys.argv[at + 2 :]], WRONG[name][0]))
