"""What a warehouse knows of one request: what it was asked, how far it is, what left the building. Plain data, kept over a restart."""

from typing import Any

import msgspec

Lines = list[dict[str, Any]]  # line, sku, units, as in an event


def units_by(name: str, lines: Lines) -> dict[str, int]:
    """Units summed by what a field of their lines says: `line` or `sku`."""
    sums: dict[str, int] = {}
    for line in lines:
        sums[line[name]] = sums.get(line[name], 0) + line["units"]
    return sums


class Call(msgspec.Struct, kw_only=True):
    """One call to our API. `key` is its idempotency key; `status` None: not answered yet."""

    verb: str
    body: dict[str, Any]
    key: int
    status: int | None = None
    tries: int = 0

    @property
    def is_taken(self) -> bool:
        """Our API took it."""
        return self.status is not None and self.status < 300


class Change(msgspec.Struct, kw_only=True):
    """One change it was asked for: `manner` is how it answers (a key of ANSWERS), `answer` what it decided; empty: not yet."""

    kind: str
    data: dict[str, Any]
    manner: str
    events: dict[str, int] = {}
    answer: str = ""


class Departure(msgspec.Struct, kw_only=True):
    """A shipment that left: units per line and per SKU, and where it went."""

    shipment: str
    lines: dict[str, int]
    ship_to: dict[str, str]
    skus: dict[str, int] = {}


class Work(msgspec.Struct, kw_only=True):
    """One request. `lines`, `ship_to`, `carrier` and `service` are what it will ship by now, `act` the next act of its behaviour."""

    reference: str
    order_reference: str
    behaviour: str
    received_at: float
    lines: Lines
    ship_to: dict[str, str]
    carrier: str = ""
    service: str = ""
    events: dict[str, int] = {}  # event id → how often it came
    changes: dict[str, Change] = {}  # by number
    act: int = 0
    calls: list[Call] = []
    left: list[Departure] = []
    most: dict[str, int] = {}  # of lines it is short of: all there is
    promised: dict[str, int] = {}  # SKU → units allocated to it
    taken: dict[str, int] = {}  # SKU → units the shelves were lowered by
    waiting: bool = False  # until somebody lets it go on
    held: bool = False  # because we asked
    cancelled: bool = False  # it accepted a cancellation and keeps it
    over: bool = False  # nothing more will be done of its own accord
    idle: bool = False  # nothing to do or say now

    def asked(self, data: dict[str, Any]) -> None:
        """This is what to ship from now on."""
        self.lines, self.ship_to = data["lines"], data["ship_to"]
        self.carrier, self.service = data["carrier"], data["service"]

    @property
    def shipped(self) -> dict[str, int]:
        """Units that left, by line."""
        sums: dict[str, int] = {}
        for departure in self.left:
            for line, units in departure.lines.items():
                sums[line] = sums.get(line, 0) + units
        return sums

    @property
    def rest(self) -> Lines:
        """What is still to be shipped; lines without units are left out."""
        gone = self.shipped
        lines = [] if self.cancelled else self.lines
        rest = [{**line, "units": self._there_is(line) - gone.get(line["line"], 0)} for line in lines]
        return [line for line in rest if line["units"] > 0]

    @property
    def missing(self) -> Lines:
        """Units that were asked for and are not there."""
        lines = [{"line": line["line"], "units": line["units"] - self._there_is(line)} for line in self.lines]
        return [line for line in lines if line["units"] > 0]

    def _there_is(self, line: dict[str, Any]) -> int:
        units: int = line["units"]
        return min(units, self.most.get(line["line"], units))

    @property
    def is_shipped(self) -> bool:
        """Something left, and nothing is to follow."""
        return bool(self.left) and not self.rest

    @property
    def is_packed(self) -> bool:
        """What is to leave next lies in its boxes."""
        last = next((call.verb for call in reversed(self.calls) if call.verb in ("pack", "ship", "corrections")), "")
        return last == "pack"

    @property
    def is_accepted(self) -> bool:
        """It said that it will do this."""
        return any(call.verb == "accept" for call in self.calls)

    @property
    def is_rejected(self) -> bool:
        """It said that it will not do this."""
        return any(call.verb == "reject" for call in self.calls)

    @property
    def unsaid(self) -> Call | None:
        """The call that was decided on and is not answered yet."""
        return self.calls[-1] if self.calls and self.calls[-1].status is None else None
