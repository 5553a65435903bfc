"""Database errors that pass: deadlock and serialization (40), shut-down (57), lost connection (08), and a unique key somebody else
took a moment ago (23505, where a repetition finds the row). They repeat the work and never park anyone."""

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import connection, transaction
from django.db.utils import Error as DatabaseError
from django.db.utils import InterfaceError

T = TypeVar("T")
_PASSING = ("40", "57", "08")
_REPEATS = 4


def passes(error: BaseException) -> bool:
    """Whether this database error says nothing about the work itself."""
    code = getattr(error.__cause__, "pgcode", None) or ""
    lost = isinstance(error, InterfaceError) or (isinstance(error, DatabaseError) and not code)
    return lost or code[:2] in _PASSING or code == "23505"


def waited(error: BaseException) -> bool:
    """Whether a lock was waited for, or a statement took, longer than the transaction allows itself."""
    return getattr(error.__cause__, "pgcode", None) in ("55P03", "57014")


def repeat(do: Callable[[], T]) -> T:
    """Do it; where a passing error stops it, do it again on a healthy connection, a few times."""
    for turn in range(_REPEATS - 1):
        try:
            return do()
        except DatabaseError as error:
            if not passes(error) or connection.in_atomic_block:
                raise
            connection.close_if_unusable_or_obsolete()
            time.sleep(0.05 * 2**turn)
    return do()


def atomically(do: Callable[[], T]) -> T:
    """Do it in one transaction; where a passing error stops it, do all of it again."""

    def whole() -> T:
        with transaction.atomic():
            return do()

    return repeat(whole)
