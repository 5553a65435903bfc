"""Single fields of WooCommerce's JSON, understood or Malformed in plain words. Pure; knows no order and no product."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from canonical.facts import Fact
from canonical.types import Address
from connectors.base import Malformed
from connectors.woocommerce.wire import Number, Postal, Text, WireAddress

LARGEST = Decimal(10) ** 12  # no order is worth more; keeps 1e400 out of the arithmetic
FINEST = -20  # decimals
MOST_UNITS = 2**31 - 1  # nobody has more of anything
BOM = b"\xef\xbb\xbf"

W = TypeVar("W")


# ---- bytes → wire -----------------------------------------------------------------------------------------------------------
def decoded(body: bytes, decoder: "msgspec.json.Decoder[W]", what: str) -> W:
    """Decode a body; Malformed in plain words. A byte order mark is tolerated, escaped NULs are dropped from texts."""
    try:
        if body.startswith(BOM):
            body = body[3:]
        if b"\\u0000" in body:
            body = msgspec.json.encode(_without_nul(msgspec.json.decode(body)))
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Malformed(f"The shop's {what} is not as expected: {error}.") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Malformed(f"The shop's {what} is not readable JSON: {error}.") from error
    except RecursionError as error:
        raise Malformed(f"The shop's {what} is nested too deeply.") from error


def _without_nul(value: Any) -> Any:
    """PostgreSQL stores no NUL in text, and nothing is lost without it."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {_without_nul(k): _without_nul(v) for k, v in value.items()}
    return [_without_nul(v) for v in value] if isinstance(value, list) else value


# ---- single fields ----------------------------------------------------------------------------------------------------------
def ident(value: Any, field: str) -> str:
    """A positive id as a string of digits; empty for 0, null or missing."""
    text = str(value).strip() if isinstance(value, int | str) else ""
    if text in ("", "0"):
        return ""
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        raise Malformed(f"{field} should be a number, but is “{text[:40]}”.")
    return text


def needed(value: Any, field: str) -> str:
    """An id that has to be there."""
    if not (text := ident(value, field)):
        raise Malformed(f"{field} is missing.")
    return text


def text(value: Text) -> str:
    """Plain text of whatever a plugin sent."""
    if type(value) is str:
        return value.strip()
    return "" if value is None else str(value)


def money(value: Number, field: str, *, negative: bool = False) -> Decimal:
    """An amount. WooCommerce writes “12.50”; an empty text is nothing."""
    if value is None or value == "":
        return Decimal(0)
    try:
        amount = Decimal(value if type(value) is str else str(value))
    except InvalidOperation:
        raise Malformed(f"{field} should be an amount like 12.50, but is “{str(value)[:40]}”.") from None
    if not amount.is_finite() or abs(amount) >= LARGEST or not FINEST <= int(amount.as_tuple().exponent) <= 12:
        raise Malformed(f"{field} should be an amount like 12.50, but is “{str(value)[:40]}”.")
    if amount < 0 and not negative:
        raise Malformed(f"{field} should not be negative, but is {amount}.")
    return amount


def stated(value: Number, field: str) -> Number:
    """A figure that has to be there."""
    if value is None or value == "":
        raise Malformed(f"{field} is missing.")
    return value


def units(value: Number, field: str) -> int:
    """A whole quantity. Shops that sell by weight need a unit of measure first."""
    amount = money(stated(value, field), field)
    if amount != amount.to_integral_value():
        raise Malformed(f"{field} should be a whole number, but is {amount}.")
    return int(amount)


def whole(value: Any) -> int | None:
    """A whole number however it is written (12, "12", "12.0"); None for anything else."""
    if type(value) is not int:
        try:
            amount = Decimal(str(value).strip()) if isinstance(value, str | float) else Decimal("NaN")
        except InvalidOperation:
            return None
        if not amount.is_finite() or abs(amount) > MOST_UNITS or amount != amount.to_integral_value():
            return None
        value = int(amount)
    return value if abs(value) <= MOST_UNITS else None


def instant(value: str | None, field: str) -> datetime | None:
    """A `_gmt` date: UTC, without an offset in the text."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed(f"{field} should be a date like 2026-01-31T12:00:00, but is “{value[:40]}”.") from None


def seconds(moment: datetime | None) -> int:
    """The version of a snapshot: WooCommerce has none but `date_modified_gmt`, at 1 s resolution."""
    return max(0, math.floor(moment.timestamp())) if moment else 0


def address(said: Postal) -> Address:
    """A postal address; PHP writes an empty one as `[]`."""
    if not isinstance(said, WireAddress):
        return Address()
    return Address(
        first_name=text(said.first_name),
        last_name=text(said.last_name),
        company=text(said.company),
        line1=text(said.address_1),
        line2=text(said.address_2),
        postcode=text(said.postcode),
        city=text(said.city),
        state=text(said.state),
        country=text(said.country).upper(),
        phone=text(said.phone),
        email=text(said.email),
    )


def only_an_error(code: Text, what: str) -> Sequence[Fact]:
    """A signed webhook may carry an error object, when its subject vanished first. It names no id: nothing to say."""
    if code in (None, ""):
        raise Malformed(f"The {what}'s id is missing.")
    return ()


def modified_or_created(modified: str | None, created: str | None, what: str) -> datetime | None:
    """When something was last changed; when it came about where that is not said."""
    return instant(modified, f"date_modified_gmt of {what}") or instant(created, f"date_created_gmt of {what}")
