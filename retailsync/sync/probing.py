"""Ask a system something harmless now, and say what was asked, what came back and how long it took. Sends nothing that waits."""

import time
from dataclasses import dataclass, field

from connectors.errors import SyncError
from retailsync.sync import bell, clock, confirming, gates, outbox, systems
from retailsync.sync.models import Gate

DEADLINE = 5.0  # seconds in all: somebody waits for the page


@dataclass(slots=True)
class Probe:
    """What came of it. `exchanges` are the ids of what was stored."""

    answered: bool = False
    words: str = ""
    detail: str = ""
    seconds: float = 0.0
    exchanges: list[int] = field(default_factory=list)


def probe(system_id: int) -> Probe:
    """One round trip with a system's own settings and secrets, outside any transaction. Who answers is spoken to again at once."""
    found, began = Probe(), time.monotonic()
    http = None
    try:
        visit = systems.visit(system_id)
        if visit.connector.probe is None:
            found.words = f"{visit.connector.title} has nothing that could be asked."
            return found
        session, http = visit.session(DEADLINE)
        found.words, found.answered = visit.connector.probe(session), True
    except SyncError as error:
        found.words, found.detail = error.words, error.detail
    found.seconds = time.monotonic() - began
    found.exchanges = confirming.store_exchanges(system_id, http.exchanges) if http else []
    if found.answered:
        Gate.objects.get_or_create(system_id=system_id)
        gates.passed(system_id, clock.now())
        bell.ring(outbox.TASK, system_id)
    return found
