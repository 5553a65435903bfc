"""The merge laws one by one, where a story says more than a property: what is newer, what counts once, what is never taken back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import transaction

from canonical import ledger
from canonical.facts import ChangeAnswered, ExecutionReported, Fact, Gone, RequestAnswered, ShipmentStated, Vanished
from canonical.ledger import Cause
from canonical.models import Order
from canonical.recording.work import Known, Stated, digest, latest
from canonical.rules import money, orders
from canonical.types import Parcel, Units
from tests.canonical.test_properties import base, tell
from tests.facts import NOON, line, order, shipping, sku
from tests.world import rows

pytestmark = pytest.mark.django_db


def at(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


def same_whatever_comes_first(who: str, facts: Sequence[Fact], query: str) -> list[tuple[object, ...]]:
    """The answer to `query` after these facts one by one, and together; equal in every order."""
    found = []
    start = base()
    for told in permutations(facts):
        for batches in ([[f] for f in told], [told]):
            with transaction.atomic():
                for batch in batches:
                    tell(start.source(who), batch)
                found.append(rows(query))
                transaction.set_rollback(True)
    assert [f for f in found if f != found[0]] == []
    return found[0]


# ---- latest -----------------------------------------------------------------------------------------------------------------
def verdict(known: Known | None, *facts: Fact) -> tuple[str | None, bool]:
    stated = [Stated(Cause("message", n), f) for n, f in enumerate(facts)]
    found = latest(known, stated, {id(f): digest(f) for f in facts})  # type: ignore[arg-type]
    return found.winner.fact.note if found.winner else None, found.ask


def known(version: int, note: str, read_at: datetime | None = None) -> Known:
    return Known(1, version, read_at, digest(order(note=note)))


@pytest.mark.parametrize(
    ("before", "facts", "winner", "ask"),
    [
        (None, [order(note="a")], "a", False),
        (known(1, "a"), [order(version=2, note="b")], "b", False),
        (known(2, "a"), [order(version=1, note="b")], None, False),
        (known(1, "a"), [order(version=1, note="a")], None, False),
        (known(1, "a"), [order(version=1, note="b")], None, True),  # two pushes of one version differ: ask
        (known(1, "a"), [order(version=1, note="b", read_at=at(1))], "b", False),  # a read beats a push
        (known(1, "a", at(5)), [order(version=1, note="b", read_at=at(4))], None, False),  # an older read
        (known(1, "a", at(5)), [order(version=1, note="b", read_at=at(6))], "b", False),
        (known(1, "a", at(5)), [order(version=1, note="b")], None, True),
        (None, [order(version=3, note="c"), order(version=2, note="b")], "c", False),
    ],
)
def test_the_latest_snapshot_wins(before: Known | None, facts: list[Fact], winner: str | None, ask: bool) -> None:
    assert verdict(before, *facts) == (winner, ask)


def test_rival_pushes_of_a_new_subject_are_asked_about() -> None:
    assert verdict(None, order(note="a"), order(note="b"))[1] is True


def test_a_vanished_order_is_asked_about_and_not_touched() -> None:
    start = base()
    recorded = tell(start.source("shop"), [Vanished(occurred_at=NOON, entity="order", ref="1")])
    assert [(q.entity, q.external_id) for q in recorded.questions] == [("order", "1")]
    assert recorded.entries == []


def test_an_order_that_came_back_is_not_gone() -> None:
    """Read as gone at one second, read again as there at five: there it is, whichever is heard first."""
    gone = Gone(entity="order", ref="1", version=0, occurred_at=at(1), read_at=at(1))
    back = order("1", version=9, note="back", read_at=at(5))
    found = same_whatever_comes_first(
        "shop", [gone, back], "SELECT gone_at FROM canonical_order WHERE external_id = '1'"
    )
    assert found == [(None,)]


def test_a_sku_that_is_only_renamed_gets_its_new_code() -> None:
    found = same_whatever_comes_first(
        "shop",
        [sku("JAR", ref="v-1", version=1), sku("jar", ref="v-1", version=2)],
        "SELECT code FROM canonical_sku",
    )
    assert found == [("jar",)]


# ---- decisions of warehouses ------------------------------------------------------------------------------------------------
def test_the_latest_answer_stands() -> None:
    facts = [
        RequestAnswered(occurred_at=at(n), request="R1", answer=a, reason=str(n))
        for n, a in ((1, "accepted"), (2, "rejected"))
    ]
    query = "SELECT answer, reason, answered_at FROM canonical_fulfilmentrequest WHERE reference = 'R1'"
    assert same_whatever_comes_first("W1", facts, query) == [("rejected", "2", at(2))]


def test_at_one_instant_a_rejection_is_the_safer_answer() -> None:
    facts = [RequestAnswered(occurred_at=NOON, request="R1", answer=a) for a in ("accepted", "rejected")]
    query = "SELECT answer FROM canonical_fulfilmentrequest WHERE reference = 'R1'"
    assert same_whatever_comes_first("W1", facts, query) == [("rejected",)]


def test_work_only_goes_forward() -> None:
    facts = [
        ExecutionReported(occurred_at=at(n), request="R1", stage=s)
        for n, s in enumerate(("picking", "picked", "packed"))
    ]
    query = "SELECT execution FROM canonical_fulfilmentrequest WHERE reference = 'R1'"
    assert same_whatever_comes_first("W1", facts, query) == [("packed",)]


def test_two_shortages_are_both_counted() -> None:
    """The second report changes no stage, only units; the line's counters follow all the same."""
    start = base()
    first, second, _ = [id for (o, _), id in sorted(start.lines.items()) if o == "1"]
    for moment, id in ((1, first), (2, second)):
        units = (Units(line=str(id), units=1),)
        tell(start.source("W1"), [ExecutionReported(occurred_at=at(moment), request="R1", stage="short", lines=units)])
    assert rows("SELECT routed FROM canonical_orderline WHERE id IN (%s, %s)", first, second) == [(2,), (2,)]


def test_the_reason_of_an_answer_and_of_a_shortage_do_not_erase_each_other() -> None:
    facts = [
        RequestAnswered(occurred_at=at(1), request="R1", answer="accepted"),
        ExecutionReported(occurred_at=at(2), request="R1", stage="short", reason="water damage"),
    ]
    query = "SELECT reason, short_reason FROM canonical_fulfilmentrequest WHERE reference = 'R1'"
    assert same_whatever_comes_first("W1", facts, query) == [("", "water damage")]


# ---- sets -------------------------------------------------------------------------------------------------------------------
def test_a_shipment_said_twice_counts_once() -> None:
    start = base()
    id = start.lines["1", "1"]
    box = Parcel(tracking="T", lines=(Units(line=str(id), units=2),))
    fact = ShipmentStated(occurred_at=NOON, ref="S", request="R1", parcels=(box,))
    tell(start.source("W1"), [fact, fact])
    assert tell(start.source("W1"), [fact]).entries == []
    assert rows("SELECT shipped FROM canonical_orderline WHERE id = %s", id) == [(2,)]


def test_one_shipment_with_two_contents_is_a_question_for_a_person() -> None:
    start = base()
    id = start.lines["1", "1"]
    facts = [
        ShipmentStated(
            occurred_at=NOON, ref="S", request="R1", parcels=(Parcel(lines=(Units(line=str(id), units=n),)),)
        )
        for n in (1, 2)
    ]
    recorded = tell(start.source("W1"), facts)
    assert len(recorded.conflicts) == 1
    assert rows("SELECT count(*) FROM canonical_shipment") == [(1,)]


def test_a_word_about_an_unknown_request_is_missing_and_harms_nobody() -> None:
    start = base()
    facts = [RequestAnswered(occurred_at=NOON, request=r, answer="accepted") for r in ("R1", "R9")]
    recorded = tell(start.source("W1"), facts)
    assert list(recorded.missing.values()) == ["fulfilment_request:R9"]
    assert rows("SELECT answer FROM canonical_fulfilmentrequest WHERE reference = 'R1'") == [("accepted",)]


def test_a_partner_speaks_of_its_own_requests_only() -> None:
    start = base()
    fact = RequestAnswered(occurred_at=NOON, request="R1", answer="rejected")
    assert list(tell(start.source("W2"), [fact]).missing.values()) == ["fulfilment_request:R1"]
    assert rows("SELECT DISTINCT answer FROM canonical_fulfilmentrequest") == [("unsubmitted",)]


# ---- the ledger -------------------------------------------------------------------------------------------------------------
def test_every_instant_can_be_asked_for() -> None:
    start = base()
    id = Order.objects.get(external_id="1").pk
    for version, status in ((1, "on_hold"), (2, "processing")):
        tell(start.source("shop"), [order("1", version=version, status=status)])
    entries = ledger.history("order", id)
    assert [e.version for e in entries] == list(range(1, len(entries) + 1))
    for entry in entries:
        assert ledger.as_of("order", id, entry.recorded_at) == entry.state
    assert ledger.as_of("order", id, entries[0].recorded_at - timedelta(microseconds=1)) is None
    assert [e.state["shop_status"] for e in entries][-1] == "processing"


def test_the_ledger_holds_no_names_and_no_addresses() -> None:
    start = base()
    tell(start.source("shop"), [order("1", version=4, note="call Testa")])
    assert rows("SELECT count(*) FROM canonical_entry WHERE state::text ~* 'testa|straat|utrecht|example'") == [(0,)]


# ---- money and routing, without a database ----------------------------------------------------------------------------------
def D(text: str) -> money.Decimal:
    return money.Decimal(text)


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1.005", "EUR", "1.01"),
        ("1.004", "EUR", "1.00"),
        ("-1.005", "EUR", "-1.01"),
        ("1234.5", "JPY", "1235"),
        ("0.0005", "KWD", "0.001"),
    ],
)
def test_amounts_are_rounded_half_up_in_the_currency_s_own_unit(amount: str, currency: str, expected: str) -> None:
    assert money.rounded(D(amount), currency) == D(expected)


def test_the_tolerance_grows_with_the_order_and_ends() -> None:
    assert money.tolerance("EUR", []) == D("0.01")
    assert money.tolerance("EUR", [line(units=2)]) == D("0.03")
    assert money.tolerance("EUR", [line(units=1000)]) == D("0.50")
    assert money.tolerance("JPY", [line(units=2)]) == D("3")


@pytest.mark.parametrize(
    ("total", "expected"), [("30.99", "0.00"), ("31.02", "0.03"), ("30.96", "-0.03"), ("31.03", None), ("40", None)]
)
def test_a_difference_is_rounding_within_the_tolerance_only(total: str, expected: str | None) -> None:
    assert money.parts_total([line()], [shipping()]) == D("30.99")
    assert money.rounding(D(total), [line()], [shipping()], "EUR") == (None if expected is None else D(expected))


@pytest.mark.parametrize(
    ("lines", "complete"),
    [
        ([], True),
        ([(2, 0, 2)], True),
        ([(2, 1, 1)], True),
        ([(2, 0, 1)], False),
        ([(2, 0, 3)], True),
        ([(1, 0, 1), (1, 0, 0)], False),
    ],
)
def test_an_order_is_complete_when_every_unit_shipped_or_was_cancelled(
    lines: list[tuple[int, int, int]], complete: bool
) -> None:
    assert orders.complete(lines) is complete


# ---- changes of requests ----------------------------------------------------------------------------------------------------
REQUEST = (
    "SELECT answer, execution, (SELECT sum(shipped) FROM canonical_requestline l WHERE l.request_id = r.id)"
    " FROM canonical_fulfilmentrequest r"
)


def agreed(request: str, answer: Any = "accepted") -> ChangeAnswered:
    return ChangeAnswered(occurred_at=at(2), request=request, number=1, answer=answer)


def test_work_that_is_reported_after_a_cancellation_is_no_news() -> None:
    """Without `cancelled` in _STAGES such a report was our own fault."""
    facts = [agreed("R2"), ExecutionReported(occurred_at=at(1), request="R2", stage="picking")]
    assert same_whatever_comes_first("W1", facts, f"{REQUEST} WHERE reference = 'R2'") == [("closed", "cancelled", 0)]


def test_a_shipment_and_an_agreed_cancellation_are_both_known() -> None:
    """Without the warehouse's own word over "overtaken" the units agreed to depended on what was heard first."""
    facts = [agreed("R2"), whole("R2")]
    assert same_whatever_comes_first("W1", facts, f"{REQUEST} WHERE reference = 'R2'") == [("closed", "shipped", 9)]


def test_an_agreed_amendment_closes_a_request_of_which_all_that_is_left_has_shipped() -> None:
    parcel = Parcel(tracking="T", lines=tuple(Units(sku=code, units=2) for code in ("MUG", "JAR", "PEN")))
    facts = [agreed("R1"), ShipmentStated(occurred_at=at(1), ref="S", request="R1", parcels=(parcel,))]
    assert same_whatever_comes_first("W1", facts, f"{REQUEST} WHERE reference = 'R1'") == [("closed", "shipped", 6)]


def test_a_request_that_was_closed_stays_closed() -> None:
    facts = [agreed("R2"), RequestAnswered(occurred_at=at(1), request="R2", answer="accepted")]
    assert same_whatever_comes_first("W1", facts, f"{REQUEST} WHERE reference = 'R2'") == [("closed", "cancelled", 0)]


def whole(request: str) -> ShipmentStated:
    parcel = Parcel(tracking="T", lines=tuple(Units(sku=code, units=3) for code in ("MUG", "JAR", "PEN")))
    return ShipmentStated(occurred_at=at(1), ref="S", request=request, parcels=(parcel,))


def test_of_two_answers_that_contradict_each_other_the_first_stands() -> None:
    """The one exception to "in any order": whichever comes second is a question for a person."""
    start = base()
    tell(start.source("W1"), [agreed("R2")])
    assert list(tell(start.source("W1"), [agreed("R2", "rejected")]).conflicts.values()) == [
        "The warehouse accepted change 1 of request R2 before, and now says rejected."
    ]
    assert rows("SELECT answer FROM canonical_requestchange WHERE answer <> 'asked'") == [("accepted",)]
