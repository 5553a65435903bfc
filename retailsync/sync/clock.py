"""The one clock of the top floor. Leases do not use it: they live on database time."""

from datetime import UTC, datetime


def now() -> datetime:
    """The instant now, in UTC."""
    return datetime.now(UTC)
