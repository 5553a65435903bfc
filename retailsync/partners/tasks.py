"""Celery tasks of the partner API: they carry ids only."""

from retailsync.celery import app
from retailsync.partners import feed, idempotency
from retailsync.partners.webhooks import delivering, fanning, subscribing


@app.task(name="partners.forget_answers")
def forget_answers() -> None:
    """Answers kept for repetitions that will not come any more, and deliveries of long ago."""
    idempotency.forget_old()
    fanning.forget_old()


@app.task(name=feed.TASK)
def fan_out(system_id: int) -> None:
    """Put out one partner's new events to its webhooks."""
    fanning.fan_out(system_id)


@app.task(name=subscribing.TASK)
def deliver(subscription_id: int) -> None:
    """Send what is due to one webhook."""
    delivering.drain(subscription_id)
