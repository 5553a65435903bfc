"""A hundred thousand rows pass through a few megabytes of memory, and half of them are never taken for all."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from canonical.facts import CountsCompleted, CountsStated

from .house import NAME, House

ROWS = 100_000
STOCK = {f"SKU-{n:06}": n % 97 - 3 for n in range(ROWS)}


def measured(root: Path, rows: int) -> tuple[int, int]:
    """Deliveries, and the most memory a process held meanwhile, in kB."""
    command = [sys.executable, "-m", "tests.connectors.files.measure", str(root), str(rows)]
    said = subprocess.run(command, check=True, capture_output=True, timeout=120)
    deliveries, memory = said.stdout.split()
    return int(deliveries), int(memory)


def test_memory_does_not_grow_with_the_file(root: Path) -> None:
    (few, small), (many, large) = measured(root, 1_000), measured(root, ROWS)
    assert (few, many) == (2, 101)
    assert large - small < 20_000  # a page, and what tells SKUs apart while the file is checked


def test_every_row_is_handed_out_once(house: Callable[..., House]) -> None:
    acme = house()
    acme.writer.drop(NAME, STOCK)
    assert acme.poll() == ""
    parts = {f.part: f.rows for f in acme.facts() if isinstance(f, CountsStated)}
    assert sorted(parts) == list(range(1, 101))
    assert {row.sku: row.on_hand for n in sorted(parts) for row in parts[n]} == STOCK
    assert [(f.parts, f.rows) for f in acme.facts() if isinstance(f, CountsCompleted)] == [(100, ROWS)]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("at_a_line_end", [True, False])
def test_a_part_of_it_is_not_the_whole(house: Callable[..., House], share: float, at_a_line_end: bool) -> None:
    acme = house()
    whole = acme.writer.content(STOCK)
    cut = whole.index(b"\n", int(len(whole) * share)) + (1 if at_a_line_end else -3)
    acme.writer.drop(NAME, whole, cut=cut)
    assert ("is cut off" if at_a_line_end else "ends in the middle of this line") in acme.poll()
    assert (acme.heard, acme.held()["error"]) == ({}, [NAME, f"{NAME}.why.txt"])
