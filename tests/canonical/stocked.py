"""A small world with stock: what sources say, what shops show, and what follows, told in one line each."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from canonical import reckoning
from canonical.facts import CountsCompleted, CountsStated, ListingStated, StockMoved
from canonical.models import Listing, Offer, Sourcing, StockLevel, StockSource, System
from canonical.types import Counted
from retailsync.sync import clock
from tests.facts import sku
from tests.world import World


def source(world: World, place: str = "W1", system: System | None = None, **more: Any) -> StockSource:
    """Somebody tells us about the stock of a location: its own warehouse unless another system is named."""
    given = {"jump_units": 10_000, **more}
    return StockSource.objects.create(
        system=system or world.partners[place], location=world.places[place], external_id=place, **given
    )


def count(
    world: World, place: str = "W1", at: datetime | None = None, by: System | None = None, **figures: Any
) -> None:
    """A source counted: `MUG=10`, or `MUG=dict(on_hand=10, allocated=3)`. Underscores in a code stand for hyphens."""
    rows = tuple(
        Counted(sku=code.replace("_", "-"), **(said if isinstance(said, dict) else {"on_hand": said}))
        for code, said in figures.items()
    )
    fact = CountsStated(occurred_at=at or clock.now(), location=place, rows=rows)
    world.tell(fact, source=by or world.partners[place])


def move(world: World, ref: str, code: str, units: int, place: str = "W1", **more: Any) -> None:
    """Units came or went."""
    fact = StockMoved(
        **{
            "occurred_at": clock.now(),
            "ref": ref,
            "location": place,
            "sku": code,
            "units": units,
            "kind": "adjustment",
            **more,
        }
    )
    world.tell(fact, source=world.partners[place])


def listed(code: str = "MUG", quantity: int = 0, read: datetime | None = None, **more: Any) -> ListingStated:
    """The shop shows so many of it."""
    at = read or clock.now()
    given = {
        "ref": f"v-{code}",
        "holder": f"v-{code}",
        "managed": True,
        "quantity": quantity,
        "version": 1,
        "read_at": at,
        "shop_at": at,
    }
    return ListingStated(occurred_at=at, **{**given, **more})


def offered(world: World, *codes: str, at: tuple[str, ...] = ("W1",), quantity: int = 0) -> None:
    """The shop sells these, from these warehouses in this order, and shows `quantity` of each."""
    world.tell(*[sku(code) for code in codes])
    if not Sourcing.objects.filter(channel=world.shop, sku=None).exists():
        for rank, place in enumerate(at, 1):
            Sourcing.objects.create(channel=world.shop, location=world.places[place], rank=rank)
    world.tell(*[listed(code, quantity, clock.now() - timedelta(minutes=5)) for code in codes])


def reckon() -> reckoning.Reckoned:
    """Reckon what was touched."""
    with transaction.atomic():
        return reckoning.reckon(clock.now())


def sellable(world: World, code: str = "MUG") -> int | None:
    """What may be sold of it in the shop, once everything touched was reckoned."""
    reckon()
    return Offer.objects.get(channel=world.shop, sku__code=code).sellable


def listing(world: World, code: str = "MUG") -> Listing:
    """What the shop shows of it, as far as we know."""
    return Listing.objects.get(channel=world.shop, offers__sku__code=code)


def level(code: str = "MUG", place: str = "W1") -> StockLevel:
    """What lies there."""
    return StockLevel.objects.get(sku__code=code, location__code=place)


def snapshot(
    world: World,
    *parts: dict[str, int],
    run: str = "night",
    rows: int | None = None,
    place: str = "W1",
    at: datetime | None = None,
) -> None:
    """A whole count in these parts, and the word that it is whole; `rows`: how many it claims to have."""
    at = at or clock.now()
    facts = [
        CountsStated(
            occurred_at=at,
            location=place,
            run=run,
            part=n,
            rows=tuple(Counted(sku=k, on_hand=v) for k, v in part.items()),
        )
        for n, part in enumerate(parts, 1)
    ]
    claimed = sum(map(len, parts)) if rows is None else rows
    done = CountsCompleted(occurred_at=at, location=place, run=run, parts=len(parts), rows=claimed)
    for fact in (*facts, done):
        world.tell(fact, source=world.partners[place])
