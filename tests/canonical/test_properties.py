"""The same facts give the same state: in any order, any number of times, in any batches (promise 3), and every version is explained (7)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from canonical.facts import (
    ChangeAnswered,
    ChangeRaised,
    ExecutionReported,
    Fact,
    Gone,
    RangeListed,
    RefundStated,
    RequestAnswered,
    RequestRaised,
    ShipmentStated,
    TrackingStated,
    Vanished,
)
from canonical.ledger import SUBJECTS, Cause
from canonical.record import Recorded, Stated, record
from canonical.types import ChangeKind, Listed, PaymentStatement, RefundedLine, RefundMention, Tender, Tracked, Units
from canonical.types import Parcel as Box
from tests.facts import NOON, line, order, sku
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db

steady = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # a story is short enough to read; to shrink it takes minutes
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
CODES = ("MUG", "JAR", "PEN")
STATUSES = ("pending", "processing", "on_hold", "completed", "cancelled", "trashed", "failed", "refunded", "unknown")
#: What W1 is asked to change of each request: units of every line as they should be.
ASKED: dict[str, tuple[ChangeKind, int]] = {"1": ("amend", 2), "2": ("cancel", 0), "4": ("hold", 3)}
Told = tuple[str, Fact]  # who says it (shop, W1), and what


# ---- a small world that is forgotten again ----------------------------------------------------------------------------------
class _Forget(Exception):
    """Ends an example."""


@contextmanager
def forgotten() -> Iterator[None]:
    """Whatever is recorded inside is rolled back: one example costs no clean-up."""
    try:
        with transaction.atomic():
            yield
            raise _Forget
    except _Forget:
        pass


@dataclass
class Base:
    """Three orders that are known, requested from W1, and asked to be changed, so that every fact about them can be recorded; a fourth
    (number 3) is not known yet."""

    world: World
    lines: dict[tuple[str, str], int]  # (order, line) → our id

    def source(self, who: str) -> int:
        return self.world.partners.get(who, self.world.shop).pk


def base() -> Base:
    world = make_world()
    tell(world.shop.pk, [snapshot(ref, 0, 0, "pending", (1, 2, 3)) for ref in ASKED])
    found = {(o, ref): id for o, ref, id in rows(
        "SELECT o.external_id, l.external_id, l.id FROM canonical_orderline l JOIN canonical_order o ON o.id = l.order_id")}  # fmt: skip
    for ref, id in rows("SELECT external_id, id FROM canonical_order ORDER BY id"):
        tell(0, [RequestRaised(
            occurred_at=NOON, order_id=id, reference=f"R{ref}", location_id=world.places["W1"].pk, system_id=world.partners["W1"].pk,
            lines=tuple((line_id, 3) for (o, _), line_id in sorted(found.items()) if o == ref),
        )])  # fmt: skip
    for request, order_id, ref in rows(
        "SELECT r.id, r.order_id, o.external_id FROM canonical_fulfilmentrequest r JOIN canonical_order o ON o.id = r.order_id"
    ):
        kind, units = ASKED[ref]
        mine = tuple((line_id, units) for (o, _), line_id in sorted(found.items()) if o == ref)
        tell(0, [ChangeRaised(
            occurred_at=NOON, order_id=order_id, request_id=request, number=1, kind=kind, lines=mine)])  # fmt: skip
    return Base(world, found)


def tell(source: int, facts: Sequence[Fact], now: datetime = NOON) -> Recorded:
    return record(source, [Stated(Cause("message", n), fact) for n, fact in enumerate(facts, 1)], now)


# ---- facts ------------------------------------------------------------------------------------------------------------------
def snapshot(
    ref: str, version: int, note: int, status: Any, units: Sequence[int], refunds: Sequence[int] = (), card: int = 0
) -> Fact:
    """An order of up to three lines; paid from version 2 on, as payments are not taken back. It names those of its `refunds` that were
    made before it, as a shop does; a gift card pays `card` of it."""
    lines = tuple(
        line(str(n), code, units=count, total=f"{count}.00", tax="0")
        for n, (code, count) in enumerate(zip(CODES, units, strict=True), 1)
        if count
    )
    paid = (
        PaymentStatement(method="ideal", transaction_id=f"tr_{ref}", paid_at=NOON)
        if version >= 2
        else PaymentStatement()
    )
    named = tuple(RefundMention(ref=f"R{ref}-{second}", amount=Decimal(1)) for second in refunds if second < version)
    tenders = (Tender(kind="gift_card", ref="card", amount=Decimal(card)),) if card else ()
    return order(
        ref, version, status, lines=lines, note=str(note), payment=paid, refunds=named, tenders=tenders,
        status_text="odd" if status == "unknown" else status,
    )  # fmt: skip


@st.composite
def snapshots(draw: st.DrawFn, ref: str, refunds: Sequence[int] = (), after: int = 0) -> list[Told]:
    """Snapshots with different versions: two of one version that differ cannot be ordered, and ask the shop."""
    versions = draw(st.lists(st.integers(after + 1, after + 6), unique=True, max_size=4))
    units = st.tuples(*[st.integers(0, 3)] * 3)
    told: list[Told] = []
    for v in versions:
        note, status, card = draw(st.integers(0, 2)), draw(st.sampled_from(STATUSES)), draw(st.integers(0, 1))
        told.append(("shop", snapshot(ref, v, note, status, draw(units), refunds, card)))
    return told


@st.composite
def refunds(draw: st.DrawFn, ref: str, seconds: Sequence[int]) -> list[Told]:
    """Refunds of lines the order always had, made at these seconds."""
    told: list[Told] = []
    for second in seconds:
        lines = draw(st.lists(st.tuples(st.sampled_from("123"), st.integers(0, 2)), max_size=2))
        money = tuple(RefundedLine(line=x, units=n, total=Decimal(n), tax=Decimal("0.5")) for x, n in lines)
        told.append(
            (
                "shop",
                RefundStated(
                    occurred_at=at(second), ref=f"R{ref}-{second}", order_ref=ref, amount=Decimal(1), lines=money
                ),
            )
        )
    return told


@st.composite
def sold(draw: st.DrawFn, ref: str) -> list[Told]:
    """What the shop says of one known order: its refunds and its snapshots, perhaps that it is gone; then only what is newer counts.

    A deletion says nothing of the content before it: what was not heard by then is not known, so nothing older is told beside it.
    """
    seconds = draw(st.lists(st.integers(1, 6), unique=True, max_size=2))
    told: list[Told] = draw(refunds(ref, seconds))
    gone = draw(st.sampled_from([0, 0, 8]))
    if gone:
        read = {"version": gone, "read_at": at(gone), "occurred_at": at(gone)}
        told.append(("shop", Gone(ref=ref, entity="order", **read)))
    return told + draw(snapshots(ref, seconds, gone))


@st.composite
def changes(draw: st.DrawFn, ref: str) -> list[Told]:
    """One answer to the change that was asked for; two that contradict each other are a case of their own."""
    return [
        ("W1", ChangeAnswered(occurred_at=at(m), request=f"R{ref}", number=1, answer=word, reason="so"))
        for m in draw(st.lists(st.integers(1, 9), max_size=1))
        for word in (draw(st.sampled_from(["accepted", "rejected"])),)
    ]


@st.composite
def listings(draw: st.DrawFn) -> list[Told]:
    """A sweep, and words that only make us ask: they change nothing."""
    listed = tuple(
        Listed(ref=r, status_text=draw(st.sampled_from(STATUSES))) for r in draw(st.sets(st.sampled_from("12345")))
    )
    sweep = RangeListed(occurred_at=NOON, entity="order", first=1, last=5, listed=listed)
    return [("shop", sweep), ("shop", Vanished(occurred_at=NOON, entity="order", ref=draw(st.sampled_from("123"))))]


def at(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


@st.composite
def answers(draw: st.DrawFn, ref: str) -> list[Told]:
    moments = draw(st.lists(st.integers(1, 9), unique=True, max_size=2))
    answer = st.sampled_from(["accepted", "rejected"])
    return [
        ("W1", RequestAnswered(occurred_at=at(m), request=f"R{ref}", answer=draw(answer), reason=f"because {m}"))
        for m in moments
    ]


@st.composite
def reports(draw: st.DrawFn, ref: str, mine: Sequence[int]) -> list[Told]:
    moments = draw(st.lists(st.integers(1, 9), unique=True, max_size=3))
    told: list[Told] = []
    for moment in moments:
        stage = draw(st.sampled_from(["picking", "picked", "packed", "short"]))
        short = draw(
            st.lists(
                st.tuples(st.sampled_from(mine), st.integers(1, 2)), min_size=1, max_size=2, unique_by=lambda u: u[0]
            )
        )
        lines = tuple(Units(line=str(id), units=n) for id, n in short) if stage == "short" else ()
        told.append(
            (
                "W1",
                ExecutionReported(
                    occurred_at=at(moment), request=f"R{ref}", stage=stage, lines=lines, reason=f"as {moment}"
                ),
            )
        )
    return told


@st.composite
def shipments(draw: st.DrawFn, ref: str, mine: Sequence[int]) -> list[Told]:
    told: list[Told] = []
    for n in range(draw(st.integers(0, 3))):
        units = draw(
            st.lists(
                st.tuples(st.sampled_from(mine), st.integers(1, 3)), min_size=1, max_size=3, unique_by=lambda u: u[0]
            )
        )
        box = Box(tracking=f"T{ref}-{n}", lines=tuple(Units(line=str(id), units=count) for id, count in units))
        told.append(
            (
                "W1",
                ShipmentStated(
                    ref=f"S{ref}-{n}",
                    occurred_at=at(draw(st.integers(1, 9))),
                    request=f"R{ref}",
                    carrier="dhl",
                    parcels=(box,),
                ),
            )
        )
        told += draw(trackings(ref, f"S{ref}-{n}"))
    return told


@st.composite
def trackings(draw: st.DrawFn, ref: str, shipment: str) -> list[Told]:
    """Numbers said later, also twice at one instant."""
    told: list[Told] = []
    for moment in draw(st.lists(st.integers(1, 9), max_size=2)):
        number = Tracked(package=1, tracking=draw(st.sampled_from(["é1", "L2", "l3"])))
        carrier = draw(st.sampled_from(["", "dhl", "Ups"]))
        told.append(
            (
                "W1",
                TrackingStated(
                    occurred_at=at(moment), ref=shipment, request=f"R{ref}", packages=(number,), carrier=carrier
                ),
            )
        )
    return told


@st.composite
def products(draw: st.DrawFn, code: str) -> list[Told]:
    """A product that appears late, is described anew, and may get another SKU."""
    told: list[Told] = []
    for version in draw(st.lists(st.integers(1, 4), unique=True, max_size=3)):
        shown = draw(st.sampled_from([code, f"{code}-NEW"]))
        fact = sku(shown, ref=f"v-{code}", version=version, active=draw(st.booleans()))
        told.append(("shop", fact))
    return told


@st.composite
def stories(draw: st.DrawFn, lines: dict[tuple[str, str], int]) -> list[Told]:
    """Everything anybody ever says."""
    told: list[Told] = []
    for ref in ASKED:
        mine = [id for (o, _), id in sorted(lines.items()) if o == ref]
        for strategy in (sold(ref), answers(ref), changes(ref), reports(ref, mine), shipments(ref, mine)):
            told += draw(strategy)
    told += draw(snapshots("3"))
    told += draw(listings())
    for code in CODES:
        told += draw(products(code))
    return told


def disorder(draw: Any, told: list[Told]) -> list[list[Told]]:
    """The same, shuffled, partly repeated, cut into batches."""
    again = draw(st.lists(st.sampled_from(told), max_size=6)) if told else []
    mixed = draw(st.permutations(told + again))
    cuts = sorted(draw(st.lists(st.integers(0, len(mixed)), max_size=5)))
    return [mixed[a:b] for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True) if a < b]


# ---- the state: whole rows, but for ids and clocks of ours ------------------------------------------------------------------
class Rows(NamedTuple):
    """How rows of one table are compared: whole, `without` some columns, with `names` (SQL) where a column holds one of our ids."""

    table: str
    without: Sequence[str] = ()
    names: str = ""
    where: str = "true"
    join: str = ""


#: Columns that hold ids and clocks of ours. Our ids differ from run to run: names stand for them.
OURS = (
    "id",
    "ledger_version",
    "created_at",
    "order_id",
    "line_id",
    "request_id",
    "shipment_id",
    "package_id",
    "customer_id",
)
_OF_ORDER = "JOIN canonical_order o ON o.id = t.order_id"
STATE = {
    # restated_at: when we last heard something new, for plans only. Addresses are compared by content.
    "order": Rows(
        "order", ("restated_at", "billing_id", "shipping_id"), "c.key, b.content, s.content",
        join="JOIN canonical_customer c ON c.id = t.customer_id JOIN canonical_address b ON b.id = t.billing_id"
        " JOIN canonical_address s ON s.id = t.shipping_id",
    ),
    # a line that was stated once, dropped since and never routed, shipped or refunded means nothing: it may be there or not
    "line": Rows(
        "orderline", ("sku_id",), "o.external_id, k.code", where="t.ordered > 0",
        join=f"{_OF_ORDER} LEFT JOIN canonical_sku k ON k.id = t.sku_id",
    ),
    # of a dropped line its last words depend on which statement named it last of those heard
    "dropped": Rows(
        "orderline", ("sku_id", "sku_text", "variant_ref", "name", "requires_shipping"), "o.external_id",
        where="t.ordered = 0 AND t.routed + t.shipped + t.refunded > 0", join=_OF_ORDER,
    ),
    "charge": Rows("charge", (), "o.external_id", join=_OF_ORDER),
    # a tender that was stated once and is not any more is worth nothing: it may be there or not
    "payment": Rows("payment", (), "o.external_id", where="t.amount <> 0", join=_OF_ORDER),
    "refund": Rows("refund", (), "o.external_id", join=_OF_ORDER),
    "refund line": Rows(
        "refundline", ("refund_id",), "r.external_id, l.external_id",
        join="JOIN canonical_refund r ON r.id = t.refund_id JOIN canonical_orderline l ON l.id = t.line_id",
    ),
    # executed_at: when the stage was reported that is furthest; one that was overtaken may have been told or not
    # answered_at: of a request both sides ended, which of its answers were heard before that says nothing
    "request": Rows("fulfilmentrequest", ("ship_to_id", "reason", "short_reason", "short_at", "executed_at", "answered_at")),
    "answer": Rows("fulfilmentrequest", ("ship_to_id", "reason", "short_reason", "short_at", "executed_at"), where="t.answer <> 'closed'"),
    "reason": Rows("fulfilmentrequest", ("ship_to_id", "executed_at")),
    # a change nobody answered: overtaken once its request was over, and it stays so where a later answer revives the request
    "change": Rows("requestchange", ("ship_to_id",), "r.reference", "t.answer IN ('accepted', 'rejected')",
                   "JOIN canonical_fulfilmentrequest r ON r.id = t.request_id"),
    "units": Rows(
        "requestline", (), "r.reference, l.external_id",
        join="JOIN canonical_fulfilmentrequest r ON r.id = t.request_id JOIN canonical_orderline l ON l.id = t.line_id",
    ),
    "shipment": Rows("shipment", (), "r.reference", join="JOIN canonical_fulfilmentrequest r ON r.id = t.request_id"),
    "package": Rows("package", (), "s.external_id", join="JOIN canonical_shipment s ON s.id = t.shipment_id"),
    "packed": Rows(
        "packageline", (), "s.external_id, p.position, l.external_id",
        join="JOIN canonical_package p ON p.id = t.package_id JOIN canonical_shipment s ON s.id = p.shipment_id"
        " JOIN canonical_orderline l ON l.id = t.line_id",
    ),
    "sku": Rows("sku"),
    "customer": Rows("customer"),
    "link": Rows("link", ("our_id",)),
}  # fmt: skip


def state(*without: str) -> dict[str, list[tuple[Any, ...]]]:
    return {name: _told(what) for name, what in STATE.items() if name not in without}


def _told(what: Rows) -> list[tuple[Any, ...]]:
    columns = sorted({*OURS, *what.without})
    names = f", {what.names}" if what.names else ""
    query = (
        f"SELECT (to_jsonb(t) - %s::text[])::text{names} FROM canonical_{what.table} t {what.join} WHERE {what.where}"
    )
    return sorted(rows(query, columns), key=repr)


def explained() -> None:
    """Versions run 1..n, and the last after-image of every subject is its row (a SKU a test made by hand has none)."""
    assert (
        rows(
            "SELECT subject_kind, subject_id FROM canonical_entry GROUP BY 1, 2 HAVING max(version) <> count(*) OR min(version) <> 1"
        )
        == []
    )
    for kind, subject in SUBJECTS.items():
        wrong = rows(
            f"""SELECT t.id, t.ledger_version, e.version, e.state, {subject.after_image} FROM {subject.table} t
                LEFT JOIN canonical_entry e ON e.subject_kind = %s AND e.subject_id = t.id AND e.version = t.ledger_version
                WHERE t.ledger_version > 0 AND e.state IS DISTINCT FROM {subject.after_image}""",
            kind,
        )
        assert wrong == [], kind


def after(start: Base, batches: Sequence[Sequence[Told]], *without: str) -> dict[str, list[tuple[Any, ...]]]:
    """The state after these batches; each source's facts of a batch are recorded together, as the inbox does. Words about a shipment that
    is not known yet wait for it."""
    with transaction.atomic():
        waiting = [told for batch in batches for told in told_together(start, batch)]
        assert all(isinstance(fact, TrackingStated) for _, fact in waiting)
        assert told_together(start, waiting) == []
        explained()
        found = state(*without)
        transaction.set_rollback(True)
    return found


def told_together(start: Base, batch: Sequence[Told]) -> list[Told]:
    """Tell one batch; returns what has to wait."""
    waiting: list[Told] = []
    for who in sorted({who for who, _ in batch}):
        said = [fact for w, fact in batch if w == who]
        recorded = tell(start.source(who), said)
        assert recorded.conflicts == {}
        waiting += [(who, said[cause.id - 1]) for cause in sorted(recorded.missing)]
    return waiting


@steady
@given(data=st.data())
def test_any_order_any_repetition_any_batches(data: st.DataObject) -> None:
    with forgotten():
        start = base()
        told = data.draw(stories(start.lines))
        one_by_one = after(start, [[t] for t in told], "reason")
        assert after(start, disorder(data.draw, told), "reason") == one_by_one


@steady
@given(data=st.data())
def test_saying_everything_again_writes_nothing(data: st.DataObject) -> None:
    """A fact already true yields no entry: no echo can start."""
    with forgotten():
        start = base()
        told = data.draw(stories(start.lines))
        for who, fact in told:
            tell(start.source(who), [fact])
        before = state(), rows("SELECT count(*) FROM canonical_entry")
        for batch in disorder(data.draw, told):
            for who, fact in batch:
                assert tell(start.source(who), [fact]).entries == []
        assert (state(), rows("SELECT count(*) FROM canonical_entry")) == before
