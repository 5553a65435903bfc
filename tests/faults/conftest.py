"""One house for all tests that kill its parts: what a test broke is mended before the next."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.house import House

RUNNING = ("web", "inbox", "send", "polls", "sweep", "beat")


@pytest.fixture(scope="module")
def building() -> Iterator[House]:
    """Everything starts once: that is what takes longest."""
    folder = Path(tempfile.mkdtemp(prefix="retailsync-house-"))
    folder.chmod(0o755)  # PostgreSQL may run as another user
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield House(folder, stack)


@pytest.fixture
def house(building: House) -> House:
    """The house with everything running and nothing bought."""
    for simulator in (building.shop, building.erp, *building.warehouses.values()):
        simulator.faults.clear()
        simulator.seen.clear()
    building.start_servers()
    for name in set(building.programs) - set(RUNNING):
        building.kill(name)
    building.start(*(name for name in RUNNING if not building.runs(name)))
    building.polls_every(3)  # what no webhook told is found soon: tests cannot wait as long as a shop can
    building.subscribe()
    building.placed.clear()
    return building
