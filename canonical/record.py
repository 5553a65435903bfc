"""The only door into canonical state: facts in, ledger entries out, set-wise. Knows no wire format and sends nothing."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from canonical import facts, sql
from canonical.facts import Fact
from canonical.ledger import Written
from canonical.recording import (
    bookings,
    catalog,
    changes,
    decisions,
    derived,
    fulfilment,
    inbound,
    listings,
    orders,
    parties,
    refunds,
    returns,
    shipto,
    stock,
    tracking,
)
from canonical.recording.work import Recorded, Stated

__all__ = ["Recorded", "Stated", "record"]

_Recorder = Callable[[int, Sequence[Stated], Recorded], Sequence[int] | None]


def _ours(recorder: Callable[[Sequence[Stated], Recorded], Sequence[int]]) -> _Recorder:
    return lambda _, stated, recorded: recorder(stated, recorded)


def _gone(source: int, stated: Sequence[Stated], recorded: Recorded) -> list[int]:
    listings.gone(source, stated, recorded)
    return orders.gone(source, stated, recorded) + refunds.gone(source, stated, recorded)


#: What records each kind of fact, in the order they are applied: what others refer to comes first, and every transaction locks in
#: this order.
_RECORDERS: dict[type[Fact], _Recorder] = {
    facts.SkuStated: catalog.record,
    facts.ListingStated: listings.stated,
    facts.CustomerStated: parties.record,
    facts.CustomersMerged: _ours(parties.merged),
    facts.OrderStated: orders.record,
    facts.Vanished: orders.vanished,
    facts.Gone: _gone,
    facts.RangeListed: orders.listed,
    facts.RefundStated: refunds.record,
    facts.AddressChanged: _ours(shipto.changed),
    facts.SkuKnown: _ours(catalog.known),
    facts.StatusKnown: _ours(decisions.statuses_known),
    facts.OrderReleased: _ours(decisions.released),
    facts.UnitsAbandoned: _ours(decisions.units_abandoned),
    facts.BookingRaised: _ours(bookings.raised),
    facts.RequestRaised: _ours(decisions.requests_raised),
    facts.ChangeRaised: _ours(changes.raised),
    facts.Posted: decisions.postings,
    facts.RequestAnswered: fulfilment.answers,
    facts.ChangeAnswered: changes.answered,
    facts.ExecutionReported: fulfilment.execution,
    facts.ShipmentStated: fulfilment.shipments,
    facts.TrackingStated: tracking.stated,
    facts.InboundAnnounced: _ours(inbound.announced),
    facts.ReturnAnnounced: _ours(returns.announced),
    facts.GoodsReceived: inbound.received,
    facts.ReturnArrived: returns.arrived,
    facts.ReturnReported: returns.reported,
    facts.CountsStated: stock.counted,
    facts.CountsCompleted: stock.completed,
    facts.StockMoved: stock.moved,
    facts.HoldPlaced: _ours(decisions.holds_placed),
    facts.HoldLifted: _ours(decisions.holds_lifted),
    facts.AlarmSet: _ours(decisions.alarms_set),
}

#: Facts that name an order by a request to a warehouse.
_BY_REQUEST = (
    facts.RequestAnswered, facts.ChangeAnswered, facts.ExecutionReported, facts.ShipmentStated, facts.TrackingStated,
)  # fmt: skip

#: Facts after which units per line have to be counted again.
_COUNTED = (
    facts.RequestRaised, facts.RequestAnswered, facts.ExecutionReported, facts.ShipmentStated, facts.ChangeAnswered,
    facts.UnitsAbandoned,
)  # fmt: skip


def record(source: int, stated: Iterable[Stated], now: datetime) -> Recorded:
    """Make facts of one source true and write the ledger. Runs inside the caller's transaction.

    A fact already true yields no entry. A fact whose references are unknown is in `missing`, one that contradicts what is recorded
    in `conflicts`; both by cause, and neither disturbs the others. `source` is the system's id (for our own decisions: any).
    """
    recorded = Recorded(now=now)
    stated = list(stated)
    _lock(source, _by_kind(stated))
    for turn in _turns(stated):
        groups = _by_kind(turn)
        touched: list[int] = []
        for kind, recorder in _RECORDERS.items():
            if kind in groups:
                touched += recorder(source, groups[kind], recorded) or ()
        _derive(touched, groups, now, recorded)
    return recorded


def _by_kind(stated: Iterable[Stated]) -> dict[type[Fact], list[Stated]]:
    groups: dict[type[Fact], list[Stated]] = {}
    for item in stated:
        groups.setdefault(type(item.fact), []).append(item)
    return groups


def _turns(stated: Sequence[Stated]) -> list[list[Stated]]:
    """Nearly always all at once. What is said of one request against the order of the recorders, as units missing after a shipment, takes
    another turn: which line a SKU's units are of follows from what was said before, and must not depend on what shares a batch."""
    ranks = {kind: rank for rank, kind in enumerate(_RECORDERS)}
    last: dict[str, tuple[int, int]] = {}  # request → the turn it is at, and the rank of what was said last
    turns: list[list[Stated]] = [[]]
    for item in stated:
        turn = 0
        if isinstance(item.fact, _BY_REQUEST):
            (at, before), rank = last.get(item.fact.request, (0, 0)), ranks[type(item.fact)]
            turn = at + (rank < before)
            last[item.fact.request] = turn, rank
        if turn == len(turns):
            turns.append([])
        turns[turn].append(item)
    return turns


def _lock(source: int, groups: dict[type[Fact], list[Stated]]) -> None:
    """An order is the aggregate: what decisions, receipts and warehouses change of it changes under its row lock.

    All in one statement: two sets of orders locked one after the other meet another transaction's set the wrong way round.
    """
    ours: tuple[type[Fact], ...] = (*facts.Decision.__subclasses__(), facts.Posted)
    ids = {s.fact.order_id for kind in ours for s in groups.get(kind, []) if s.fact.order_id}
    if asked := {s.fact.request for kind in _BY_REQUEST for s in groups.get(kind, [])}:
        query = "SELECT order_id FROM canonical_fulfilmentrequest WHERE system_id = %s AND reference = ANY(%s)"
        ids |= {order for (order,) in sql.fetch(query, (source, sorted(asked)))}
    if named := {s.fact.order_ref for s in groups.get(facts.RefundStated, [])}:
        query = "SELECT id FROM canonical_order WHERE channel_id = %s AND external_id = ANY(%s)"
        ids |= {order for (order,) in sql.fetch(query, (source, sorted(named)))}
    if ids:
        sql.fetch("SELECT 1 FROM canonical_order WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (sorted(ids),))


def _derive(touched: Sequence[int], groups: dict[type[Fact], list[Stated]], now: datetime, recorded: Recorded) -> None:
    """A stage follows from every kind of row but postings, which the outside world's receipts bring in great numbers, and what they
    alone say of a request."""
    causes = {s.fact.order_id: s.cause for s in groups.get(facts.OrderReleased, [])}
    causes |= {e.order_id: e.cause for e in recorded.entries if e.order_id and not _is_receipt(e)}
    born = recorded.born - recorded.recount
    ids = [id for id in {*touched, *causes} - born if id in causes]
    counted = ids if any(kind in groups for kind in _COUNTED) else [id for id in ids if id in recorded.recount]
    derived.refresh(ids, causes, now, recorded, counted)


def _is_receipt(entry: Written) -> bool:
    return entry.subject_kind == "posting" or (entry.subject_kind, entry.event) == ("fulfilment_request", "submitted")
