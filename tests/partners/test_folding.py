"""What the desk makes of words that are not recorded yet is what recording makes of them: random lives, several lines, equal SKUs."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from canonical.models import FulfilmentRequest, Order, OrderLine, RequestChange, Sku
from retailsync.partners import desk
from retailsync.sync import inbox

from .conftest import Partner, change, left_for

Ask = Callable[..., FulfilmentRequest]
Word = tuple[str, Any]

#: Lives led: few in the suite, by hand as many as one likes.
LIVES = int(os.environ.get("FOLDED_LIVES", "40"))

_units = some.integers(1, 4)
#: 0, 1, 2: a line by our id; A, B: by its SKU. Lines 0 and 1 have the same one.
_named = some.lists(some.tuples(some.sampled_from([0, 1, 2, "A", "B"]), _units), min_size=1, max_size=3)
_kinds = some.sampled_from(["hold", "resume", "cancel", "amend"])
_words = some.one_of(
    some.tuples(some.sampled_from(["start", "pick", "pack", "accept", "reject", "record", "yes", "no"]), some.none()),
    some.tuples(some.sampled_from(["decline", "short", "ship", "ship", "corrections"]), _named),
    some.tuples(some.just("ask"), some.tuples(_kinds, some.lists(some.integers(0, 4), min_size=3, max_size=3))),
)


def shape(lines: list[OrderLine], named: list[tuple[Any, int]]) -> list[dict[str, Any]]:
    return [{"sku": n, "units": u} if isinstance(n, str) else {"line": str(lines[n].pk), "units": u} for n, u in named]


def say(partner: Partner, request: FulfilmentRequest, lines: list[OrderLine], n: int, word: Word) -> None:
    """One word, or what happens between words."""
    verb, said = word
    path, key = request.reference, f"k{n}"
    changes = RequestChange.objects.filter(request=request)
    match verb:
        case "record":
            assert_recorded_alike(partner, request)
        case "ask" if not changes.filter(answer="asked").exists():
            kind, units = said
            content = {str(line.pk): count for line, count in zip(lines, units, strict=True)}
            change(request, changes.count() + 1, kind, lines={} if kind in ("hold", "resume") else content)
        case "yes":
            partner.post(f"{path}/changes/{changes.count()}/accept", {}, key)
        case "no":
            partner.post(f"{path}/changes/{changes.count()}/reject", {"reason": "no"}, key)
        case "decline":
            partner.post(f"{path}/accept", {"declined": shape(lines, said)}, key)
        case "short":
            partner.post(f"{path}/short", {"lines": shape(lines, said)}, key)
        case "ship" | "corrections":
            body = {"shipment": f"S{9 - n}", "packages": [{"lines": [one]} for one in shape(lines, said)]}
            partner.post(f"{path}/{verb}", body | ({"reason": "late"} if verb == "corrections" else {}), key)
        case "reject":
            partner.post(f"{path}/reject", {"reason": "no"}, key)
        case "accept" | "start" | "pick" | "pack":
            partner.post(f"{path}/{verb}", {}, key)


def assert_recorded_alike(partner: Partner, request: FulfilmentRequest) -> None:
    (stored,) = desk.standings(partner.system.pk, [request.reference]).values()
    while inbox.drain(partner.system.pk):
        pass
    (recorded,) = desk.standings(partner.system.pk, [request.reference]).values()
    assert (stored, stored.actions) == (recorded, recorded.actions)


@pytest.mark.slow
def test_words_count_alike_before_and_after_they_are_recorded(partner: Partner, order: Order, ask: Ask) -> None:
    apple, pear = order.lines.get().sku, Sku.objects.create(code="B")
    for number, sku in (("2", apple), ("3", pear)):
        OrderLine.objects.create(
            order=order, external_id=number, sku=sku, sku_text="x", name="More", ordered=2, subtotal=1, total=1
        )
    request, lines = ask(partner), list(OrderLine.objects.order_by("pk"))
    left_for(partner, request, state="confirmed")

    @settings(max_examples=LIVES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(some.lists(_words, min_size=1, max_size=7))
    def lead(words: list[Word]) -> None:
        with transaction.atomic():
            for n, word in enumerate([*words, ("record", None)]):
                say(partner, request, lines, n, word)
            transaction.set_rollback(True)

    lead()
