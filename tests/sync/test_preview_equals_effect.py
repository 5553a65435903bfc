"""What a replay does equals what its preview said, or it refused: seeded troubles, seeded interference, and rows compared as they are,
not as the replay tells them."""

import random
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User

from canonical import sql
from canonical.ledger import SUBJECTS
from canonical.models import Order, Sku, Sourcing
from connectors.base import Malformed
from retailsync.sync import approving, cases, deciding, inbox, release, replaying
from retailsync.sync.models import ApprovalLimit, Case, Command, Replay, ReplayItem
from tests.facts import line, order
from tests.sync.conftest import Scene
from tests.sync.pretend import heard

pytestmark = pytest.mark.django_db
SEEDS, ORDERS = 24, 48  # 1,152 subjects


# ---- trouble ----------------------------------------------------------------------------------------------------------------
def unknown_sku(scene: Scene, ref: str, dice: random.Random) -> None:
    """Comes back as long as the SKU is unknown."""
    scene.world.tell(order(ref, lines=(line(sku=f"CAP-{dice.randrange(3)}"), line(ref="2"))))


def no_location(scene: Scene, ref: str, dice: random.Random) -> None:
    """A known SKU nobody ships; some of them somebody ships by now."""
    scene.world.tell(order(ref, lines=(line(sku=dice.choice(("LOST", "FOUND")), units=dice.randrange(1, 4)),)))


def held(scene: Scene, ref: str, dice: random.Random) -> None:
    """Told already, or about to be, and held by a person."""
    scene.world.tell(order(ref))
    deciding.hold(Order.objects.get(external_id=ref).pk, dice.choice(("operator", "fraud")), "look at it", "anna")


def completed(scene: Scene, ref: str, dice: random.Random) -> None:
    """Completed in the shop before it was shipped."""
    scene.world.tell(order(ref, status="completed"))


def wrong_total(scene: Scene, ref: str, dice: random.Random) -> None:
    """Does not add up; may be held by a person, too."""
    scene.world.tell(order(ref, total="99.00"))
    if dice.random() < 0.5:
        deciding.hold(Order.objects.get(external_id=ref).pk, "operator", "look at it", "anna")


def parked(scene: Scene, ref: str, dice: random.Random) -> None:
    """The ERP refused it, perhaps after an answer that was lost."""
    scene.world.tell(order(ref))
    row = Command.objects.get(order_id=Order.objects.get(external_id=ref).pk, kind="CreateOrder")
    Command.objects.filter(pk=row.pk).update(state="parked", reason="refused", words="no", doubtful=dice.random() < 0.3)
    cases.open_all(
        [
            cases.Opening(
                "command", row.pk, row.system_id, row.order_id, "order_to_fulfilment", "send", "refused", "no", "no"
            )
        ]
    )


def unread(scene: Scene, ref: str, dice: random.Random) -> None:
    """A message nobody understood: of an order of its own, or a newer word on one there is. Half of them are understood by now."""
    known = dice.random() < 0.5
    if known:
        scene.world.tell(order(ref))
    fact = order(ref, version=2, lines=(line(units=dice.randrange(1, 5)),), note="" if dice.random() < 0.5 else "never")
    inbox.receive(scene.world.shop.pk, [heard(fact)], door="webhook")


TROUBLES = (unknown_sku, no_location, held, completed, wrong_total, parked, unread)


def troubled(scene: Scene, dice: random.Random) -> None:
    """All kinds of it, some orders of one customer; then some of the causes go away."""
    for code in ("LOST", "FOUND"):
        Sku.objects.create(code=code, name=code, authority=scene.world.shop)
    scene.shop.reading = _refuse(lambda body: True)
    for n in range(ORDERS):
        dice.choice(TROUBLES)(scene, str(1000 + n), dice)
    inbox.drain(scene.world.shop.pk)
    scene.shop.reading = _refuse(lambda body: b"never" in body)
    place = scene.world.places["W1"]
    Sourcing.objects.create(channel=scene.world.shop, sku=Sku.objects.get(code="FOUND"), location=place, rank=1)


def _refuse(which: Callable[[bytes], bool]) -> Callable[[Any], None]:
    def reading(envelope: Any) -> None:
        if which(envelope.body):
            raise Malformed("Nobody understands this.")

    return reading


# ---- interference -----------------------------------------------------------------------------------------------------------
def restated(scene: Scene, ref: str) -> None:
    scene.world.tell(order(ref, version=3, lines=(line(units=4),)))


def cancelled(scene: Scene, ref: str) -> None:
    scene.world.tell(order(ref, version=3, status="cancelled"))


def released(scene: Scene, ref: str) -> None:
    release.release(
        list(Case.objects.filter(order_id=Order.objects.get(external_id=ref).pk).values_list("pk", flat=True)), "piet"
    )


def interfered(scene: Scene, dice: random.Random) -> None:
    """Life goes on between looking and doing."""
    for ref in Order.objects.order_by("pk").values_list("external_id", flat=True):
        if dice.random() < 0.25:
            dice.choice((restated, cancelled, released))(scene, ref)
    if dice.random() < 0.2:
        Sourcing.objects.filter(sku__code="FOUND").delete()


# ---- rows as they are -------------------------------------------------------------------------------------------------------
def rows() -> dict[tuple[str, int], dict[str, Any]]:
    """(kind, id) → what each row of an order says, from the tables themselves."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for kind, subject in SUBJECTS.items():
        if subject.order != "NULL::bigint":
            for id, order_id, image in sql.fetch(
                f"SELECT t.id, {subject.order}, {subject.after_image}::text FROM {subject.table} t"
            ):
                found[kind, id] = {**msgspec.json.decode(image), "of": order_id}
    for id, order_id, kind, state, payload in sql.fetch(
        "SELECT id, order_id, kind, state, payload::text FROM sync_command"
    ):
        found["command", id] = {"of": order_id, "kind": kind, "state": state, "payload": payload}
    return found


def differences(was: dict[Any, Any], now: dict[Any, Any], orders: set[int]) -> Counter[tuple[Any, ...]]:
    """What changed of these orders: (kind, id or new, field, before, after)."""
    found: Counter[tuple[Any, ...]] = Counter()
    for (kind, id), row in now.items():
        before = was.get((kind, id))
        if row["of"] in orders and kind != "command" and row != before:
            told = {f: (before or {}).get(f) for f in row}
            changed = [
                (f, told[f], v) for f, v in row.items() if f != "of" and v != told[f] and (before or f[-3:] != "_id")
            ]
            found.update((kind, id if before else 0, f, plain(a), plain(b)) for f, a, b in changed)
    return found


def said(effect: dict[str, Any]) -> Counter[tuple[Any, ...]]:
    """The same, as the preview said it."""
    fields = [(c, *field) for c in effect["changes"] for field in c["fields"] if not c["new"] or field[0][-3:] != "_id"]
    return Counter((c["kind"], 0 if c["new"] else c["id"], f, plain(a), plain(b)) for c, f, a, b in fields)


def plain(value: Any) -> str:
    """A moment of this test is now; what is new has no number yet."""
    if (
        isinstance(value, str)
        and value[4:5] == "-"
        and value[:4].isdecimal()
        and datetime.fromisoformat(value) >= START
    ):
        return '"now"'
    return _NUMBER.sub("#", msgspec.json.encode(value).decode())


#: The order a reference names, and the lines units are counted by.
_NUMBER = re.compile(r'(?<="F)(new order \d+|\d+)(?=-)|(?<=")(new order_line \d+|\d+)(?=":)')


def calls(was: dict[Any, Any], now: dict[Any, Any], orders: set[int]) -> Counter[tuple[str, str]]:
    """What became of commands, by what their rows were before: (kind, how)."""
    found: Counter[tuple[str, str]] = Counter()
    for key, row in now.items():
        before = was.get(key)
        if key[0] == "command" and row["of"] in orders and row != before:
            how = (
                "new"
                if before is None
                else "dropped"
                if row["state"] == "superseded"
                else "again"
                if before["state"] == "parked"
                else "changed"
            )
            found[row["kind"], how] += 1
    return found


START = datetime.now(UTC)


# ---- the law ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_done_is_what_was_seen(seed: int, scene: Scene) -> None:
    dice = random.Random(seed)
    troubled(scene, dice)
    untouched = rows()
    olga = User.objects.create_user("olga")
    ApprovalLimit.objects.create(pk=1, exceptions=10_000, amount=1_000_000)
    replay = replaying.ask(replaying.Wish("all", "", list(Case.objects.values_list("pk", flat=True))), olga)
    replaying.work(replay.pk, lambda fix: None)
    assert rows() == untouched, "a preview leaves nothing behind"
    interfered(scene, dice)
    was = rows()
    approving.go(replay.pk, olga)
    replaying.work(replay.pk, lambda fix: None)
    judge(replay, was, rows())


def judge(replay: Replay, was: dict[Any, Any], now: dict[Any, Any]) -> None:
    """Every subject did what was said of it, or nothing; what differed says what it would do now, and does it when asked again."""
    items = list(replay.items.order_by("position"))
    assert {i.state for i in items} <= {"done", "settled", "differs"} and sum(i.state == "done" for i in items) > len(
        items
    ) / 4
    for item in items:
        orders = {item.order_id} if item.order_id else told_by(item)
        did = differences(was, now, orders)
        if item.state == "done":
            assert did == said(item.effect), item.effect
            assert calls(was, now, orders) == Counter(
                (c["kind"], c["how"]) for c in item.effect["calls"] if c["how"] != "freed"
            )
        elif item.order_id:
            assert not did and not calls(was, now, orders)


def told_by(item: ReplayItem) -> set[int]:
    """Orders the message behind an item was recorded about."""
    (case,) = Case.objects.filter(pk__in=item.case_ids)
    found = sql.fetch(
        "SELECT DISTINCT order_id FROM canonical_entry WHERE cause_kind = 'message' AND cause_id = %s",
        (case.target_id,),
    )
    return {id for (id,) in found}
