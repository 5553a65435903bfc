"""Orders whose time has come are planned again: payment that is overdue, a grace period that ended, an ERP nobody waits for any longer."""

import logging
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from canonical import sql
from canonical.ledger import Cause
from retailsync.sync import corridor, transient

AGAIN = timedelta(minutes=10)  # after which an order is looked at again should its plan fail
_log = logging.getLogger(__name__)


def ring(now: datetime, limit: int = 200) -> int:
    """Plan up to `limit` orders whose alarm is due; returns how many. Their alarms are put off first and committed, so that one order
    whose plan fails keeps none of the others waiting; a plan sets the next alarm."""
    ids = transient.repeat(partial(_due, now, limit))
    cause = Cause("clock", int(now.timestamp()))
    try:
        transient.repeat(partial(_plan, ids, cause, now))
    except Exception:  # noqa: BLE001  the work state machine: which order it was is found out one by one
        _log.warning("alarms repeated one by one", exc_info=True, extra={"orders": len(ids)})
        for id in ids:
            _alone(id, cause, now)
    return len(ids)


def _due(now: datetime, limit: int) -> list[int]:
    with transaction.atomic():
        rows = sql.fetch(
            """UPDATE canonical_order t SET look_at = %s FROM (SELECT id FROM canonical_order WHERE look_at <= %s
                 ORDER BY look_at, id LIMIT %s FOR UPDATE SKIP LOCKED) d WHERE t.id = d.id RETURNING t.id""",
            (now + AGAIN, now, limit),
        )
    return sorted(id for (id,) in rows)


def _plan(ids: list[int], cause: Cause, now: datetime) -> None:
    with transaction.atomic():
        corridor.replan(ids, cause, now)


def _alone(id: int, cause: Cause, now: datetime) -> None:
    try:
        transient.repeat(partial(_plan, [id], cause, now))
    except Exception as error:
        if transient.passes(error):
            raise
        _log.exception("an order cannot be planned", extra={"order": id})
