"""Development keys are made once; production brings its own."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from retailsync.platform import keys, secrets
from retailsync.platform.trouble import Trouble


def test_a_key_is_made_once_and_private(tmp_path: Path) -> None:
    first = keys.secret_key({}, tmp_path, production=False)
    assert keys.secret_key({}, tmp_path, production=False) == first
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("secret_key", 0o600)]


def test_production_must_bring_its_keys(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match=r"^RETAILSYNC_SECRET_KEY must be set"):
        keys.secret_key({}, tmp_path, production=True)
    with pytest.raises(Trouble, match=r"^RETAILSYNC_KEYS must be set"):
        keys.encryption_keys({}, tmp_path, production=True)


def test_a_key_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match=r"^RETAILSYNC_KEYS: key 'k2' is no Fernet key"):
        keys.encryption_keys({"RETAILSYNC_KEYS": f"k1:{new()},k2:short"}, tmp_path, production=True)


def new() -> str:
    return Fernet.generate_key().decode()


def test_a_secret_survives_a_new_key_until_it_is_sealed_again(settings: object) -> None:
    settings.RETAILSYNC_KEYS = {"old": new()}  # type: ignore[attr-defined]
    sealed = secrets.seal("hunter2")
    settings.RETAILSYNC_KEYS = {"new": new(), **settings.RETAILSYNC_KEYS}  # type: ignore[attr-defined]
    assert secrets.unseal(sealed) == "hunter2"
    assert (secrets.stale(sealed), secrets.stale(secrets.seal("hunter2"))) == (True, False)


def test_a_secret_without_its_key_says_which(settings: object) -> None:
    settings.RETAILSYNC_KEYS = {"old": new()}  # type: ignore[attr-defined]
    sealed = secrets.seal("hunter2")
    settings.RETAILSYNC_KEYS = {"new": new()}  # type: ignore[attr-defined]
    with pytest.raises(Trouble, match="'old', which RETAILSYNC_KEYS no longer holds"):
        secrets.unseal(sealed)
