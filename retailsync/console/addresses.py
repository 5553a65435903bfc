"""A form for a postal address. What it does not ask for stays as it was."""

from typing import Any

import msgspec
from django import forms
from django.core.validators import RegexValidator

from canonical.types import Address

_COUNTRY = RegexValidator(r"^[A-Za-z]{2}$", "Write the country as two letters, e.g. DE.")


def _text(label: str, longest: int = 200, *, required: bool = False, **more: Any) -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": "off"})
    return forms.CharField(label=label, max_length=longest, required=required, widget=widget, **more)


class AddressForm(forms.Form):
    """Where a parcel goes."""

    first_name = _text("First name")
    last_name = _text("Last name")
    company = _text("Company")
    line1 = _text("Street and number", required=True)
    line2 = _text("Second line")
    postcode = _text("Postcode", 20)
    city = _text("City", required=True)
    state = _text("State or region", 100)
    country = _text("Country", 2, required=True, validators=[_COUNTRY])
    phone = _text("Phone", 50)

    def clean(self) -> dict[str, Any]:
        """Somebody has to be named on the label."""
        cleaned = super().clean() or {}
        if not any(cleaned.get(name) for name in ("first_name", "last_name", "company")) and "last_name" in cleaned:
            self.add_error("last_name", "name a person or a company.")
        return cleaned

    def address(self, before: Address) -> Address:
        """What was typed, over the address before."""
        typed = {name: str(text) for name, text in self.cleaned_data.items()}
        return msgspec.structs.replace(before, **{**typed, "country": typed["country"].upper()})


def filled(address: Address) -> AddressForm:
    """The form as it begins."""
    return AddressForm(initial={name: getattr(address, name) for name in AddressForm.base_fields})
