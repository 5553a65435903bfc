"""Celery tasks of the partner API."""

from retailsync.celery import app
from retailsync.partners import idempotency


@app.task(name="partners.forget_answers")
def forget_answers() -> None:
    """Answers kept for repetitions that will not come any more."""
    idempotency.forget_old()
