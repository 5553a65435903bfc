"""What a row of each mapping table says, decoded strictly, and how a shop's word is looked up. Pure: rows in, meanings out.

A table with rows (for the shop, or for all shops) is complete or asks: a word it lacks is `Unmapped`. One without rows is not in use.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec

from canonical.types import ShopStatus

Short = Annotated[str, msgspec.Meta(max_length=100)]


class Meaning(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Base: an unknown field is refused by name."""


class Shipping(Meaning, frozen=True):
    """A shop's shipping method: who carries it, as the warehouse names it, and perhaps from where it goes. `ships` false: nothing of
    the order goes to a warehouse (pick-up in the shop's own store)."""

    carrier: Short = ""
    service: Short = ""
    location: Short = ""  # code of a location that is asked first
    ships: bool = True


class Payment(Meaning, frozen=True):
    """A shop's payment method: what releases an order, and where the ERP books its money.

    `release`: paid, authorised (reserved is enough), accepted (the shop's own word is enough: cash on delivery, terms).
    """

    release: Literal["paid", "authorised", "accepted"] = "paid"
    grace_minutes: Annotated[int, msgspec.Meta(ge=0, le=10_080)] = 0  # after payment, before anything is sent
    expires_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 0  # unpaid so long: cancelled in the shop; 0 never
    remind_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 0  # unpaid so long: the customer is reminded; 0 never
    authorised_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 7  # how long a reservation holds
    journal: Short = ""
    terms: Short = ""


class Tax(Meaning, frozen=True):
    """A shop's tax, by its code or its rate: the ERP's own tax id or name."""

    erp: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class Place(Meaning, frozen=True):
    """A shop's country or `country:state` as the target systems write it."""

    country: Annotated[str, msgspec.Meta(min_length=2, max_length=2)]
    state: Short = ""


class Status(Meaning, frozen=True):
    """A shop status a plugin invented, in our words."""

    status: ShopStatus


class LineKind(Meaning, frozen=True):
    """What a fee of this name is: a fee, or money of another kind that pays a part of the order."""

    kind: Literal["fee", "gift_card", "store_credit"] = "fee"


class MetaField(Meaning, frozen=True):
    """What a plugin's text on an order says. `fraud`: a non-empty text holds the order."""

    field: Literal["vat_id", "terms", "note", "fraud", "carrier", "service"]


class Article(Meaning, frozen=True):
    """An SKU text of a shop that is none of our codes: the SKU it stands for, by its code."""

    sku: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


SHAPES: Mapping[str, type[Meaning]] = {
    "shipping_method": Shipping, "payment_method": Payment, "tax": Tax, "place": Place, "shop_status": Status, "line_kind": LineKind,
    "meta": MetaField, "sku": Article,
}  # fmt: skip

#: WooCommerce's own offline methods; what a shop's own rows do not name. BACS: seven days, a reminder after five.
PAYMENT_DEFAULTS: Mapping[str, Payment] = {
    "bacs": Payment(expires_days=7, remind_days=5),
    "cheque": Payment(expires_days=14, remind_days=7),
    "cod": Payment(release="accepted"),
    "invoice": Payment(release="accepted"),
}


class Unmapped(Exception):
    """A table in use lacks this word. `kind` names the table."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"{kind} {key}")
        self.kind = kind
        self.key = key


class Tables:
    """All mapping rows of one shop: its own before those for all shops."""

    def __init__(self, rows: Iterable[tuple[str, int | None, str, Any]]) -> None:
        """`rows`: (kind, channel id or None, key, value as stored). A value that is not understood counts as not there."""
        self._found: dict[tuple[str, str], Meaning] = {}
        self._used: set[str] = set()
        for kind, _, key, value in sorted(rows, key=lambda row: row[1] is not None):
            self._used.add(kind)
            try:
                self._found[kind, key.strip().lower()] = msgspec.convert(value, SHAPES[kind])
            except msgspec.ValidationError:
                self._found.pop((kind, key.strip().lower()), None)

    def _look(self, kind: str, *keys: str) -> Any:
        """The meaning of the first of these words that has one; None where the table is not in use. Raises Unmapped."""
        if not self.uses(kind):
            return None
        for key in keys:
            if meaning := self._found.get((kind, key.strip().lower())):
                return meaning
        raise Unmapped(kind, keys[0])

    def uses(self, kind: str) -> bool:
        """Whether the table has rows: then it is complete, or asks."""
        return kind in self._used

    def shipping(self, code: str, title: str) -> Shipping | None:
        """A shipping method by `code:title`, then `code`. Raises Unmapped."""
        meaning: Shipping | None = self._look("shipping_method", *([f"{code}:{title}"] if title else []), code)
        return meaning

    def payment(self, method: str) -> Payment:
        """A payment method's policy; a shop's own default where its table is not in use. Raises Unmapped."""
        if not method:  # nothing was due
            return Payment()
        meaning: Payment | None = self._look("payment_method", method)
        return meaning or PAYMENT_DEFAULTS.get(method.lower(), Payment())

    def tax(self, code: str, rate: str) -> Tax | None:
        """A tax by its code, then its rate (plain digits). Raises Unmapped."""
        meaning: Tax | None = self._look("tax", code or rate, rate)
        return meaning

    def place(self, country: str, state: str) -> Place | None:
        """A country with its state, then the country alone; None where nothing is said of it: places are exceptions, not a list."""
        for key in (f"{country}:{state}", country):
            if meaning := self._found.get(("place", key.lower())):
                return meaning if isinstance(meaning, Place) else None
        return None

    def status(self, text: str) -> Status | None:
        """A shop's own status; None where it is not known."""
        meaning = self._found.get(("shop_status", text.strip().lower()))
        return meaning if isinstance(meaning, Status) else None

    def line_kind(self, name: str) -> LineKind | None:
        """A fee by its name. Raises Unmapped."""
        meaning: LineKind | None = self._look("line_kind", name)
        return meaning

    def sku(self, text: str) -> Article | None:
        """A shop's own SKU text; None where nothing is said of it. Orders are resolved in sets, by the same words
        (recording/catalog.py)."""
        meaning = self._found.get(("sku", text.strip().lower()))
        return meaning if isinstance(meaning, Article) else None

    def meta(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Field → text, of the texts whose key is mapped; others are left alone."""
        found: dict[str, str] = {}
        for key, text in texts.items():
            meaning = self._found.get(("meta", key.strip().lower()))
            if isinstance(meaning, MetaField) and text:
                found[meaning.field] = text
        return found


class Limits(Meaning, frozen=True):
    """What a system cannot take (System.limits); 0 = no limit. Checked before anything is sent to it."""

    reference: int = 0  # characters of our business reference
    name: int = 0  # characters of a person's or company's name
    line: int = 0  # characters of an address line
    city: int = 0
    phone_required: bool = False
    charset: Literal["", "latin-1", "ascii"] = ""  # what its labels can print
    countries: tuple[str, ...] = ()  # where it ships to; empty: everywhere
    street_required: bool = True
    postcode_required: bool = True
