"""What an order needs of Odoo's own set-up: taxes, payment terms, pricelist by currency, products for charges, places by code.

Everything is looked up once per call for the whole batch; nothing is remembered between calls, so a corrected set-up counts at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import msgspec

from canonical.types import Address, Tax
from connectors.base import Session
from connectors.errors import Misconfigured, Refused, SyncError
from connectors.odoo.loading import load_once
from connectors.odoo.transport import Link, Text, call, reading, release, search

NAMES = {"shipping": "Shipping", "fee": "Fee", "rounding": "Rounding"}
FREE = Decimal("0.0000000001")  # how finely a price is stated where Odoo does not round prices


class NamedRow(msgspec.Struct):
    id: int
    name: Text


class TaxRow(NamedRow):
    amount: Decimal
    amount_type: str
    price_include: bool


class PartnerRow(NamedRow):
    ref: Text


class CurrencyRow(msgspec.Struct):
    """A company or a pricelist."""

    id: int
    currency_id: Link


class ProductRow(msgspec.Struct):
    id: int
    default_code: Text


class CodeRow(msgspec.Struct):
    """A country."""

    id: int
    code: str


class StateRow(msgspec.Struct):
    id: int
    code: str
    country_id: Link


class FieldRow(msgspec.Struct):
    """A field's definition: total and fractional digits, or false where numbers are kept as they are."""

    digits: tuple[int, int] | Literal[False] | None = None


# ---- by id or name ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Named:
    """Records people name in a mapping or a setting: by id, or by a name only one of them has. `names`: id → what it is called."""

    what: str
    reason: str
    names: Mapping[int, Sequence[Text]]

    def id(self, word: str) -> int:
        """The record's id; Refused in words that name it where there is none, or more than one."""
        ids = [id for id, names in self.names.items() if (str(id) == word if word.isdecimal() else word in names)]
        if len(ids) == 1:
            return ids[0]
        words = f"more than one {self.what} «{word}» (ids {_listed(ids)})" if ids else f"no {self.what} «{word}»"
        raise Refused(f"Odoo has {words}. Name one by its id or its exact name.", reason=self.reason)


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(map(str, ids))


def terms(session: Session, words: Iterable[str]) -> Named:
    """Payment terms; none are read where nobody names any. An unknown one is Refused (terms_mapping)."""
    asked = any(words)
    rows = search(session, "account.payment.term", NamedRow, [], order="id") if asked else []
    return Named("payment term", "terms_mapping", {row.id: [row.name] for row in rows})


def guest_account(session: Session) -> int:
    """The contact all guests are booked on; Misconfigured where the settings do not name exactly one."""
    word = session.settings.guest_account
    if not word:
        raise Misconfigured("This shop books guests on one account. Name that contact in the settings (guest_account).")
    domain = [["id", "=", int(word)]] if word.isdecimal() else ["|", ["name", "=", word], ["ref", "=", word]]
    rows = search(session, "res.partner", PartnerRow, domain, order="id")
    try:
        return Named("contact", "guest_account", {row.id: [row.name, row.ref] for row in rows}).id(word)
    except Refused as error:
        raise Misconfigured(f"The account for guests in the settings: {error.words}") from error


# ---- taxes --------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Taxes:
    """Sales taxes: what the shop's mapping names, then by rate the settings' choices, then every percentage added to net prices."""

    named: Named
    chosen: Mapping[Decimal, int]
    found: Mapping[Decimal, Sequence[int]]

    def ids(self, taxes: Iterable[Tax]) -> tuple[int, ...]:
        """account.tax ids for a line; empty = explicitly none. Refused (tax_mapping) in plain words.

        A rate of zero is no tax unless mapping or settings choose one: zero-rated, exempt and reverse charge all look alike here.
        """
        ids = [self._id(tax) for tax in taxes if tax.erp or tax.rate or tax.rate.normalize() in self.chosen]
        return tuple(dict.fromkeys(ids))

    def _id(self, tax: Tax) -> int:
        return self.named.id(tax.erp) if tax.erp else self._by_rate(tax.rate.normalize())

    def _by_rate(self, rate: Decimal) -> int:
        if rate in self.chosen:
            return self.chosen[rate]
        match self.found.get(rate, ()):
            case [one]:
                return one
            case []:
                raise Refused(
                    f"Odoo has no sales tax of {rate:f} % on net prices. Create it, or choose one in the settings.",
                    reason="tax_mapping",
                )
            case many:
                raise Refused(
                    f"Odoo has {len(many)} sales taxes of {rate:f} % (ids {_listed(many)}). Choose one in the settings.",
                    reason="tax_mapping",
                )


def taxes(session: Session) -> Taxes:
    """Sales taxes of the company in use. `price_include` is computed and cannot be searched for."""
    settings = session.settings
    domain: list[Any] = [["type_tax_use", "=", "sale"]]
    if settings.company:
        domain.append(["company_id", "=", settings.company])
    rows = search(session, "account.tax", TaxRow, domain, order="id")
    found: dict[Decimal, list[int]] = {}
    for tax in rows:
        if tax.amount_type == "percent" and not tax.price_include:
            found.setdefault(tax.amount.normalize(), []).append(tax.id)
    return Taxes(Named("sales tax", "tax_mapping", {t.id: [t.name] for t in rows}), settings.tax_ids, found)


# ---- currencies ---------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Pricelists:
    """How to get an order into a currency: no pricelist for the company's own where Odoo allows that, else the first one of it."""

    company: str
    found: Mapping[str, int]
    required: bool = False

    def id(self, currency: str) -> str:
        """product.pricelist id as load() wants it; empty = explicitly none. Refused (currency_mapping) when there is no way."""
        if currency == self.company and not self.required:
            return ""
        if currency in self.found:
            return str(self.found[currency])
        raise Refused(
            f"Odoo keeps its books in {self.company} and has no pricelist in {currency}. Create a pricelist in {currency}.",
            reason="currency_mapping",
        )


def pricelists(session: Session, currencies: Iterable[str]) -> Pricelists:
    """The company's currency and pricelists for the others. An order's currency is its pricelist's (`_compute_currency_id`)."""
    chosen = session.settings.company
    mine = [["id", "=", chosen]] if chosen else []
    companies = search(session, "res.company", CurrencyRow, mine)
    if len(companies) != 1:
        raise Misconfigured("Name in the settings which of the companies in this Odoo the orders belong to.")
    company = companies[0].currency_id[1]
    required = release(session).pricelist_required
    wanted = sorted(set(currencies) - (set() if required else {company}))
    if not wanted:
        return Pricelists(company, {})
    domain = [["currency_id.name", "in", wanted], ["company_id", "in", [False, companies[0].id]]]
    found = search(session, "product.pricelist", CurrencyRow, domain, order="id desc")
    return Pricelists(company, {p.currency_id[1]: p.id for p in found}, required)


# ---- prices -------------------------------------------------------------------------------------------------------------------
def price_step(session: Session) -> Decimal:
    """The smallest step of a unit price. Odoo 19 keeps prices as they are; older ones round them to so many digits."""
    shape = dict[str, FieldRow]
    with reading():
        said = call(session, "sale.order.line", "fields_get", shape, allfields=["price_unit"], attributes=["digits"])
    digits = said["price_unit"].digits if "price_unit" in said else None
    return Decimal(1).scaleb(-digits[1]) if digits else FREE


# ---- charges ------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Services:
    """The service product each kind of charge is booked on."""

    found: Mapping[str, int | SyncError]

    def id(self, kind: str) -> str:
        """product.product id as load() wants it; raises why there is none."""
        product = self.found[kind]
        if isinstance(product, SyncError):
            raise product
        return str(product)


def services(session: Session, kinds: Iterable[str]) -> Services:
    """Service products for these kinds of charge: by internal reference where the settings name one, else our own, created once."""
    kinds = sorted(set(kinds))
    codes = {kind: getattr(session.settings, f"{kind}_product") for kind in kinds}
    named = {kind: code for kind, code in codes.items() if code}
    return Services({**_ours(session, [k for k in kinds if k not in named]), **_theirs(session, named)})


def _ours(session: Session, kinds: Sequence[str]) -> dict[str, int | SyncError]:
    xids = {kind: session.settings.xid("product", kind) for kind in kinds}
    rows = {xid: [[xid, NAMES[kind], "service"]] for kind, xid in xids.items()}
    loaded = load_once(session, "product.product", ["id", "name", "type"], rows)
    return {kind: loaded[xid] for kind, xid in xids.items()}


def _theirs(session: Session, codes: Mapping[str, str]) -> dict[str, int | SyncError]:
    if not codes:
        return {}
    domain = [["default_code", "in", sorted(codes.values())]]
    rows = search(session, "product.product", ProductRow, domain)
    return {kind: _only(code, [r.id for r in rows if r.default_code == code]) for kind, code in codes.items()}


def _only(code: str, ids: Sequence[int]) -> int | SyncError:
    if len(ids) == 1:
        return ids[0]
    return Misconfigured(
        f"The settings name the product {code}; Odoo has {len(ids) or 'none'} of that internal reference."
    )


# ---- places -------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Places:
    """Country and state ids by ISO code."""

    countries: Mapping[str, int]
    states: Mapping[tuple[str, str], int]

    def country(self, address: Address) -> str:
        """res.country id; Refused for a code Odoo does not know."""
        code = address.country.upper()
        if code and code not in self.countries:
            raise Refused(f"Odoo knows no country with the code {code}.", reason="country_mapping")
        return str(self.countries[code]) if code else ""

    def state(self, address: Address) -> str:
        """res.country.state id, empty when Odoo does not know it. Some countries' codes carry the country (DE-BE), some do not (CA)."""
        country, state = address.country.upper(), address.state.upper()
        bare = state.removeprefix(f"{country}-")
        found = next(
            (self.states[country, s] for s in (state, bare, f"{country}-{bare}") if (country, s) in self.states), ""
        )
        return str(found)


def places(session: Session, addresses: Iterable[Address]) -> Places:
    """Countries and states these addresses mention."""
    codes = sorted({a.country.upper() for a in addresses if a.country})
    if not codes:
        return Places({}, {})
    by_id = {c.id: c.code for c in search(session, "res.country", CodeRow, [["code", "in", codes]])}
    states = search(session, "res.country.state", StateRow, [["country_id", "in", list(by_id)]])
    return Places(
        {code: id for id, code in by_id.items()},
        {(by_id[s.country_id[0]], s.code.upper()): s.id for s in states if s.country_id[0] in by_id},
    )
