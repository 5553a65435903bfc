"""A root of its own for every test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .house import House


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETAILSYNC_FILES", str(tmp_path / "files"))
    return tmp_path / "files"


@pytest.fixture
def house(root: Path) -> Callable[..., House]:
    """Another profile by its differences."""
    return lambda **profile: House(root, **profile)
