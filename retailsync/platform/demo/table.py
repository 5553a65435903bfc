"""Judges what was seen and prints it. Pure: every count can fail, and says which orders failed it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import quantiles
from typing import NamedTuple

from retailsync.platform.demo import unclean
from retailsync.platform.demo.watching import Seen, Stock

NAMED = 10  # orders named when something is wrong


class Check(NamedTuple):
    """One line of the table: which orders it concerns, and what must hold for each."""

    name: str
    concerns: Callable[[Seen], bool]
    holds: Callable[[Seen], bool]


def _every(seen: Seen) -> bool:
    return True


def _ships(seen: Seen) -> bool:
    return seen.basket.goods > 0


def _totals_agree(seen: Seen) -> bool:
    return bool(seen.erp) and all(order.amount_total == seen.basket.total for order in seen.erp)


def _confirmed(seen: Seen) -> bool:
    return bool(seen.erp) and all(order.state in ("sale", "done") for order in seen.erp)


def _acknowledged(seen: Seen) -> bool:
    """Each warehouse that was asked has answered, and one accepted: whoever has all of it ships all of it."""
    answered = all(request.accepted or request.rejected for request in seen.requests)
    return answered and any(request.accepted for request in seen.requests)


def _shipped(seen: Seen) -> bool:
    return seen.shipped >= seen.basket.goods


def _issued(seen: Seen) -> bool:
    """All units are delivered and no delivery is left open."""
    delivered = sum(line.delivered for order in seen.erp for line in order.lines)
    closed = all(picking.state in ("done", "cancel") for order in seen.erp for picking in order.pickings)
    return closed and delivered >= seen.basket.goods


def _completed(seen: Seen) -> bool:
    """Completed, and each shipment shown with a tracking number."""
    shop = seen.shop
    if shop is None or shop.status != "completed":
        return False
    return not _ships(seen) or len(shop.tracking) >= seen.shipments > 0


CHECKS = (
    Check("in the ERP", _every, lambda seen: bool(seen.erp)),
    Check("ERP total = shop total", _every, _totals_agree),
    Check("confirmed in the ERP", _every, _confirmed),
    Check("acknowledged by the warehouse", _ships, _acknowledged),
    Check("shipped", _ships, _shipped),
    Check("goods issue in the ERP", _ships, _issued),
    Check("completed in the shop, tracking shown", _every, _completed),
)


def doubles(seen: Seen) -> Iterator[str]:
    """Whatever exists twice in a target, in words."""
    yield from unclean.doubles(seen) if seen.unclean else _doubles(seen)


def _doubles(seen: Seen) -> Iterator[str]:
    if len(seen.erp) > 1:
        yield f"{len(seen.erp)} orders in the ERP"
    if seen.issued > seen.shipments:
        yield f"{seen.issued} deliveries in the ERP for {seen.shipments} shipments"
    if any(line.delivered > line.quantity for order in seen.erp for line in order.lines):
        yield "more delivered in the ERP than ordered"
    if any(request.doubled for request in seen.requests):
        yield "requested twice of one warehouse"
    if seen.shipped > seen.basket.goods:
        yield f"{seen.shipped} units shipped of {seen.basket.goods} ordered"
    if seen.shop and seen.shop.fulfillments > seen.shipments:
        yield f"{seen.shop.fulfillments} fulfilments in the shop for {seen.shipments} shipments"
    if seen.shop and len(set(seen.shop.tracking)) < len(seen.shop.tracking):
        yield "one tracking number shown twice in the shop"


def lacks(seen: Seen) -> list[str]:
    """The checks this order fails. One to which something happened only has to end, and everybody to agree on it."""
    if seen.unclean:
        return [] if unclean.end(seen) else [f"ended ({unclean.said(seen)})"]
    return [check.name for check in CHECKS if check.concerns(seen) and not check.holds(seen)]


# ---- while it runs ----------------------------------------------------------------------------------------------------------
def progress(orders: Sequence[Seen], exceptions: int, waiting: int) -> str:
    """One line of moving counts."""
    counts = {
        "placed": len(orders),
        "in ERP": sum(bool(seen.erp) for seen in orders),
        "confirmed": sum(_confirmed(seen) for seen in orders),
        "acknowledged": sum(_ships(seen) and _acknowledged(seen) for seen in orders),
        "shipped": sum(_ships(seen) and _shipped(seen) for seen in orders),
        "completed": sum(_completed(seen) for seen in orders),
        "exceptions": exceptions,
        "waiting": waiting,
    }
    return " · ".join(f"{name} {count}" for name, count in counts.items())


# ---- at the end -------------------------------------------------------------------------------------------------------------
def result(orders: Sequence[Seen], complaints: Mapping[str, Sequence[str]], stock: Stock) -> tuple[str, bool]:
    """The table with what is wrong below it, and whether nothing is."""
    odd = [seen for seen in orders if seen.unclean]
    rows = [("placed", str(len(orders)), "")]
    for check in CHECKS:
        concerned = [seen for seen in orders if check.concerns(seen) and not seen.unclean]
        held = sum(check.holds(seen) for seen in concerned)
        rows.append((check.name, f"{held} of {len(concerned)}", "" if held == len(concerned) else "MISSING"))
    if odd:
        rows.append(("edited, cancelled, refunded …", str(len(odd)), ""))
        rows += [(f"  {name or 'not ended'}", str(n), "" if name else "MISSING") for name, n in unclean.counted(odd)]
    doubled = sum(any(doubles(seen)) for seen in orders)
    questions = {seen.basket.reference for seen in odd}
    unexpected = sum(len(said) for reference, said in complaints.items() if reference not in questions)
    rows.append(("doubled anywhere", str(doubled), "DOUBLED" if doubled else ""))
    rows.append(("open exceptions", str(sum(map(len, complaints.values()))), "LOOK" if unexpected else ""))
    right = stock.figures - len(stock.wrong)
    rows.append(("stock shown in the shop = sellable", f"{right} of {stock.figures}", "MISSING" if stock.wrong else ""))
    rows.append(("stock writes to the shop, requests", str(stock.writes), ""))
    rows += _times(orders)
    wrong = [seen for seen in orders if lacks(seen) or any(doubles(seen))]
    lines = [f"  {name:<38} {value:>16} {mark}".rstrip() for name, value, mark in rows]
    lines += [f"  {words}" for words in stock.wrong[:NAMED]]
    fine = not wrong and not unexpected and not stock.wrong and bool(orders)
    return "\n".join([*lines, *_troubles(wrong, complaints)]), fine


def _troubles(wrong: Sequence[Seen], complaints: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The first orders with trouble and what their exceptions say, then exceptions that belong to none of them."""
    for seen in wrong[:NAMED]:
        reference = seen.basket.reference
        said = "; ".join((*(f"not {name}" for name in lacks(seen)), *doubles(seen)))
        yield f"  {reference}: {said}"
        yield from (f"      {words}" for words in _brief(complaints.get(reference, ["no open exception"])))
    if len(wrong) > NAMED:
        yield f"  … and {len(wrong) - NAMED} more orders"
    named = {seen.basket.reference for seen in wrong}
    others = [words for reference, said in complaints.items() if reference not in named for words in said]
    yield from (f"  exception: {words}" for words in _brief(others)[:NAMED])


def _brief(said: Sequence[str]) -> list[str]:
    """First lines, each once, with how often it was said."""
    counted = Counter(words.partition("\n")[0] for words in said)
    return [words if count == 1 else f"{words} ({count} times)" for words, count in counted.items()]


def _times(orders: Sequence[Seen]) -> Iterator[tuple[str, str, str]]:
    """Latencies between the systems' own stores, and how many orders per second went all the way."""
    shop = [(seen, seen.shop) for seen in orders if seen.shop]
    erp = [order.created_at - at.date_created for seen, at in shop for order in seen.erp]
    partner = [request.received_at - at.date_created for seen, at in shop for request in seen.requests]
    yield "shop → ERP, seconds (p50 / p95)", _percentiles(erp), ""
    yield "shop → 3PL, seconds (p50 / p95)", _percentiles(partner), ""
    ended = [at.completed_at for _, at in shop if at.completed_at]
    if ended:
        seconds = max(ended) - min(at.date_created for _, at in shop)
        yield "first placed to last completed", f"{seconds:.1f} s", ""
        yield "orders per second over that time", f"{len(ended) / seconds:.1f}", ""


def _percentiles(values: Sequence[float]) -> str:
    if not values:
        return "–"
    cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else list(values) * 99
    return f"{cuts[49]:.2f} / {cuts[94]:.2f}"
