"""`Idempotency-Key`: a call that is repeated is answered like the first time, and does nothing more.

The answer is stored by the transaction that does what was asked, so there is no answer without the deed and no deed without the answer.
Who comes while the first call is under way is told so at once, by a lock that ends with its transaction: nothing is left over by a crash.
"""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from django.db import transaction

from canonical import sql
from connectors.partner.reading import Wrong
from retailsync.partners import problems

LONGEST = 255
_LOCK = 0x5243  # the first number of advisory locks on keys


class Answer(NamedTuple):
    """What a POST is answered; `replayed`: it was done before, and nothing was done now."""

    status: int
    body: Any
    replayed: bool = False


def key_of(meta: dict[str, Any]) -> str:
    """The call's key, empty where it has none. Raises Wrong."""
    key: str = meta.get("HTTP_IDEMPOTENCY_KEY", "")
    if len(key) > LONGEST or "\x00" in key:
        raise Wrong("Idempotency-Key", f"must not be longer than {LONGEST} characters")
    return key


def once(system_id: int, key: str, asked: tuple[str, bytes], do: Callable[[], Answer]) -> Answer:
    """Do it in one transaction; with a key, once for all. `asked` is (method and address, body). Raises Problem."""
    with transaction.atomic():
        if not key:
            return do()
        mark = _mark(asked)
        _take(system_id, key)
        if (before := _kept(system_id, key, mark)) is not None:
            return before
        answer = do()
        sql.insert(
            "partners_answered",
            {"system_id": "bigint", "key": "text", "digest": "bytea", "status": "integer", "body": "text"},
            [(system_id, key, mark, answer.status, msgspec.json.encode(answer.body).decode())],
        )
        return answer


def kept(system_id: int, key: str, asked: tuple[str, bytes]) -> Answer | None:
    """What this very call was answered before. Raises Problem where the key was used for another one."""
    return _kept(system_id, key, _mark(asked))


def _mark(asked: tuple[str, bytes]) -> bytes:
    return hashlib.sha256(asked[0].encode() + b"\n" + asked[1]).digest()


def _take(system_id: int, key: str) -> None:
    """Hold the key until the transaction ends, or say that somebody else does."""
    ((taken,),) = sql.fetch("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, f"{system_id}:{key}"))
    if not taken:
        raise problems.Problem("in_progress", "An earlier call with this Idempotency-Key is under way.", after=1)


def _kept(system_id: int, key: str, mark: bytes) -> Answer | None:
    rows = sql.fetch(
        "SELECT digest, status, body FROM partners_answered WHERE system_id = %s AND key = %s", (system_id, key)
    )
    if not rows:
        return None
    ((before, status, body),) = rows
    if bytes(before) != mark:
        raise problems.Problem("key_reused", "This Idempotency-Key was used for another call.")
    return Answer(status, msgspec.json.decode(body), replayed=True)


def forget_old(days: int = 7) -> int:
    """Answers older than this are gone; returns how many. Repetitions come within minutes, or after an outage within days."""
    rows = sql.fetch(
        "DELETE FROM partners_answered WHERE created_at < now() - make_interval(days => %s) RETURNING 1", (days,)
    )
    return len(rows)
