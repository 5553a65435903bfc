"""Where the reader is: the browser names its zone in a cookie, and what people type without a zone is meant there."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest


def zone(request: HttpRequest) -> tzinfo:
    """The reader's zone; UTC where nobody said."""
    try:
        return ZoneInfo(request.COOKIES.get("rs_zone", "UTC").replace("%2F", "/"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def instant(text: str, where: tzinfo) -> datetime | None:
    """An instant somebody typed or linked, in UTC; None where it is none."""
    try:
        typed = datetime.fromisoformat(text.strip().replace(" ", "T").replace("Z", "+00:00"))
        return (typed if typed.tzinfo else typed.replace(tzinfo=where)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
