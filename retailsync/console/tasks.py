"""The console's own Celery task: a replay needs to know how to put a cause right, and the forms for that live here."""

from retailsync.celery import app
from retailsync.console import fixes
from retailsync.sync import replaying


@app.task(name=replaying.TASK)
def replay(replay_id: int) -> None:
    """Preview a replay or carry it out, as far as one worker's time goes."""
    replaying.work(replay_id, fixes.of)
