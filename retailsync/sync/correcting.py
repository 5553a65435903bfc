"""A message nobody understood is corrected by a person. The original is kept as it came; the corrected one enters by the inbox."""

import hashlib

import msgspec

from retailsync.sync import cases, clock, inbox, transient
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Action, Case, Message

#: Reasons a correction can settle.
REASONS = ("malformed", "unknown_topic", "conflict", "missing")


def correct(case_id: int, body: bytes, who: str, why: str) -> Message:
    """Put a corrected message in the place of the one this exception is about, and carry it along the corridor. Raises NotPossible.

    Returns the corrected one: done, or parked again with its own exception.
    """
    if not why:
        raise NotPossible("say what is wrong with it, and how you know what is right.")
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise NotPossible(f"this is not JSON: {error}.") from error
    return transient.atomically(lambda: _correct(case_id, body, who, why))


def _correct(case_id: int, body: bytes, who: str, why: str) -> Message:
    case = Case.objects.select_for_update().filter(pk=case_id, closed_at=None, target_kind="message").first()
    row = Message.objects.select_for_update().filter(pk=case.target_id, state="parked").first() if case else None
    if row is None:
        raise NotPossible("it is settled already.")
    if body == bytes(row.body):
        raise NotPossible("nothing in it was corrected. To have it read again as it is, release it.")
    fresh = Message.objects.create(
        system_id=row.system_id, topic=row.topic, about=row.about, body=body, door="person", asked_at=row.asked_at, alone=True,
        corrects=row, dedup_key=hashlib.sha256(b"corrects %d:" % row.pk + body).digest(),
    )  # fmt: skip
    words = f"Corrected by {who}: see message #{fresh.pk}."
    Message.objects.filter(pk=row.pk).update(state="done", done_at=clock.now(), words=words)
    Action.objects.create(who=who, what="correct", target_kind="message", target_id=row.pk, why=why)
    cases.close("message", [row.pk], who)
    inbox.again(row.system_id, [fresh.pk])
    fresh.refresh_from_db()
    return fresh
