"""Stock in words: why a figure is what it is, what a shop shows, who told us too late. Asks the database nothing."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from canonical.explaining import Place, Ruled, Shown, Why
from canonical.judging import Late, Sold

FIELDS = {
    "safety_units": "kept back per location", "safety_percent": "percent kept back per location", "threshold": "kept back in all",
    "cap": "shown at most", "pool": "this shop's own units", "backorders": "backorders", "backorder_limit": "most on backorder",
}  # fmt: skip
EVENTS = {
    "counted": "counted", "moved": "units moved", "shipped": "we shipped", "booked": "booked out in the ERP", "adopted": "counts adopted",
    "listed": "first seen", "read": "read in the shop", "sold": "the shop sold", "aimed": "our figure changed", "gone": "gone in the shop",
    "reckoned": "reckoned", "told": "written", "folded anew": "folded anew", "offered": "first offered",
}  # fmt: skip
VERDICTS = {
    "rightly": ("sold rightly", "good"), "backorder": ("on backorder", "good"), "shop": ("the shop sold below what it showed", "bad"),
    "in_flight": ("our lower figure was on its way", "bad"), "stale": ("somebody told us too late", "bad"),
    "rules": ("our own figure was too high", "bad"), "unknown": ("nothing was known", ""),
}  # fmt: skip
SNAPSHOTS = {"open": "warn", "applied": "good", "parked": "bad", "discarded": ""}
MANY = 3  # locations named in a sentence


def units(count: int, one: str, many: str) -> str:
    """`1 is …` or `3 are …`."""
    return f"{count:,} {one if count == 1 else many}"


# ---- the sentence -----------------------------------------------------------------------------------------------------------
def sentence(why: Why) -> str:
    """The figure and what it comes from, in one sentence."""
    if why.since is None:
        then = "Nothing was reckoned of it then" if why.at else "Nothing was reckoned of it yet"
        return f"{then}: no figure goes to {why.channel_name}."
    if why.sellable is None:
        return f"How many may be sold in {why.channel_name} is not known: no location that serves it was ever counted."
    verb = ("might be sold" if why.at else "may be sold") + f" in {why.channel_name}"
    reasons = ", ".join(part for part in (_lies(why), *_less(why)) if part)
    return f"{why.sellable:,} {verb}: {reasons}." if reasons else f"{why.sellable:,} {verb}."


def _lies(why: Why) -> str:
    known = [p for p in why.places if p.free is not None]
    if why.kit:
        scarce = min(why.places, key=lambda p: sum(x.gives for x in why.places if x.sku == p.sku) // p.per)
        left = sum(p.gives for p in why.places if p.sku == scarce.sku)
        made = f"it is a kit, and {max(0, why.network or 0):,} can be made"
        return f"{made} (of {scarce.sku_code}, its scarcest part, {units(left, 'is', 'are')} free, and each takes {scarce.per})"
    if len(known) > MANY:
        total = sum(p.on_hand or 0 for p in known)
        return f"{units(total, 'lies', 'lie')} at {len(known)} locations"
    return (
        " and ".join(f"{units(p.on_hand or 0, 'lies', 'lie')} in {p.name or p.code}" for p in known)
        or "nothing lies anywhere"
    )


def _less(why: Why) -> list[str]:
    """What is taken off, in the order of the formula; parts of kits are told on the page."""
    known = [] if why.kit else [p for p in why.places if p.free is not None]
    held = sum(max(0, min(p.free or 0, p.safety)) for p in known)
    promised = sum(p.own or 0 for p in known) + why.unrouted
    sums = (
        (sum(p.damaged or 0 for p in known), "is damaged", "are damaged"),
        (sum(p.quality_hold or 0 for p in known), "is held for quality", "are held for quality"),
        (sum(p.foreign or 0 for p in known), "is allocated to others", "are allocated to others"),
        (promised, "is promised to open orders", "are promised to open orders"),
        (held, "is kept back for safety", "are kept back for safety"),
        (why.pools, "belongs to other shops", "belong to other shops"),
        (why.threshold, "is kept back in all", "are kept back in all"),
    )  # fmt: skip
    told = [units(count, one, many) for count, one, many in sums if count]
    before = None if why.network is None else why.network - why.threshold
    if before is not None and why.cap is not None and why.cap < before:
        told.append(f"and no more than {why.cap:,} may be shown")
    if before is not None and why.pool_left is not None and why.pool_left < before:
        told.append(f"and {why.pool_left:,} of the shop's own {why.pool:,} are left")
    if before is not None and before < 0 and why.published == "no":
        told.append("which is more than there is")
    if any(p.stale for p in known):
        told.append("and figures too old are believed in part only")
    if any(p.level and p.level.doubted is not None for p in known):
        told.append("and of a doubtful count the lower figure is taken")
    return told


class Step(NamedTuple):
    """One line of the formula after the locations: what it does to the figure, and what it leaves."""

    label: str
    text: str
    rule: Ruled | None
    help: str


def steps(why: Why) -> list[Step]:
    """From what the locations give to what may be sold."""
    if why.network is None:
        return []
    rules = {ruled.field: ruled for ruled in why.rules}
    owed = 0 if why.kit else sum(p.owes for p in why.places)
    given = why.network + why.unrouted + why.pools + owed
    network = "what all locations together could sell"
    if why.kit:
        network = "whole kits each location can make of its parts, summed, less what is owed, unrouted or other shops' of any part"
    taken = [
        Step("Locations give", f"{given:,}", None, "the last column above, summed"),
        Step("Owed elsewhere", f"− {owed:,}", None, "more is promised there than lies there") if owed else None,
        Step("Not routed yet", f"− {why.unrouted:,}", None, "open orders no location was asked for"),
        Step("Other shops' own", f"− {why.pools:,}", None, "units reserved for other shops, not sold yet"),
        Step("Network", f"= {why.network:,}", None, network),
        Step("Kept back in all", f"− {why.threshold:,}", rules.get("threshold"), "threshold"),
        Step("Shown at most", "no limit" if why.cap is None else f"≤ {why.cap:,}", rules.get("cap"), "cap"),
        Step("The shop's own units", _pool(why), rules.get("pool"), "pool"),
        Step("Backorders", _backorders(why), rules.get("backorders") or rules.get("backorder_limit"), "below 0 only where allowed"),
        Step("May be sold", f"= {why.sellable:,}" if why.sellable is not None else "not known", None, ""),
    ]  # fmt: skip
    if why.kit:  # its parts' debts are counted in whole kits, which these figures are not
        taken = [s for s in taken if s and s.label not in ("Locations give", "Not routed yet", "Other shops' own")]
    return [step for step in taken if step]


def _pool(why: Why) -> str:
    return "none of its own" if why.pool is None else f"≤ {why.pool_left or 0:,} left of {why.pool:,}"


def _backorders(why: Why) -> str:
    limit = f", at most {why.backorder_limit:,}" if why.backorder_limit is not None else ""
    said = {"no": "no", "notify": "yes, the customer is told", "yes": "yes"}.get(why.backorders, why.backorders)
    used_up = ": used up" if why.backorders != "no" and why.published == "no" else ""
    return f"{said}{limit}{used_up}" if why.backorders != "no" else said


def place_notes(place: Place) -> list[str]:
    """What is odd about the figures of one location."""
    if place.level is None:
        return ["Nobody counted it here yet."]
    notes = []
    if place.level.doubted is not None:
        notes.append(f"A newer count says {place.level.doubted:,} and waits for a person; the lower figure is taken.")
    if place.stale:
        notes.append("The source has been silent for too long: only a part of what is free is believed.")
    if place.level.moved and place.level.counted is not None:
        notes.append(f"{place.level.counted:,} were counted, {place.level.moved:+,} moved since.")
    listed, own = sum(o.units for o in place.orders), place.own or 0
    if listed > own:
        notes.append(f"{listed - own:,} of the units of these orders are taken off the source's own figure already.")
    if listed < own:
        notes.append(f"{own - listed:,} more units belong to older orders that are not listed.")
    return notes


# ---- what a shop shows ------------------------------------------------------------------------------------------------------
def difference(target: int | None, figure: int | None, managed: bool, gone: bool) -> tuple[str, str]:
    """(words, tone) of what a shop shows against what it is to show."""
    if gone:
        return "gone in the shop", "bad"
    if not managed:
        return "the shop does not manage its stock", "warn"
    if target is None:
        return "no figure of ours yet", "warn"
    if figure is None:
        return "not read yet", "warn"
    if figure == target:
        return "as it should be", "good"
    return (f"{figure - target:,} too many", "bad") if figure > target else (f"{target - figure:,} too few", "warn")


def shown(listing: Shown) -> tuple[str, str]:
    """The same of an explained one."""
    return difference(listing.target, listing.figure, listing.managed, listing.gone)


# ---- who told us too late ---------------------------------------------------------------------------------------------------
def lasting(span: timedelta) -> str:
    """A span in its two greatest units."""
    seconds = max(0, int(span.total_seconds()))
    parts = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    said = []
    for size, unit in parts:
        if seconds >= size:
            said.append(f"{seconds // size} {unit}")
            seconds %= size
    return " ".join(said[:2]) or "less than a second"


def late(item: Late) -> str:
    """One thing we were told too late."""
    who, delay = item.who or "Somebody", lasting(item.told_at - item.happened_at)
    match item.what:
        case "count":
            less = "fewer" if item.units < 0 else "more"
            return f"{who} had counted {abs(item.units):,} {less} in {item.where} and told us {delay} later."
        case "movement":
            return f"{item.units:+,} in {item.where}, told by {who} {delay} later."
        case _:
            return f"{item.where} took {abs(item.units):,} in {who}, and we were told {delay} later."


def verdict(sold: Sold) -> str:
    """Whether a line should have sold, in a sentence."""
    if sold.verdict == "unknown" or sold.truth is None:
        return "Nothing was reckoned of it when it was placed."
    there = f"by what we know now {units(max(0, sold.truth), 'was', 'were')} there"
    match sold.verdict:
        case "rightly":
            return f"Rightly: {there}."
        case "backorder":
            return f"On backorder, which was allowed: {there}."
        case "shop":
            return f"No: the shop showed {sold.shown:,} and sold {sold.units:,} all the same; {there}."
        case "in_flight":
            return f"No: our figure was {sold.figure:,} already, the shop's not yet; {there}."
        case "stale":
            return f"No: {there}. {late(sold.late[0])}"
        case _:
            return f"No: our own figure was too high; {there}."


def rules_words(rules: Sequence[Ruled]) -> str:
    """Fields and values of rules, for one line."""
    return ", ".join(f"{FIELDS[r.field]}: {r.value}" for r in rules)
