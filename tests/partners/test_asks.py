"""What a warehouse was told is to be answered within its working time: what counts as told, as answered, as late, and who hears of it."""

from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from django.db import IntegrityError, transaction

from canonical import sql
from canonical.commands import KINDS
from canonical.facts import ChangeAnswered, ExecutionReported, Fact, Posted, RequestAnswered, ShipmentStated
from canonical.ledger import Cause
from canonical.models import FulfilmentRequest, System
from canonical.record import Stated
from canonical.types import Parcel, Units
from retailsync.partners import asks
from retailsync.partners.models import Ask, PartnerTerms
from retailsync.sync import clock, corridor, tasks
from retailsync.sync.models import Case, Command, Message
from tests.facts import line, order
from tests.world import World, make_world

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")
_numbers = count(1)


def at(text: str) -> datetime:
    """An instant by a clock on the wall in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.fixture
def world() -> World:
    """Mugs lie in W1, whose people work from eight to five in Berlin and answer within two hours."""
    made = make_world()
    made.stock("MUG", at="W1", then="W2")
    System.objects.filter(pk=made.partners["W1"].pk).update(timezone="Europe/Berlin")
    return made


# ---- what is told and said --------------------------------------------------------------------------------------------------
def take(world: World, kind: str, when: datetime, place: str = "W1") -> None:
    """The partner takes what waits for it, and the receipt is recorded."""
    for row in Command.objects.filter(system=world.partners[place], kind=kind, state="waiting"):
        command: Any = msgspec.convert(row.payload, KINDS[row.kind])
        posting, subject = command.posts
        Command.objects.filter(pk=row.pk).update(state="confirmed", sent_at=when)
        fact = Posted(
            occurred_at=when, kind=posting, subject_kind=subject.entity, subject_id=subject.id, order_id=row.order_id, state="sent",
        )  # fmt: skip
        world.tell(fact, source=world.partners[place])


def say(world: World, when: datetime, *facts: Fact, place: str = "W1") -> None:
    """Words of the partner that reached us then, whatever its own clock says."""
    system = world.partners[place]
    stated = []
    for fact in facts:
        number = next(_numbers)
        row = Message.objects.create(
            system=system, topic="x", dedup_key=b"%d" % number, door="partner", body=b"{}", received_at=when
        )
        stated.append(Stated(Cause("message", row.pk), fact))
    with transaction.atomic():
        corridor.advance(system.pk, stated, clock.now())


def request() -> FulfilmentRequest:
    return FulfilmentRequest.objects.order_by("id")[0]


def accepted(**more: Any) -> RequestAnswered:
    return RequestAnswered(**{"occurred_at": clock.now(), "request": request().reference, "answer": "accepted", **more})


def asked(world: World, when: datetime) -> Ask:
    """An order of two mugs, and the request for it taken."""
    world.tell(order("137", lines=(line(units=2),)))
    take(world, "RequestFulfilment", when)
    return Ask.objects.get()


def cancelled(world: World, when: datetime) -> Ask:
    """The shop cancels the order, and the partner takes the wish."""
    world.tell(order("137", 2, "cancelled", lines=(line(units=2),)))
    take(world, "ChangeRequest", when)
    return Ask.objects.get(change__isnull=False)


def answers() -> list[tuple[str, datetime | None, int | None, int | None]]:
    return [
        (a.change.kind if a.change else "request", a.answered_at, a.minutes, a.late) for a in Ask.objects.order_by("id")
    ]


# ---- told -------------------------------------------------------------------------------------------------------------------
def test_it_counts_from_when_the_partner_took_it(world: World) -> None:
    world.tell(order("137", lines=(line(units=2),)))
    assert FulfilmentRequest.objects.count() == 1 and not Ask.objects.exists(), "planned is not told"
    take(world, "RequestFulfilment", at("2026-05-05T16:00"))
    ask = Ask.objects.get()
    assert (ask.system, ask.request, ask.change) == (world.partners["W1"], request(), None)
    assert (ask.asked_at, ask.due_at) == (at("2026-05-05T16:00"), at("2026-05-06T09:00"))
    assert (ask.answered_at, ask.minutes, ask.late, ask.raised) == (None, None, None, False)


def test_told_twice_it_counts_from_the_first_time(world: World) -> None:
    asked(world, at("2026-05-05T09:00"))
    Command.objects.filter(kind="RequestFulfilment").update(state="waiting")
    take(world, "RequestFulfilment", at("2026-05-05T12:00"))
    assert Ask.objects.get().asked_at == at("2026-05-05T09:00")


def test_a_partners_own_terms_count_and_move_nothing_that_was_asked_before(world: World) -> None:
    terms = PartnerTerms.objects.create(
        system=world.partners["W1"], answer_within=30, cut_off=time(15), working_days="1234567"
    )
    assert asked(world, at("2026-05-09T15:01")).due_at == at("2026-05-10T08:30")
    PartnerTerms.objects.filter(pk=terms.pk).update(answer_within=600)
    assert Ask.objects.get().due_at == at("2026-05-10T08:30")


def test_who_is_no_partner_of_the_api_has_no_clock(world: World) -> None:
    System.objects.filter(pk=world.partners["W1"].pk).update(connector="files")
    world.tell(order("137", lines=(line(units=2),)))
    take(world, "RequestFulfilment", at("2026-05-05T09:00"))
    assert not Ask.objects.exists()


# ---- answered ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("word", ["accepted", "rejected"])
def test_the_first_answer_counts_when_it_reached_us(world: World, word: Any) -> None:
    """Its own clock says midnight; and that it thought otherwise afterwards is another matter."""
    asked(world, at("2026-05-05T09:00"))
    say(world, at("2026-05-05T10:30"), accepted(answer=word, occurred_at=at("2026-05-05T00:00")))
    assert answers() == [("request", at("2026-05-05T10:30"), 90, 0)]
    say(world, at("2026-05-05T14:00"), accepted(answer="rejected", occurred_at=at("2026-05-05T13:00")))
    assert answers() == [("request", at("2026-05-05T10:30"), 90, 0)]


def test_late_is_what_comes_after_it_was_due(world: World) -> None:
    asked(world, at("2026-05-05T16:00"))
    say(world, at("2026-05-06T09:00:30"), accepted())
    assert answers() == [("request", at("2026-05-06T09:00:30"), 121, 1)]


def test_late_by_a_minute_at_least_also_after_hours(world: World) -> None:
    asked(world, at("2026-05-05T15:00"))
    say(world, at("2026-05-05T20:00"), accepted())
    assert answers() == [("request", at("2026-05-05T20:00"), 120, 1)]


@pytest.mark.parametrize("stage", ["picking", "packed", "short"])
def test_work_answers_as_well_as_words(world: World, stage: Any) -> None:
    ask = asked(world, at("2026-05-05T09:00"))
    units = (Units(units=1, line=str(request().lines.get().line_id)),)
    fact = ExecutionReported(occurred_at=clock.now(), request=ask.request.reference, stage=stage, lines=units)
    say(world, at("2026-05-05T09:10"), fact)
    assert answers() == [("request", at("2026-05-05T09:10"), 10, 0)]


def test_a_shipment_answers_as_well_as_words(world: World) -> None:
    ask = asked(world, at("2026-05-05T09:00"))
    parcel = Parcel(lines=(Units(units=2, line=str(request().lines.get().line_id)),))
    fact = ShipmentStated(occurred_at=clock.now(), ref="S1", request=ask.request.reference, parcels=(parcel,))
    say(world, at("2026-05-05T12:00"), fact)
    assert answers() == [("request", at("2026-05-05T12:00"), 180, 60)]


def test_of_several_words_at_once_the_one_that_came_first_counts(world: World) -> None:
    ask = asked(world, at("2026-05-05T09:00"))
    picking = ExecutionReported(occurred_at=clock.now(), request=ask.request.reference, stage="picking")
    say(world, at("2026-05-05T12:00"), picking)
    assert answers()[0][1] == at("2026-05-05T12:00")
    Ask.objects.update(answered_at=None, minutes=None, late=None)
    FulfilmentRequest.objects.update(answer="submitted", execution="open")
    system = world.partners["W1"]
    rows = [
        Message.objects.create(
            system=system, topic="x", dedup_key=key, door="partner", body=b"{}", received_at=at(when)
        )
        for key, when in ((b"later", "2026-05-05T09:20"), (b"sooner", "2026-05-05T09:05"))
    ]
    with transaction.atomic():
        facts = [Stated(Cause("message", rows[0].pk), accepted()), Stated(Cause("message", rows[1].pk), picking)]
        corridor.advance(system.pk, facts, clock.now())
    assert answers()[0][1] == at("2026-05-05T09:05")


def test_an_answer_before_we_knew_that_it_was_taken_took_no_time(world: World) -> None:
    world.tell(order("137", lines=(line(units=2),)))
    say(world, at("2026-05-05T09:00"), accepted())
    assert not Ask.objects.exists()
    take(world, "RequestFulfilment", at("2026-05-05T09:01"))
    assert answers() == [("request", at("2026-05-05T09:01"), 0, 0)]


def test_a_change_has_a_clock_of_its_own(world: World) -> None:
    ask = asked(world, at("2026-05-05T09:00"))
    say(world, at("2026-05-05T09:30"), accepted())
    cancelled(world, at("2026-05-05T11:00"))
    no = ChangeAnswered(
        occurred_at=clock.now(), request=ask.request.reference, number=1, answer="rejected", reason="packed"
    )
    say(world, at("2026-05-05T13:05"), no)
    assert answers() == [
        ("request", at("2026-05-05T09:30"), 30, 0),
        ("cancel", at("2026-05-05T13:05"), 125, 5),
    ]


def test_agreeing_to_cancel_answers_for_the_request_too(world: World) -> None:
    ask = asked(world, at("2026-05-05T09:00"))
    cancelled(world, at("2026-05-05T10:00"))
    yes = ChangeAnswered(occurred_at=clock.now(), request=ask.request.reference, number=1, answer="accepted")
    say(world, at("2026-05-05T10:20"), yes)
    assert answers() == [("request", at("2026-05-05T10:20"), 80, 0), ("cancel", at("2026-05-05T10:20"), 20, 0)]


def test_what_was_overtaken_by_a_shipment_is_answered_by_it(world: World) -> None:
    ask = asked(world, at("2026-05-05T09:00"))
    cancelled(world, at("2026-05-05T10:00"))
    parcel = Parcel(lines=(Units(units=2, line=str(request().lines.get().line_id)),))
    fact = ShipmentStated(occurred_at=clock.now(), ref="S1", request=ask.request.reference, parcels=(parcel,))
    say(world, at("2026-05-05T10:45"), fact)
    assert answers() == [("request", at("2026-05-05T10:45"), 105, 0), ("cancel", at("2026-05-05T10:45"), 45, 0)]


def test_what_never_left_was_never_asked(world: World) -> None:
    world.tell(order("137", lines=(line(units=2),)))
    world.tell(order("137", 2, "cancelled", lines=(line(units=2),)))
    assert not Ask.objects.exists()


def test_the_rows_cannot_contradict_themselves(world: World) -> None:
    asked(world, at("2026-05-05T09:00"))
    for wrong in (
        {"answered_at": at("2026-05-05T09:30")},
        {"answered_at": at("2026-05-05T09:30"), "minutes": 30, "late": 3},
        {"answered_at": at("2026-05-05T12:30"), "minutes": 210, "late": 0},
        {"minutes": 5, "late": 0},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Ask.objects.update(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"working_days": ""}, {"working_days": "18"}, {"answer_within": 0}, {"answer_within": 99_999}]
)
def test_terms_nobody_could_keep_are_refused(world: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        PartnerTerms.objects.create(system=world.partners["W1"], **wrong)


# ---- overdue ----------------------------------------------------------------------------------------------------------------
def opened() -> list[tuple[str, int, str, str]]:
    rows = Case.objects.filter(closed_at=None).order_by("id")
    return [(c.reason, c.target_id, c.who, c.words) for c in rows]


def test_what_is_overdue_is_an_exception_until_it_is_answered(world: World) -> None:
    ask = asked(world, at("2026-05-05T16:00"))
    assert asks.raise_overdue(at("2026-05-06T09:00")) == 0 and opened() == []
    assert asks.raise_overdue(at("2026-05-06T09:01")) == 1
    words = (
        f"w1-one has not answered: {ask.request.reference}, the request. It took it at 2026-05-05 14:00 UTC, and the answer was due"
        " by 2026-05-06 07:00 UTC."
    )
    assert opened() == [("not_answered", ask.request_id, "partner", words)]
    case = Case.objects.get()
    assert (case.order_id, case.system, case.workflow) == (
        ask.request.order_id,
        world.partners["W1"],
        "order_to_fulfilment",
    )
    say(world, at("2026-05-06T09:30"), accepted())
    assert opened() == [] and Case.objects.get().closed_by == ""


def test_the_sweep_finds_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retailsync.sync.bell.ring", lambda task, system: None)
    asked(world, clock.now() - timedelta(days=28))
    tasks.sweep()
    tasks.sweep()
    assert [reason for reason, *_ in opened()] == ["not_answered"]


def test_one_is_open_for_a_request_however_much_of_it_is_overdue(world: World) -> None:
    ask = asked(world, at("2026-05-05T09:00"))
    cancelled(world, at("2026-05-05T10:00"))
    assert asks.raise_overdue(at("2026-05-05T13:00")) == 2
    assert [(r, t) for r, t, *_ in opened()] == [("not_answered", ask.request_id)] and "the request" in opened()[0][3]
    say(world, at("2026-05-05T13:30"), accepted())
    assert [(r, t) for r, t, *_ in opened()] == [("not_answered", ask.request_id)] and "a cancellation" in opened()[0][
        3
    ]
    no = ChangeAnswered(
        occurred_at=clock.now(), request=ask.request.reference, number=1, answer="rejected", reason="packed"
    )
    say(world, at("2026-05-05T14:00"), no)
    assert "not_answered" not in [reason for reason, *_ in opened()]


def test_whoever_closed_it_is_not_told_again(world: World) -> None:
    asked(world, at("2026-05-05T09:00"))
    asks.raise_overdue(at("2026-05-05T13:00"))
    Case.objects.update(closed_at=at("2026-05-05T13:05"), closed_by="olga")
    assert asks.raise_overdue(at("2026-05-06T13:00")) == 0 and opened() == []


def test_one_warehouse_that_does_not_answer_is_one_cause(world: World) -> None:
    for number in ("137", "138"):
        world.tell(order(number, lines=(line(units=1),)))
    take(world, "RequestFulfilment", at("2026-05-05T09:00"))
    assert asks.raise_overdue(at("2026-05-05T13:00")) == 2
    assert Case.objects.values("cause").distinct().count() == 1


def test_of_a_sandbox_nobody_is_told(world: World) -> None:
    asked(world, at("2026-05-05T09:00"))
    System.objects.filter(pk=world.partners["W1"].pk).update(sandbox_of=world.partners["W2"])
    assert asks.raise_overdue(at("2026-05-05T13:00")) == 1 and opened() == []


def test_the_sweep_looks_only_at_what_becomes_overdue(world: World) -> None:
    """By an index that holds just that, however much was ever asked."""
    asked(world, at("2026-05-05T09:00"))
    sql.fetch("ANALYZE partners_ask")
    sql.fetch("SET LOCAL enable_seqscan = off")
    inner = asks._OVERDUE.split("FROM (")[1].split(" FOR UPDATE")[0]
    plan = "\n".join(row for (row,) in sql.fetch(f"EXPLAIN {inner}", (clock.now() + timedelta(days=1), 1000)))
    assert "ask_becoming_overdue" in plan
