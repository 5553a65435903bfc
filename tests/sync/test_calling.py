"""One call of a connector and what is made of its answers. Needs no database."""

from connectors.base import Job, Send
from connectors.errors import Refused
from retailsync.sync import calling, outbox
from tests.facts import NOON


def test_a_send_that_answers_none_is_no_confirmation() -> None:
    """None means "not there" to a look only; from a send it was taken for a receipt."""
    claimed = outbox.Claimed(1, "ConfirmOrder", "confirm:1", None, 0, False, NOON, None)
    send = Send(lambda session, jobs: [None for _ in jobs], "idempotent")  # type: ignore[misc]
    (outcome,) = calling.carry_out(None, send, [(claimed, Job(1, "confirm:1", None))])
    assert isinstance(outcome.error, Refused)
    assert outcome.error.reason == "no_receipt"
