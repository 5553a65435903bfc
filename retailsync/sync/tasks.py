"""Celery tasks: bells that carry ids only. Everything they do is in rows; a lost task loses nothing."""

from datetime import timedelta

from django.conf import settings

from canonical import sql
from retailsync.celery import app
from retailsync.partners import asks
from retailsync.sync import (
    alarms,
    bell,
    cases,
    clock,
    inbox,
    notices,
    polling,
    publishing,
    pulse,
    replaying,
    sending,
    stock,
    transient,
    watching,
)
from retailsync.sync.models import Cursor

LOOKING = timedelta(seconds=5)  # one sweep looks at orders whose time has come for so long; the next one goes on


@app.task(name=inbox.TASK)
def drain_inbox(system_id: int) -> None:
    """Carry one system's messages along the corridor."""
    inbox.drain(system_id)


@app.task(name=sending.TASK)
def drain_outbox(system_id: int) -> None:
    """Send what waits for one system."""
    sending.drain(system_id)


@app.task(name=stock.TASK)
def reckon_stock(_: int = 0) -> None:
    """Reckon what may be sold of what was touched."""
    stock.drain(linger=True)


@app.task(name=publishing.TASK)
def publish_stock(system_id: int) -> None:
    """Bring one shop's stock figures in line with ours."""
    publishing.publish(system_id)


@app.task(name=publishing.RUN)
def publish_run(system_id: int, kind: str = "full", by: str = "") -> None:
    """One scheduled run over a shop's stock figures: `full` reads all of them, `delta` looks at what should have changed."""
    publishing.run(system_id, kind, by)


@app.task(name="sync.prove_stock")
def prove_stock() -> None:
    """Compare every stock level with its counts and movements."""
    stock.prove(clock.now())


@app.task(name="sync.poll")
def poll() -> None:
    """Ask for a poll of every feed that is due, each by itself: a slow one keeps no other waiting."""
    for cursor in polling.due():
        poll_feed.delay(cursor)


@app.task(name="sync.poll_feed", expires=60)
def poll_feed(cursor_id: int) -> None:
    """Poll one feed."""
    for system, feed in Cursor.objects.filter(pk=cursor_id).values_list("system_id", "feed"):
        polling.poll(system, feed)


@app.task(name="sync.watch")
def watch() -> None:
    """Ask for a look at the webhooks of every system that keeps some for us, each by itself."""
    for system in watching.watched():
        watch_system.delay(system)


@app.task(name="sync.watch_system", expires=300)
def watch_system(system_id: int) -> None:
    """Look after one system's webhooks."""
    watching.watch(system_id, settings.PUBLIC_URL)


@app.task(name="sync.sweep")
def sweep() -> None:
    """Find every row no bell rang for, and ring."""
    now = clock.now()
    while alarms.ring(now) and clock.now() - now < LOOKING:
        pass
    notices.hold_back(now)
    transient.repeat(cases.settle_groups)
    stock.watch(now)
    transient.repeat(lambda: asks.raise_overdue(now))
    sql.fetch("UPDATE sync_message SET state = 'received' WHERE state = 'waiting' AND not_before <= %s", (now,))
    for (system,) in sql.fetch("SELECT DISTINCT system_id FROM sync_message WHERE state = 'received'"):
        bell.ring(inbox.TASK, system)
    for (system,) in sql.fetch(
        "SELECT DISTINCT system_id FROM sync_command WHERE (state = 'waiting' AND not_before <= %s)"
        " OR (state = 'sending' AND lease_until < clock_timestamp())",
        (now,),
    ):
        bell.ring(sending.TASK, system)
    for (replay,) in sql.fetch("SELECT id FROM sync_replay WHERE state IN ('previewing', 'running')"):
        bell.ring(replaying.TASK, replay)


@app.task(name="sync.pulse", expires=60)
def reckon_pulse() -> None:
    """Reckon the newest tallies of the first page."""
    pulse.reckon(clock.now())
