"""Which Redis program is used."""

from pathlib import Path

import pytest

from retailsync.platform import redis
from retailsync.platform.trouble import Trouble


def test_the_one_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "valkey-server").write_text("#!/bin/sh\n")
    (tmp_path / "valkey-server").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis.binary() == tmp_path / "valkey-server"


def test_without_any_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(redis, "find_spec", lambda name: None)
    with pytest.raises(Trouble, match=r"^Redis is missing: install redis-server or valkey-server, or set REDIS_URL"):
        redis.binary()
