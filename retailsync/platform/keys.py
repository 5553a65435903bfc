"""The keys of a development machine: made once, kept in `.local/`. Production brings its own."""

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.fernet import Fernet

from retailsync.platform.trouble import Trouble


def secret_key(environ: Mapping[str, str], local: Path, production: bool) -> str:
    """Django's signing key: RETAILSYNC_SECRET_KEY, else a generated one."""
    return _given_or_made("RETAILSYNC_SECRET_KEY", environ, local / "secret_key", production, secrets.token_urlsafe)


def encryption_keys(environ: Mapping[str, str], local: Path, production: bool) -> dict[str, str]:
    """RETAILSYNC_KEYS, `id:key,id:key`: the first encrypts, all decrypt. Keys are Fernet keys."""
    text = _given_or_made("RETAILSYNC_KEYS", environ, local / "keys", production, _first_key)
    pairs = [pair.strip().partition(":") for pair in text.split(",")]
    for name, _, key in pairs:
        _require_usable(name, key)
    return {name: key for name, _, key in pairs}


def _first_key() -> str:
    return f"k1:{Fernet.generate_key().decode()}"


def _require_usable(name: str, key: str) -> None:
    try:
        Fernet(key)
    except ValueError as error:
        raise Trouble(f"RETAILSYNC_KEYS: key {name!r} is no Fernet key (id:key,id:key).") from error


def _given_or_made(
    variable: str,
    environ: Mapping[str, str],
    path: Path,
    production: bool,
    make: Callable[[], str],
) -> str:
    if given := environ.get(variable):
        return given
    if production:
        raise Trouble(f"{variable} must be set when RETAILSYNC_ENV=production.")
    return read_or_make(path, make)


def read_or_make(path: Path, make: Callable[[], str]) -> str:
    """The file's text; a missing file is made whole, mode 600, and only one maker wins."""
    if not path.exists():
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        mine = path.with_name(f"{path.name}.{os.getpid()}")
        with open(os.open(mine, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(make())
        try:
            os.link(mine, path)
        except FileExistsError:
            pass  # another process was first: its key counts
        finally:
            mine.unlink()
    return path.read_text()
