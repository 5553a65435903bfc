"""What a certification plays and asks for: scenarios with what a partner is told to do, and clauses, each judged by what was really said.
Pure. Knows no database.

A clause's name is stable. A verdict may still turn until the run is finished: a second shipment can come at any time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from canonical.types import Units
from retailsync.partners.desk import Asked, Standing

STAGES = ("start", "pick", "pack")
OUT = frozenset({"ship", "corrections"})  # what says that something left


# ---- what is looked at ------------------------------------------------------------------------------------------------------
class Call(NamedTuple):
    """One POST about a request, as it came and was answered."""

    id: int
    reference: str
    action: str
    key: str
    said: Mapping[str, Any]
    status: int
    code: str
    replayed: bool
    at: datetime

    @property
    def taken(self) -> bool:
        """It was stored."""
        return self.status < 300

    def __str__(self) -> str:
        answer = f"{self.status} {self.code}".strip() + (" (replayed)" if self.replayed else "")
        return f"call {self.id} at {self.at:%Y-%m-%dT%H:%M:%SZ}: POST {self.reference}/{self.action} → {answer}"


class Seen(NamedTuple):
    """One scenario as far as it went: requests by reference, when each was asked, and every call about them, in order."""

    requests: Mapping[str, Standing]
    asked_at: Mapping[str, datetime]
    calls: Sequence[Call]

    def said(self, *actions: str) -> list[Call]:
        """What was taken of these; a repetition is not said again."""
        return [call for call in self.calls if call.action in actions and call.taken and not call.replayed]

    def change(self, kind: str) -> tuple[str, str, Asked] | None:
        """The first change of a kind: (request, number, how it stands)."""
        found = (
            (at.reference, n, c) for at in self.requests.values() for n, c in sorted(at.changes.items(), key=_number)
        )
        return next((one for one in found if one[2].kind == kind), None)

    @property
    def units(self) -> int:
        """Units that left."""
        return sum(item.shipped for at in self.requests.values() for item in at.lines.values())

    @property
    def over(self) -> bool:
        """Asked for, and nothing of it is left to be done."""
        return bool(self.requests) and not any(_left(at) for at in self.requests.values())


def _number(item: tuple[str, Asked]) -> int:
    return int(item[0])


def _left(at: Standing) -> int:
    return at.left if at.state in ("submitted", "accepted") else 0


# ---- verdicts ---------------------------------------------------------------------------------------------------------------
class Verdict(NamedTuple):
    """What a clause came to, why, and the calls it follows from."""

    verdict: Literal["waiting", "pass", "fail"]
    words: str
    evidence: tuple[str, ...] = ()


def waits(words: str) -> Verdict:
    return Verdict("waiting", words)


def passes(words: str, *calls: Call) -> Verdict:
    return Verdict("pass", words, tuple(map(str, calls)))


def fails(words: str, *calls: Call) -> Verdict:
    return Verdict("fail", words, tuple(map(str, calls)))


Judge = Callable[[Seen], Verdict]


# ---- shared by scenarios ----------------------------------------------------------------------------------------------------
def all_left(seen: Seen) -> Verdict:
    """Every unit that is asked for was shipped, each once."""
    verdict = ended(seen)
    short = sum(item.short for at in seen.requests.values() for item in at.lines.values())
    if short and verdict.verdict != "fail":
        return fails(f"{short} units were reported short; all of them were there.", *seen.said("short", "accept"))
    return verdict


def ended(seen: Seen) -> Verdict:
    """Every unit that is asked for was shipped or reported short, each once."""
    out = seen.said(*OUT)
    if not seen.requests:
        return waits("You were not asked yet.")
    for at in seen.requests.values():
        if at.state == "rejected":
            return fails(f"{at.reference} was rejected.", *seen.said("reject"))
        if words := _beyond(at):
            return fails(words, *out)
    left = sum(_left(at) for at in seen.requests.values())
    return (
        waits(f"{left} units are neither shipped nor reported short.")
        if left
        else passes("All is accounted for.", *out)
    )


def _beyond(at: Standing) -> str:
    """What left beyond what is asked for, in words."""
    for line, item in at.lines.items():
        if item.shipped + item.short > item.units:
            return f"{item.shipped + item.short} units of line {line} ({item.sku}) are accounted for, and {item.units} are asked for."
    return ""


def answered(kind: str) -> Judge:
    """The change was asked for, and answered."""

    def judge(seen: Seen) -> Verdict:
        asked = seen.change(kind)
        if asked is None:
            return (
                fails("All was shipped before it could be asked for.", *seen.said(*OUT))
                if seen.over
                else waits("Not asked yet.")
            )
        reference, number, change = asked
        answers = seen.said(f"changes/{number}/accept", f"changes/{number}/reject")
        if answers:
            return passes(f"Change {number} of {reference} was {change.answer}.", *answers)
        if seen.over:
            return fails(f"Change {number} of {reference} was not answered, and the goods left.", *seen.said(*OUT))
        return waits(f"Change {number} of {reference} is not answered yet.")

    return judge


# ---- happy path -------------------------------------------------------------------------------------------------------------
def accepted(seen: Seen) -> Verdict:
    if rejected := seen.said("reject"):
        return fails("It was rejected.", *rejected)
    if said := seen.said("accept"):
        return passes("It was accepted.", *said)
    return (
        fails("It was shipped without being accepted.", *seen.said(*OUT))
        if seen.over
        else waits("It is not accepted yet.")
    )


def in_order(seen: Seen) -> Verdict:
    said = seen.said(*STAGES)
    names = [call.action for call in said]
    if names == list(STAGES):
        return passes("Picking, picked and packed were reported in this order.", *said)
    told = ", ".join(names) or "nothing"
    wrong = names != list(STAGES[: len(names)]) or seen.over
    return fails(f"Reported were: {told}.", *said) if wrong else waits(f"Reported so far: {told}.")


def carrier(seen: Seen) -> Verdict:
    out = seen.said("ship")
    nameless = [call for call in out if not call.said.get("carrier")]
    if nameless:
        return fails("A shipment names no carrier.", *nameless)
    return passes("Each shipment names its carrier.", *out) if out else waits("Nothing was shipped yet.")


# ---- split, short -----------------------------------------------------------------------------------------------------------
def two_shipments(seen: Seen) -> Verdict:
    out = seen.said("ship")
    names = {call.said.get("shipment") for call in out}
    if len(names) > 1:
        return passes(f"{len(names)} shipments were reported.", *out)
    return fails("All left in one shipment.", *out) if seen.over else waits(f"{len(names)} shipments so far.")


def short_told(seen: Seen) -> Verdict:
    said = [call for call in seen.said("short", "accept") if call.action == "short" or call.said.get("declined")]
    if said:
        return passes("What is missing was reported.", *said)
    return (
        fails("Nothing was reported short.", *seen.said(*OUT))
        if seen.over
        else waits("Nothing was reported short yet.")
    )


# ---- changes ----------------------------------------------------------------------------------------------------------------
def as_answered(seen: Seen) -> Verdict:
    """A cancellation that is accepted ships nothing; one that is refused ships all."""
    asked = seen.change("cancel")
    if asked is None or asked[2].answer in ("asked", "moot"):
        return (
            fails("It was shipped, and the cancellation has no answer.", *seen.said(*OUT))
            if seen.units
            else waits("No answer yet.")
        )
    if asked[2].answer == "rejected":
        return all_left(seen)
    if seen.units:
        return fails(f"{seen.units} units left although the cancellation was accepted.", *seen.said(*OUT))
    return passes("The cancellation was accepted, and nothing left.")


def kept_back(seen: Seen) -> Verdict:
    """Nothing is shipped, nor tried to be, between the answer to the hold and the answer to its end."""
    asked = seen.change("hold")
    if asked is None or asked[2].answer in ("asked", "moot"):
        return (
            fails("It was shipped, and the hold has no answer.", *seen.said(*OUT))
            if seen.units
            else waits("No answer yet.")
        )
    if asked[2].answer == "rejected":
        return passes("The hold was refused, so work went on.")
    since = seen.said(f"changes/{asked[1]}/accept")[0].id
    end = seen.change("resume")
    answers = seen.said(f"changes/{end[1]}/accept", f"changes/{end[1]}/reject") if end else []
    tried = [c for c in seen.calls if c.action in OUT and c.id > since and (not answers or c.id < answers[0].id)]
    if tried:
        return fails("It was reported shipped while it was on hold.", *tried)
    return passes("Nothing left while it was on hold.", *answers) if answers else waits("It is on hold.")


# ---- confirmations that are odd ---------------------------------------------------------------------------------------------
def said_twice(seen: Seen) -> Verdict:
    """One shipment, reported under two keys: the second time it is refused."""
    out = [call for call in seen.calls if call.action == "ship"]
    first = next((call for call in out if call.taken), None)
    if first is None:
        return waits("Nothing was shipped yet.")
    name = first.said.get("shipment")
    again = [
        c for c in out if c.id > first.id and c.said.get("shipment") == name and c.key != first.key and c.status == 409
    ]
    if again:
        return passes("The same shipment was reported again, and refused.", first, *again)
    return waits("The same shipment was not reported again under another key.")


def one_shipment(seen: Seen) -> Verdict:
    """However often it was reported: one shipment."""
    names = {call.said.get("shipment") for call in seen.said(*OUT)}
    if len(names) > 1:
        return fails(f"{len(names)} shipments were reported: {', '.join(sorted(map(str, names)))}.", *seen.said(*OUT))
    return all_left(seen)


def behind(seen: Seen) -> Verdict:
    """A step that is behind was reported, and refused."""
    refused = [call for call in seen.calls if call.action in STAGES and call.code == "wrong_state"]
    if refused:
        return passes("A step that was behind was refused.", *refused)
    return (
        fails("No step was reported late.", *seen.said(*STAGES))
        if seen.over
        else waits("No step was reported late yet.")
    )


def replayed(seen: Seen) -> Verdict:
    found = [call for call in seen.calls if call.replayed]
    return (
        passes("A call was repeated with its key, and got its answer.", *found)
        if found
        else waits("No call was repeated yet.")
    )


def by_sku(seen: Seen) -> Verdict:
    out = seen.said("ship")
    lines = [line for call in out for package in call.said.get("packages", ()) for line in package.get("lines", ())]
    if any(line.get("line") for line in lines):
        return fails("A package names a line of ours.", *out)
    return passes("Packages name SKUs only.", *out) if lines else waits("Nothing was shipped yet.")


# ---- throughout -------------------------------------------------------------------------------------------------------------
def in_time(within: timedelta) -> Judge:
    """Each request has its answer within the terms; around the clock, in the sandbox."""

    def judge(seen: Seen) -> Verdict:
        first: dict[str, Call] = {}
        for call in seen.said("accept", "reject"):
            first.setdefault(call.reference, call)
        late = [call for ref, call in first.items() if ref in seen.asked_at and call.at - seen.asked_at[ref] > within]
        minutes = int(within.total_seconds() // 60)
        if late:
            return fails(f"Answered later than {minutes} minutes after it was asked.", *late)
        open_ = sorted(set(seen.requests) - set(first))
        return (
            waits(f"Not answered: {', '.join(open_) or 'anything'}.")
            if open_ or not first
            else passes(f"All were answered within {minutes} minutes.")
        )

    return judge


def tracked(seen: Seen) -> Verdict:
    out = seen.said(*OUT)
    bare = [c for c in out if not all(package.get("tracking_number") for package in c.said.get("packages", ()))]
    if bare:
        return fails("A package has no tracking number.", *bare)
    return passes("Every package has a tracking number.") if out else waits("Nothing was shipped yet.")


def keyed(seen: Seen) -> Verdict:
    bare = [call for call in seen.calls if not call.key]
    if bare:
        return fails(f"{len(bare)} calls had no Idempotency-Key.", *bare[:5])
    return passes("Every call had an Idempotency-Key.") if seen.calls else waits("Nothing was said yet.")


def once(seen: Seen) -> Verdict:
    for at in seen.requests.values():
        if words := _beyond(at):
            return fails(
                f"{at.reference}: {words}", *(call for call in seen.said(*OUT) if call.reference == at.reference)
            )
    return passes("Nothing left beyond what is asked for.") if seen.units else waits("Nothing was shipped yet.")


def heeded(seen: Seen) -> Verdict:
    """A call that was refused for its request's state is not repeated."""
    refused: dict[tuple[str, str, str], list[Call]] = {}
    for call in seen.calls:
        if call.code == "wrong_state":
            refused.setdefault((call.reference, call.action, msgspec.json.encode(call.said).decode()), []).append(call)
    stubborn = next((calls for calls in refused.values() if len(calls) > 1), None)
    if stubborn:
        return fails("A call was repeated although the request's state does not allow it.", *stubborn[:5])
    return passes("What was refused was not repeated.") if seen.calls else waits("Nothing was said yet.")


# ---- the scenarios ----------------------------------------------------------------------------------------------------------
class Demand(NamedTuple):
    """One clause: its stable name, what it asks for, and how it is judged. `judge` None: `in_time`, by the partner's terms."""

    name: str
    words: str
    judge: Judge | None


class Scenario(NamedTuple):
    """One order that is played (none: all of them are looked at), what the partner is told to do, and what is asked for."""

    lines: Sequence[Units]
    instructions: str
    demands: Sequence[Demand]
    amended: Sequence[Units] = ()  # what the order shall be after it was accepted


def _of(sku: str, units: int) -> Units:
    return Units(sku=sku, units=units)


SCENARIOS: Mapping[str, Scenario] = {
    "happy_path": Scenario(
        [_of("SBX-APPLE", 2), _of("SBX-SOAP", 1)],
        "Accept the request, start, pick, pack, and ship all of it, naming the carrier.",
        [
            Demand("ACK-1", "The request is accepted before anything leaves.", accepted),
            Demand("WORK-1", "Picking, picked and packed are reported in this order.", in_order),
            Demand("SHIP-1", "All units are shipped.", all_left),
            Demand("SHIP-2", "The shipment names its carrier.", carrier),
        ],
    ),
    "split": Scenario(
        [_of("SBX-PEAR", 4)],
        "Accept it, and ship it in two shipments: some units first, then the rest.",
        [
            Demand("SPLIT-1", "Two shipments with names of their own are reported.", two_shipments),
            Demand("SPLIT-2", "Together they hold all units, each once.", all_left),
        ],
    ),
    "short": Scenario(
        [_of("SBX-APPLE", 3)],
        "One unit is not on the shelf. Accept the request, report one unit short, and ship the rest.",
        [
            Demand("SHORT-1", "What is missing is reported short.", short_told),
            Demand("SHORT-2", "The rest is shipped: short and shipped are all units, each once.", ended),
        ],
    ),
    "late_cancel": Scenario(
        [_of("SBX-SOAP", 2)],
        "Accept, start, pick and pack it. Then wait: the customer cancels. Accept that and ship nothing, or reject it and ship.",
        [
            Demand("CANCEL-1", "The cancellation is answered.", answered("cancel")),
            Demand("CANCEL-2", "What happens is what was answered.", as_answered),
        ],
    ),
    "amendment": Scenario(
        [_of("SBX-PEAR", 3)],
        "Accept it, then wait: the customer wants one unit less. Answer the change, and ship what the request asks for then.",
        [
            Demand("CHANGE-1", "The amendment is answered.", answered("amend")),
            Demand("CHANGE-2", "What leaves is what was agreed.", all_left),
        ],
        amended=[_of("SBX-PEAR", 2)],
    ),
    "hold": Scenario(
        [_of("SBX-APPLE", 1)],
        "Accept it, then wait: it is put on hold. Answer that, ship nothing while it is on hold, answer its end, and ship.",
        [
            Demand("HOLD-1", "The hold is answered.", answered("hold")),
            Demand("HOLD-2", "Nothing is shipped while it is on hold.", kept_back),
            Demand("HOLD-3", "It is shipped in the end.", all_left),
        ],
    ),
    "duplicate_confirm": Scenario(
        [_of("SBX-SOAP", 1)],
        "Ship it. Then report the same shipment once more under another Idempotency-Key, as after a lost note. You will be answered 409.",
        [
            Demand("DUP-1", "The same shipment is reported twice under two keys.", said_twice),
            Demand("DUP-2", "The 409 is survived, and nothing is shipped twice.", one_shipment),
        ],
    ),
    "out_of_order": Scenario(
        [_of("SBX-PEAR", 1)],
        "Accept it and report it packed at once. Then report the picking, late: you will be answered 409. Ship all the same.",
        [
            Demand("ORDER-1", "A step that is behind is reported, and refused.", behind),
            Demand("ORDER-2", "It is shipped all the same.", all_left),
        ],
    ),
    "replayed_key": Scenario(
        [_of("SBX-APPLE", 2)],
        "Ship it. Then repeat the call to the letter with its Idempotency-Key, as after an answer that was lost.",
        [
            Demand("KEY-1", "A call is repeated with its key, and gets the answer that was kept.", replayed),
            Demand("KEY-2", "It is one shipment.", one_shipment),
        ],
    ),
    "sku_only": Scenario(
        [_of("SBX-APPLE", 1), _of("SBX-APPLE", 2)],
        "Ship it naming SKUs only, in one sum: your lines know nothing of ours. We spread the units over the lines.",
        [
            Demand("SKU-1", "Packages name SKUs, not lines.", by_sku),
            Demand("SKU-2", "All lines are complete.", all_left),
        ],
    ),
    "throughout": Scenario(
        [],
        "In every scenario: answer within the terms, give a tracking number with every package, send an Idempotency-Key with every POST, "
        "ship nothing beyond what is asked for, and do not repeat what was refused for its state.",
        [
            Demand("TERMS-1", "Every request is answered within the terms.", None),
            Demand("TRACK-1", "Every package has a tracking number.", tracked),
            Demand("KEY-3", "Every POST has an Idempotency-Key.", keyed),
            Demand("ONCE-1", "Nothing leaves beyond what is asked for.", once),
            Demand("STATE-1", "A call that was answered 409 wrong_state is not repeated.", heeded),
        ],
    ),
}  # fmt: skip
DEMANDS: Mapping[str, str] = {demand.name: demand.words for s in SCENARIOS.values() for demand in s.demands}


def judged(seen: Mapping[str, Seen], within: timedelta) -> Iterator[tuple[str, str, Verdict]]:
    """(scenario, clause, verdict) of every clause."""
    whole = _together(seen.values())
    for name, scenario in SCENARIOS.items():
        for demand in scenario.demands:
            yield name, demand.name, (demand.judge or in_time(within))(seen[name] if scenario.lines else whole)


def _together(seen: Iterable[Seen]) -> Seen:
    requests: dict[str, Standing] = {}
    asked_at: dict[str, datetime] = {}
    calls: list[Call] = []
    for each in seen:
        requests |= each.requests
        asked_at |= each.asked_at
        calls += each.calls
    return Seen(requests, asked_at, sorted(calls, key=lambda call: call.id))
