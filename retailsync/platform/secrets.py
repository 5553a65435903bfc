"""Seals what must not stand readable in the database. Knows neither where it is stored nor what it is.

A sealed value is `key id:Fernet token`. The first key of RETAILSYNC_KEYS seals, every key opens; `stale`
tells what to seal again after a new key was put first.
"""

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from retailsync.platform.trouble import Trouble


def seal(plain: str) -> str:
    """Encrypt with the current key."""
    name = _current()
    return f"{name}:{Fernet(settings.RETAILSYNC_KEYS[name]).encrypt(plain.encode()).decode()}"


def unseal(sealed: str) -> str:
    """Decrypt with the key it names. Raises Trouble when that key is gone or is another one."""
    name, _, token = sealed.partition(":")
    if name not in settings.RETAILSYNC_KEYS:
        raise Trouble(f"A secret was sealed with key {name!r}, which RETAILSYNC_KEYS no longer holds.")
    try:
        return Fernet(settings.RETAILSYNC_KEYS[name]).decrypt(token).decode()
    except InvalidToken as error:
        raise Trouble(f"A secret does not open with key {name!r}: RETAILSYNC_KEYS holds another key.") from error


def stale(sealed: str) -> bool:
    """Whether it was sealed with a key that is no longer the current one."""
    return sealed.partition(":")[0] != _current()


def _current() -> str:
    return next(iter(settings.RETAILSYNC_KEYS))
