"""Forms for what staff decide once: every field of a shape of canonical.mappings becomes a form field with words. No JSON is seen."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from django import forms
from django.core.validators import RegexValidator
from msgspec import inspect
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from canonical.mappings import Article, Limits, LineKind, Meaning, MetaField, Payment, Place, Shipping, Status, Tax
from canonical.models import Location
from retailsync.console.skufield import SkuField

PREFIX = "means_"
_COUNTRY = RegexValidator(r"^[A-Za-z]{2}$", "Write the country as two letters, e.g. DE.")


class Words(NamedTuple):
    """How a field is asked for."""

    label: str
    help: str = ""


_WORDS: Mapping[type[Meaning], Mapping[str, Words]] = {
    Shipping: {
        "carrier": Words("Carrier", "As the warehouse names it, e.g. PostNL. Empty: the warehouse chooses."),
        "service": Words("Service", "As the warehouse names it, e.g. Express."),
        "location": Words("Ships from", "Asked first where it can ship the goods; the sourcing steps say what follows."),
        "ships": Words("Goes to a warehouse", "Not ticked: the customer picks it up, and no warehouse is asked."),
    },
    Payment: {
        "release": Words("The order goes on", "When ERP and warehouse may be told."),
        "grace_minutes": Words("Minutes of grace", "So long after payment nothing is sent, so that a quick change of mind costs nothing."),
        "remind_days": Words("Remind after days", "Unpaid so long: the customer is reminded once, by the shop. 0: never."),
        "expires_days": Words("Cancel after days", "Unpaid so long: the order is cancelled in the shop. 0: never."),
        "authorised_days": Words("A reservation holds for days", "After that a person is asked. 0: for ever."),
        "journal": Words("Journal in the ERP", "Where the ERP books the money. Empty: the ERP's own choice."),
        "terms": Words("Payment terms in the ERP", "Their name or code there, e.g. 30 days. Empty: the ERP's own choice."),
    },
    Tax: {"erp": Words("Tax in the ERP", "Its id or its exact name there, e.g. 21% G.")},
    Place: {
        "country": Words("Country", "Two letters, e.g. DE."),
        "state": Words("State or region", "As ERP and warehouse write it. Empty: none."),
    },
    Status: {"status": Words("It stands for", "The shop's word is a plugin's own: nobody but you can know what it means.")},
    LineKind: {"kind": Words("It is", "A gift card or store credit pays a part of the order; a fee is a part of its price.")},
    MetaField: {"field": Words("It holds", "What the plugin writes into this text.")},
    Article: {"sku": Words("It is our SKU", "Those nearest to what the shop says are offered. Orders that went on keep theirs.")},
    Limits: {
        "reference": Words("Longest reference", "Characters of an order number. 0: no limit."),
        "name": Words("Longest name", "Characters of a person's or company's name. 0: no limit."),
        "line": Words("Longest address line", "Characters. 0: no limit."),
        "city": Words("Longest city", "Characters. 0: no limit."),
        "phone_required": Words("Needs a phone number"),
        "street_required": Words("Needs a street"),
        "postcode_required": Words("Needs a postcode"),
        "charset": Words("Letters it can print"),
        "countries": Words("Ships to", "Countries as two letters with commas between, e.g. NL, BE, DE. Empty: everywhere."),
    },
}  # fmt: skip

#: What a closed choice is called, in the order people are offered it. A choice not named here is not offered.
_CHOICES: Mapping[tuple[type[Meaning], str], Mapping[str, str]] = {
    (Payment, "release"): {
        "paid": "once it is paid",
        "authorised": "once the money is reserved",
        "accepted": "at once: the shop's word is enough (cash on delivery, invoice)",
    },
    (Status, "status"): {
        "pending": "pending: waits for payment", "processing": "processing: may go to the warehouse",
        "on_hold": "on hold: waits, in the shop", "completed": "completed: the shop is done with it", "cancelled": "cancelled",
        "refunded": "refunded", "failed": "failed: the payment failed", "draft": "draft: not ordered yet", "trashed": "in the trash",
    },
    (LineKind, "kind"): {"fee": "a fee", "gift_card": "a gift card that pays", "store_credit": "store credit that pays"},
    (MetaField, "field"): {
        "vat_id": "the customer's VAT id", "terms": "payment terms, as the ERP names them", "note": "a note for the warehouse",
        "fraud": "a warning of fraud: any text here holds the order", "carrier": "the carrier", "service": "the carrier's service",
    },
    (Limits, "charset"): {"": "any", "latin-1": "Western European (latin-1)", "ascii": "plain A to Z (ascii)"},
}  # fmt: skip


# ---- fields -----------------------------------------------------------------------------------------------------------------
def fields(shape: type[Meaning]) -> dict[str, forms.Field]:
    """Form field per field of the shape, under names that clash with no column."""
    known = {f.name: f for f in inspect.type_info(shape).fields}
    return {f"{PREFIX}{name}": _field(shape, known[name]) for name in _WORDS[shape]}


def _field(shape: type[Meaning], field: inspect.Field) -> forms.Field:
    words = _WORDS[shape][field.name]
    special = _SPECIAL.get((shape, field.name))
    made = special() if special else _BY_TYPE[type(field.type)](shape, field)
    made.label, made.help_text = words.label, words.help
    if not field.required:
        made.initial = field.default
    return made


def _text(shape: type[Meaning], field: inspect.Field) -> forms.Field:
    longest = getattr(field.type, "max_length", None)
    return forms.CharField(required=field.required, max_length=longest, widget=UnfoldAdminTextInputWidget)


def _number(shape: type[Meaning], field: inspect.Field) -> forms.Field:
    low, high = getattr(field.type, "ge", None), getattr(field.type, "le", None)
    return forms.IntegerField(
        required=False, min_value=low or 0, max_value=high or 10_000, widget=UnfoldAdminIntegerFieldWidget
    )


def _tick(shape: type[Meaning], field: inspect.Field) -> forms.Field:
    return forms.BooleanField(required=False, widget=UnfoldBooleanWidget)


def _choice(shape: type[Meaning], field: inspect.Field) -> forms.Field:
    offered = list(_CHOICES[shape, field.name].items())
    if field.required:
        offered = [("", "choose"), *offered]
    required = "" not in _CHOICES[shape, field.name]
    return forms.ChoiceField(choices=offered, required=required, widget=UnfoldAdminSelectWidget)


class _Codes(forms.CharField):
    """Two-letter codes with commas between them."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) or value is None else ", ".join(value)

    def clean(self, value: Any) -> list[str]:
        codes = [code.strip().upper() for code in super().clean(value).split(",") if code.strip()]
        for code in codes:
            _COUNTRY(code)
        return sorted(set(codes))


def _codes(shape: type[Meaning], field: inspect.Field) -> forms.Field:
    return _Codes(required=False)


def _places() -> list[tuple[str, str]]:
    active = Location.objects.filter(active=True).order_by("code")
    return [("", "no preference"), *((p.code, f"{p.code}: {p.name}") for p in active)]


class _Country(forms.CharField):
    """Two letters, stored in capitals."""

    widget = UnfoldAdminTextInputWidget
    default_validators = (_COUNTRY,)

    def clean(self, value: Any) -> str:
        return str(super().clean(value)).upper()


_BY_TYPE: Mapping[type[inspect.Type], Callable[[type[Meaning], inspect.Field], forms.Field]] = {
    inspect.StrType: _text, inspect.IntType: _number, inspect.BoolType: _tick, inspect.LiteralType: _choice,
    inspect.VarTupleType: _codes,
}  # fmt: skip
_SPECIAL: Mapping[tuple[type[Meaning], str], Callable[[], forms.Field]] = {
    (Shipping, "location"): lambda: forms.ChoiceField(choices=_places, required=False, widget=UnfoldAdminSelectWidget),
    (Place, "country"): _Country,
    (Article, "sku"): SkuField,
}


# ---- from and to what is stored ---------------------------------------------------------------------------------------------
def initial(value: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored, as a form begins with it."""
    return {f"{PREFIX}{name}": given for name, given in value.items()}


def value(shape: type[Meaning], cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of a form that was understood: every field, so that what somebody saw is what is kept; one left empty, its default.

    Raises msgspec.ValidationError where the shape refuses what the form let pass.
    """
    given = {name.removeprefix(PREFIX): v for name, v in cleaned.items() if name.startswith(PREFIX) and v is not None}
    stored: dict[str, Any] = msgspec.to_builtins(msgspec.convert(given, shape))
    return stored


# ---- in words ---------------------------------------------------------------------------------------------------------------
def said(meaning: Meaning) -> str:
    """One line of what a row means."""
    return _SAID[type(meaning)](meaning)


def _shipping(m: Any) -> str:
    if not m.ships:
        return "picked up: no warehouse is asked"
    by = " ".join(part for part in (m.carrier, m.service) if part) or "the warehouse's choice"
    return f"by {by}, from {m.location} first" if m.location else f"by {by}"


def _payment(m: Any) -> str:
    parts = [f"goes on {_CHOICES[Payment, 'release'][m.release].partition(' (')[0]}"]
    parts += [f"{m.grace_minutes} min grace"] if m.grace_minutes else []
    parts += [f"reminder after {m.remind_days} d"] if m.remind_days else []
    parts += [f"cancelled after {m.expires_days} d"] if m.expires_days else []
    parts += [f"{name} {text}" for name, text in (("journal", m.journal), ("terms", m.terms)) if text]
    return ", ".join(parts)


_SAID: Mapping[type[Meaning], Callable[[Any], str]] = {
    Shipping: _shipping,
    Payment: _payment,
    Tax: lambda m: f"{m.erp} in the ERP",
    Place: lambda m: ", ".join(part for part in (m.country, m.state) if part),
    Status: lambda m: _CHOICES[Status, "status"].get(m.status, m.status),
    LineKind: lambda m: _CHOICES[LineKind, "kind"][m.kind],
    MetaField: lambda m: _CHOICES[MetaField, "field"][m.field],
    Article: lambda m: f"our {m.sku}",
}


def text_means(field: str) -> str:
    """What a plugin's text holds, by the field it is mapped to."""
    return _CHOICES[MetaField, "field"].get(field, field)
