"""Values as people read them: times, money, links, bodies. Everything from outside is escaped. Asks the database nothing."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit

import msgspec
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

NOTHING = "–"
LONGEST = 200_000  # characters of a body that are shown
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_STEPS = ((86_400, "d"), (3600, "h"), (60, "min"))

#: States as people read them → good, warn or bad.
TONES = {
    "done": "good", "confirmed": "good", "completed": "good", "live": "good", "accepted": "good", "parked": "bad", "in doubt": "bad",
    "on hold": "bad", "rejected": "bad", "waiting": "warn", "sending": "warn", "waits for something missing": "warn",
    "in fulfilment": "warn", "released": "warn", "paused": "warn", "cancellation asked for": "warn", "cancellation refused": "bad",
    "asked, not answered": "warn",
}  # fmt: skip
PAYMENT_TONES = {"paid": "good", "nothing to pay": "good", "refunded": "", "unpaid": "bad"}
#: Stages after which nothing is left to hold.
ENDED = frozenset({"completed", "cancelled", "partially_cancelled"})
#: What systems hold of ours, in words.
POSTINGS = {
    "customer": "Customer", "sales_order": "Sales order", "rounding": "Rounding line", "goods_issue": "Goods issue",
    "fulfilment_request": "Fulfilment request", "tracking": "Tracking shown", "completion": "Order completed",
    "amendment": "Change of the sales order", "request_change": "Change of the request", "reminder": "Reminder to pay",
    "shop_cancellation": "Cancelled in the shop",
}  # fmt: skip
#: What a warehouse is asked to do with a request it knows.
CHANGES = {"amend": "change it", "cancel": "cancel", "hold": "hold it", "resume": "go on"}
#: Why a warehouse was asked.
PURPOSES = {
    "original": "the order",
    "backorder": "the rest, later",
    "reship": "shipped once more",
    "exchange": "an exchange",
}
PAYMENTS = {"capture": "Paid", "authorise": "Reserved", "gift_card": "Gift card", "store_credit": "Store credit"}
ERP_STATES = {"created": "draft", "confirmed": "booked", "cancelled": "cancelled there"}
#: Pages of our own subjects: ledger and link words → admin page.
PAGES = {
    "order": "canonical_order", "sku": "canonical_sku", "customer": "canonical_customer", "product": "canonical_product",
    "location": "canonical_location", "shipment": "canonical_shipment", "system": "canonical_system", "message": "sync_message",
    "command": "sync_command", "exchange": "sync_attempt", "case": "sync_case", "entry": "canonical_entry",
    "stock_level": "canonical_stocklevel", "stock_movement": "canonical_stockmovement", "stock_source": "canonical_stocksource",
    "snapshot": "canonical_stocksnapshot", "offer": "canonical_offer", "listing": "canonical_listing", "oversell": "canonical_oversell",
    "publication": "canonical_publication", "rule": "canonical_availabilityrule", "availability": "canonical_availabilityrule",
    "sourcing": "canonical_sourcing", "group": "sync_group", "replay": "sync_replay", "subscription": "partners_subscription",
    "inbound_shipment": "canonical_inboundshipment", "return": "canonical_return",
}  # fmt: skip
#: Causes the database notes by the name of a table, cut to its column.
CAUSES = {"availability": "rule", "kitcomponent": "kit"}


def ago(at: datetime, now: datetime | None = None) -> str:
    """How long ago, in one unit."""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    size, unit = next(((s, u) for s, u in _STEPS if abs(seconds) >= s), (1, "s"))
    count = f"{int(abs(seconds) // size)} {unit}"
    return f"in {count}" if seconds < 0 else f"{count} ago"


def when(at: datetime | None, *, relative: bool = False) -> str | SafeString:
    """An instant: the browser shows it in the reader's zone, hovering shows exact UTC."""
    if not at:  # None, or what a template makes of a missing row
        return NOTHING
    at = at.astimezone(UTC)
    since = format_html('<span class="rs-ago">{}</span> ', ago(at)) if relative else ""
    return format_html(
        '<time class="rs-when" datetime="{}" title="{}">{}<span class="rs-exact">{}</span></time>',
        at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S.%f} UTC", since, f"{at:%d %b %Y, %H:%M}",
    )  # fmt: skip


def money(amount: Decimal | None, currency: str = "") -> str:
    """An amount with its currency; never fewer than two decimals unless the currency has none."""
    if amount is None:
        return NOTHING
    least = 0 if currency in ("JPY", "KRW", "VND", "ISK", "CLP", "HUF") and amount == amount.to_integral() else 2
    exact = amount.normalize()
    places = max(least, -int(exact.as_tuple().exponent)) if exact.is_finite() else least
    return f"{amount:,.{places}f} {currency}".strip()


def link(kind: str, id: int | None, text: object) -> str | SafeString:
    """A link to one of our pages, or just the text where there is none."""
    if id is None or kind not in PAGES:
        return str(text)
    return format_html('<a class="rs-link" href="{}">{}</a>', reverse(f"admin:{PAGES[kind]}_change", args=[id]), text)


def outside(url: str, text: str) -> str | SafeString:
    """A link out of the console. Only web addresses: a partner's data may hold anything, `javascript:` too."""
    if not text and not url:
        return NOTHING
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in ("http", "https"):
        return text or url
    return format_html(
        '<a class="rs-link" href="{}" target="_blank" rel="noopener noreferrer nofollow">{}</a>', url, text or url
    )


def badge(text: object, tone: str = "") -> SafeString:
    """A word with a colour: good, warn, bad, or the one its meaning has."""
    tone = tone or TONES.get(str(text), "")
    return format_html('<span class="rs-badge {}">{}</span>', f"rs-{tone}" if tone else "", text)


def plain(code: object) -> str:
    """`CreateOrder` or `goods_issue` as words."""
    return _CAMEL.sub(" ", str(code)).replace("_", " ").capitalize()


def posting(kind: str) -> str:
    """What a system holds of ours, in words."""
    return POSTINGS.get(kind, plain(kind))


def pretty(body: bytes | memoryview | str) -> str:
    """A body as text: indented where it is JSON (its numbers and keys as they came), else untouched; cut where it is very long."""
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    with suppress(msgspec.DecodeError, RecursionError):  # not JSON: shown as it came
        raw = msgspec.json.format(raw, indent=2)
    text = raw.decode("utf-8", "backslashreplace")
    more = len(text) - LONGEST
    return text if more <= 0 else f"{text[:LONGEST]}\n… {more:,} more characters are not shown."
