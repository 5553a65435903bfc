"""One worker process of the product: the real drain of one kind for one system, whenever its bell has rung.

`python -m benchmarks.worker inbox|send SYSTEM`. Stands in for a Celery child, whose own cost is one task per drain (~1 ms).
"""

import sys
import time

import django

from benchmarks import turns

SWEEP = 0.5  # seconds without a bell after which it looks anyway, as the sweep would


def main(kind: str, system: int) -> None:
    """Drain until told to end."""
    django.setup()
    from retailsync.sync import bell, inbox, sending

    drain, task = (inbox.drain, inbox.TASK) if kind == "inbox" else (sending.drain, sending.TASK)
    looked = 0.0

    def turn() -> int:
        nonlocal looked
        rung = bell._client.exists(bell._key(task, system))
        if not rung and time.monotonic() - looked < SWEEP:
            return 0
        looked = time.monotonic()
        return drain(system)

    turn()  # opens what is kept open
    turns.serve(turn)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
