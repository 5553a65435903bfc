"""A day of traffic behind the scene, as workers would have left it, and the tallies of it."""

from datetime import datetime, timedelta

from canonical import sql
from canonical.models import Hold
from retailsync.sync import clock, pulse
from retailsync.sync.models import Case, Command, Message
from tests.console.scene import Scene, make, morning

#: So many seconds between two of a kind, and how long each took.
_MOMENTS = """WITH moments AS (SELECT n, %(now)s - n * %(every)s * interval '1 s' AS at, (2 + n %% 7 + %(slow)s) * interval '1 s' AS took
  FROM generate_series(1, (86400 / %(every)s)::int) n) """
_HEARD = """INSERT INTO sync_message (system_id, topic, dedup_key, door, body, state, received_at, done_at)
  SELECT %(system)s, 'order.updated', int8send(n + 1000000), 'webhook', '{}', 'done', at - took, at FROM moments"""
_TOLD = """INSERT INTO sync_command (system_id, kind, subject_kind, subject_key, purpose, level, stoppable, payload, state, cause_kind,
    cause_id, created_at, settled_at)
  SELECT %(system)s, %(kind)s, 'order', 'x' || n, %(kind)s || n, false, true, '{}', 'confirmed', 'message', 1, at - took, at FROM moments"""
_EXCHANGED = """INSERT INTO sync_attempt (system_id, method, url, status, request, response, commands, error, started_at, seconds)
  SELECT %(system)s, 'POST', 'https://x.example.com/orders', %(status)s, '', '', '{}', '', at, 0.2 FROM moments"""


def day(scene: Scene, now: datetime) -> None:
    """Everything went well."""
    _fill(_HEARD, now, 120, system=scene.shop.pk)
    _fill(_TOLD, now, 150, system=scene.erp.pk, kind="CreateOrder", slow=9)
    _fill(_TOLD, now, 400, system=scene.shop.pk, kind="SendTracking")
    _fill(_TOLD, now, 300, system=scene.shop.pk, kind="PublishStock", slow=20)
    for system in (scene.shop, scene.erp, scene.warehouse):
        _fill(_EXCHANGED, now, 90, system=system.pk, status=200)


def _fill(statement: str, now: datetime, every: int, slow: int = 0, **given: object) -> None:
    head, _, tail = statement.partition("SELECT")
    sql.fetch(f"{head} {_MOMENTS} SELECT {tail}", {"now": now, "every": every, "slow": slow, **given})


def quiet() -> Scene:
    """A morning on which nobody has to do anything."""
    scene, now = make(), clock.now()
    scene.order(1042)
    Command.objects.update(state="confirmed", settled_at=now)
    day(scene, now)
    pulse.reckon(now)
    return scene


def trouble() -> Scene:
    """Orders wait since seven, for the back office and for a warehouse that does not answer; workers left messages lying."""
    scene, now = morning(), clock.now()
    day(scene, now)
    Command.objects.exclude(state="confirmed").update(created_at=now - timedelta(hours=2))
    Message.objects.filter(state__in=("received", "parked")).update(received_at=now - timedelta(minutes=40))
    scene.unheard()
    scene.confirming(scene.orders[1], "waiting")
    held = Command.objects.filter(state="waiting", stoppable=True).order_by("-pk")[0]
    Hold.objects.create(order_id=held.order_id, reason="fraud", words="Suspected fraud.")
    _fill(_TOLD, now, 3000, slow=4000, system=scene.erp.pk, kind="ConfirmOrder")
    _fill(_EXCHANGED, now, 1200, system=scene.warehouse.pk, status=None)
    Case.objects.filter(target_kind__in=("command", "message")).update(opened_at=now - timedelta(minutes=30))
    pulse.reckon(now)
    return scene
