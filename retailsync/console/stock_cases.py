"""Exceptions about stock: what they point at, in words, and the buttons that settle them where they stand."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.urls import reverse

from canonical.models import Listing, StockLevel, StockSnapshot, StockSource
from retailsync.sync.models import Case


class Press(NamedTuple):
    """One button: where it leads, and what it says; `summary` where it is not the first."""

    url: str
    label: str
    summary: str = ""


def _level(id: int) -> dict[str, Any] | None:
    row = StockLevel.objects.select_related("sku", "location").filter(pk=id).first()
    if row is None:
        return None
    said = f" A count of {row.doubted:,} waits; the level is {row.on_hand:,}." if row.doubted is not None else ""
    presses = [Press(reverse("admin:canonical_stocklevel_accept", args=[id]), "Accept the count")]
    return {
        "title": "The level", "words": f"{row.sku.code} in {row.location.code}.{said}", "link": "Look at it",
        "presses": presses if row.doubted is not None else [],
    }  # fmt: skip


def _snapshot(id: int) -> dict[str, Any] | None:
    row = StockSnapshot.objects.select_related("source__system", "source__location").filter(pk=id).first()
    if row is None:
        return None
    apply, discard = (reverse(f"admin:canonical_stocksnapshot_{what}", args=[id]) for what in ("apply", "discard"))
    presses = [Press(apply, "It is right: apply it"), Press(discard, "Discard it", "It is wrong: discard it")]
    return {
        "title": "The snapshot", "words": f"“{row.run}” of {row.source}: {row.rows_got:,} rows, {row.get_state_display()}.",
        "link": "Look at its rows", "presses": presses if row.state == StockSnapshot.State.PARKED else [],
    }  # fmt: skip


def _listing(id: int) -> dict[str, Any] | None:
    row = Listing.objects.select_related("channel").filter(pk=id).first()
    if row is None:
        return None
    skus = ", ".join(row.offers.order_by("sku__code").values_list("sku__code", flat=True)[:5]) or row.external_id
    return {
        "title": "The listing",
        "words": f"{skus} in {row.channel.name}.",
        "link": "See what it shows",
        "presses": [],
    }


def _source(id: int) -> dict[str, Any] | None:
    row = StockSource.objects.select_related("system", "location").filter(pk=id).first()
    if row is None:
        return None
    return {"title": "The source", "words": f"{row}.", "link": "Look at it", "presses": []}


_TARGETS: dict[str, Callable[[int], dict[str, Any] | None]] = {
    "stock_level": _level, "snapshot": _snapshot, "listing": _listing, "stock_source": _source,
}  # fmt: skip
KINDS = tuple(_TARGETS)


def target(case: Case) -> dict[str, Any]:
    """What an exception about stock points at; nothing where it is gone."""
    return {"stock": _TARGETS[case.target_kind](case.target_id)}
