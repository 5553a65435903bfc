"""What a warehouse does with a request: a behaviour is a row of acts, each done when its turn comes, on what is to be shipped by then."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from connectors.partner.simulator.work import Departure, Lines, Work, units_by


class Step(NamedTuple):
    """Something to say: the end of an API address and the body. `key`: it repeats the call with this key to the letter."""

    verb: str
    body: dict[str, Any]
    key: int | None = None


#: Does its part to the work, and returns what is to be said of it.
Act = Callable[[Work], Step | None]


# ---- words ------------------------------------------------------------------------------------------------------------------
def says(verb: str, **body: Any) -> Act:
    """Say this and nothing else."""
    return lambda work: Step(verb, body)


accept, reject = says("accept", partner_reference=""), says("reject", reason="We do not ship this.")
picking, picked, packed = says("start"), says("pick"), says("pack")


def short(work: Work) -> Step | None:
    """What is not on the shelves; where nobody counts them, one unit of the first line."""
    if not work.most and work.rest:
        line = work.rest[0]
        work.most[line["line"]] = line["units"] - 1
    return Step("short", {"lines": work.missing, "reason": "Not on the shelf."}) if work.missing else None


def again(work: Work) -> Step:
    """The last call once more, as after an answer that was lost."""
    last = work.calls[-1]
    return Step(last.verb, last.body, last.key)


def wait(work: Work) -> None:
    """Stop here until somebody lets it go on."""
    work.waiting = True


# ---- shipments --------------------------------------------------------------------------------------------------------------
def ship(work: Work) -> Step | None:
    """What is left, in one parcel."""
    return _leave(work, [work.rest])


def ship_two_parcels(work: Work) -> Step | None:
    """What is left, in two parcels."""
    return _leave(work, halves(work.rest))


def ship_half(work: Work) -> Step | None:
    """Half of what is left."""
    return _leave(work, halves(work.rest)[:1])


def ship_by_sku(work: Work) -> Step | None:
    """What is left; names SKUs, not lines; equal SKUs in one sum."""
    return _leave(work, [work.rest], _by_sku)


def ship_untracked(work: Work) -> Step | None:
    """What is left, in one parcel whose tracking number is not known yet."""
    step = ship(work)
    for package in step.body["packages"] if step else ():
        del package["tracking_number"]
    return step


def track(work: Work) -> Step | None:
    """The tracking number of the parcel that left last."""
    if not work.left:
        return None
    ref = work.left[-1].shipment
    packages = [{"package": 1, "tracking_number": f"SIM{ref}-LATER".upper()}]
    return Step(f"shipments/{quote(ref, safe='')}/tracking", {"packages": packages})


def halves(lines: Lines) -> list[Lines]:
    """Two parts where there are two units at least; otherwise one."""
    first = [{**line, "units": (line["units"] + n % 2) // 2} for n, line in enumerate(lines, 1)]
    second = [{**line, "units": line["units"] - part["units"]} for line, part in zip(lines, first, strict=True)]
    parts = [[line for line in part if line["units"]] for part in (first, second)]
    return [part for part in parts if part]


def _by_line(parcel: Lines) -> Lines:
    return [{"line": line["line"], "units": line["units"]} for line in parcel]


def _by_sku(parcel: Lines) -> Lines:
    return [{"sku": sku, "units": units} for sku, units in units_by("sku", parcel).items()]


def _leave(work: Work, parcels: Sequence[Lines], named: Callable[[Lines], Lines] = _by_line) -> Step | None:
    """One shipment leaves; its id and tracking numbers follow from the request, so that a repetition says the same."""
    full = [parcel for parcel in parcels if parcel]
    if not full:
        return None
    ref = f"{work.reference}-S{len(work.left) + 1}"
    lines = [line for parcel in full for line in parcel]
    work.left.append(
        Departure(shipment=ref, lines=units_by("line", lines), skus=units_by("sku", lines), ship_to=dict(work.ship_to))
    )
    packages = [
        {"reference": f"{ref}-P{n}", "tracking_number": f"SIM{ref}-{n}".upper(), "lines": named(parcel)}
        for n, parcel in enumerate(full, 1)
    ]
    carrier, service = work.carrier or "DHL", work.service or "standard"
    return Step("ship", {"shipment": ref, "carrier": carrier, "service": service, "packages": packages})


# ---- behaviours -------------------------------------------------------------------------------------------------------------
NORMAL: Sequence[Act] = (accept, picking, picked, packed, ship)

BEHAVIOURS: Mapping[str, Sequence[Act]] = {
    "normal": NORMAL,  # ships everything in one parcel
    "reject": (reject,),
    "short": (accept, picking, short, picked, packed, ship),
    "two_parcels": (accept, picking, picked, packed, ship_two_parcels),
    "two_shipments": (accept, picking, picked, packed, ship_half, ship),
    "ship_first": (ship, accept, picking, picked, packed),  # the shipment is reported before anything else
    "repeat": tuple(each for act in NORMAL for each in (act, again)),
    "sku_only": (accept, picking, picked, packed, ship_by_sku),
    "tracks_later": (accept, picking, picked, packed, ship_untracked, track),
    "slow": NORMAL,
    "silent": (),  # takes the order and says nothing
    # these stop somewhere, until Warehouse.go_on
    "accepts": (accept, wait, picking, picked, packed, ship),
    "picks": (accept, picking, picked, wait, packed, ship),
    "packs": (accept, picking, picked, packed, wait, ship),
    "stops_short": (accept, picking, short, wait, picked, packed, ship),
    "ships_half": (accept, picking, picked, packed, ship_half, wait, ship),
}
