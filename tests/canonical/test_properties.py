"""The same facts give the same state: in any order, any number of times, in any batches (promise 3), and every version is explained (7)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canonical.facts import ExecutionReported, Fact, RequestAnswered, RequestRaised, ShipmentStated
from canonical.ledger import SUBJECTS, Cause
from canonical.record import Recorded, Stated, record
from canonical.types import Parcel as Box
from canonical.types import PaymentStatement, Units
from tests.facts import NOON, line, order, sku
from tests.world import World, make_world, rows

pytestmark = pytest.mark.django_db

steady = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
CODES = ("MUG", "JAR", "PEN")
STATUSES = ("pending", "processing", "on_hold", "completed", "cancelled")
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
    """Two orders that are known and requested from W1, so that every fact about them can be recorded; a third is not known yet."""

    world: World
    lines: dict[tuple[str, str], int]  # (order, line) → our id

    def source(self, who: str) -> int:
        return self.world.partners.get(who, self.world.shop).pk


def base() -> Base:
    world = make_world()
    tell(world.shop.pk, [snapshot(ref, 0, 0, "pending", (1, 2, 3)) for ref in ("1", "2")])
    found = {(o, ref): id for o, ref, id in rows(
        "SELECT o.external_id, l.external_id, l.id FROM canonical_orderline l JOIN canonical_order o ON o.id = l.order_id")}  # fmt: skip
    for ref, id in rows("SELECT external_id, id FROM canonical_order"):
        tell(0, [RequestRaised(
            occurred_at=NOON, order_id=id, reference=f"R{ref}", location_id=world.places["W1"].pk, system_id=world.partners["W1"].pk,
            lines=tuple((line_id, 3) for (o, _), line_id in sorted(found.items()) if o == ref),
        )])  # fmt: skip
    return Base(world, found)


def tell(source: int, facts: Sequence[Fact], now: datetime = NOON) -> Recorded:
    return record(source, [Stated(Cause("message", n), fact) for n, fact in enumerate(facts, 1)], now)


# ---- facts ------------------------------------------------------------------------------------------------------------------
def snapshot(ref: str, version: int, note: int, status: str, units: Sequence[int]) -> Fact:
    """An order of up to three lines; paid from version 2 on, as payments are not taken back."""
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
    return order(ref, version, status, lines=lines, note=str(note), payment=paid)


@st.composite
def snapshots(draw: st.DrawFn, ref: str) -> list[Told]:
    """Snapshots with different versions: two of one version that differ cannot be ordered, and ask the shop."""
    versions = draw(st.lists(st.integers(1, 6), unique=True, max_size=4))
    units = st.tuples(*[st.integers(0, 3)] * 3)
    return [
        ("shop", snapshot(ref, v, draw(st.integers(0, 2)), draw(st.sampled_from(STATUSES)), draw(units)))
        for v in versions
    ]  # fmt: skip


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
    for ref in ("1", "2"):
        mine = [id for (o, _), id in sorted(lines.items()) if o == ref]
        for strategy in (snapshots(ref), answers(ref), reports(ref, mine), shipments(ref, mine)):
            told += draw(strategy)
    told += draw(snapshots("3"))
    for code in CODES:
        told += draw(products(code))
    return told


def disorder(draw: Any, told: list[Told]) -> list[list[Told]]:
    """The same, shuffled, partly repeated, cut into batches."""
    again = draw(st.lists(st.sampled_from(told), max_size=6)) if told else []
    mixed = draw(st.permutations(told + again))
    cuts = sorted(draw(st.lists(st.integers(0, len(mixed)), max_size=5)))
    return [mixed[a:b] for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True) if a < b]


# ---- the state, without ids and clocks of ours ------------------------------------------------------------------------------
STATE = {
    "order": """SELECT o.external_id, o.stage, o.shop_status, o.total, o.note, c.key, o.released_at, o.gone_at
        FROM canonical_order o JOIN canonical_customer c ON c.id = o.customer_id""",
    # a line that was stated once, dropped since and never routed means nothing: it may be there or not
    "line": """SELECT o.external_id, l.external_id, s.gtin IS NOT NULL, l.sku_text, l.ordered, l.cancelled, l.routed, l.allocated, l.picked,
        l.shipped, l.total, l.requires_shipping FROM canonical_orderline l JOIN canonical_order o ON o.id = l.order_id
        LEFT JOIN canonical_sku s ON s.id = l.sku_id WHERE l.ordered > 0""",
    "unstated": """SELECT o.external_id, l.external_id, l.routed, l.allocated, l.picked, l.shipped FROM canonical_orderline l
        JOIN canonical_order o ON o.id = l.order_id WHERE l.ordered = 0 AND l.routed + l.shipped > 0""",
    "charge": "SELECT o.external_id, c.kind, c.external_id, c.total FROM canonical_charge c JOIN canonical_order o ON o.id = c.order_id",
    "payment": """SELECT o.external_id, p.method, p.transaction_id, p.amount, p.paid_at FROM canonical_payment p
        JOIN canonical_order o ON o.id = p.order_id""",
    "request": "SELECT reference, answer, execution, partner_ref, answered_at FROM canonical_fulfilmentrequest",
    "reason": "SELECT reference, reason, short_reason, short_at FROM canonical_fulfilmentrequest",
    "units": """SELECT r.reference, l.external_id, q.units, q.short, q.shipped FROM canonical_requestline q
        JOIN canonical_fulfilmentrequest r ON r.id = q.request_id JOIN canonical_orderline l ON l.id = q.line_id""",
    "shipment": """SELECT s.external_id, s.carrier, s.shipped_at, p.position, p.tracking, l.external_id, q.units FROM canonical_shipment s
        JOIN canonical_package p ON p.shipment_id = s.id JOIN canonical_packageline q ON q.package_id = p.id
        JOIN canonical_orderline l ON l.id = q.line_id""",
    "sku": "SELECT code, name, gtin, active, requires_shipping FROM canonical_sku",
    "link": "SELECT entity, external_id, version, read_at, digest::text FROM canonical_link",
}  # fmt: skip


def state(*without: str) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(rows(query), key=repr) for name, query in STATE.items() if name not in without}


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
    """The state after these batches; each source's facts of a batch are recorded together, as the inbox does."""
    with transaction.atomic():
        for batch in batches:
            for who in sorted({who for who, _ in batch}):
                recorded = tell(start.source(who), [fact for w, fact in batch if w == who])
                assert recorded.missing == {}
                assert recorded.conflicts == {}
        explained()
        found = state(*without)
        transaction.set_rollback(True)
    return found


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
