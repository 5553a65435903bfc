"""A field for one of our SKUs: typed, with the codes and names nearest to what a shop wrote offered. Knows no table of words."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from canonical import sql
from canonical.models import Sku

OFFERED = 20
_PART = 4  # letters of the shop's text one of which a code shares to be looked at
_LOOKED_AT = 300  # SKUs that are compared

#: Codes beside the text in the order of codes, and codes or names that hold a part of it: never all of them.
_NEAR = f"""(SELECT code, name FROM canonical_sku WHERE active AND code >= %(text)s ORDER BY code LIMIT 20)
  UNION (SELECT code, name FROM canonical_sku WHERE active AND code < %(text)s ORDER BY code DESC LIMIT 20)
  UNION (SELECT code, name FROM canonical_sku WHERE active AND (code ILIKE ANY(%(parts)s) OR name ILIKE ANY(%(parts)s))
    LIMIT {_LOOKED_AT})"""


class Near(NamedTuple):
    """One SKU that may be meant."""

    code: str
    name: str


def near(text: str) -> list[Near]:
    """Our SKUs that look most like a shop's text, the nearest first."""
    if not (text := text.strip()):
        return []
    found = [Near(*row) for row in sql.fetch(_NEAR, {"text": text, "parts": [f"%{part}%" for part in _parts(text)]})]
    return sorted(found, key=lambda sku: (-_alike(text, sku), sku.code))[:OFFERED]


def _parts(text: str) -> Iterable[str]:
    """What of a text is looked for in codes: its words, and of one long word its pieces. No sign of LIKE among them."""
    words = "".join(c if c.isalnum() else " " for c in text).split()
    pieces = [word[n : n + _PART] for word in words for n in range(0, max(1, len(word) - _PART + 1), _PART)]
    return [part for part in (*words, *pieces) if len(part) >= min(3, len(text))][:12]


def _alike(text: str, sku: Near) -> float:
    wanted = _bare(text)
    of_code = SequenceMatcher(None, wanted, _bare(sku.code)).ratio()
    return max(of_code, SequenceMatcher(None, wanted, _bare(sku.name)).ratio() * 0.8)


def _bare(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


class _Input(UnfoldAdminTextInputWidget):
    """A text input with a list of what may be meant; anything else may be typed."""

    offered: Iterable[Near] = ()

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        known = f"near-{name}"
        given = {**(attrs or {}), "list": known, "autocomplete": "off"}
        options = format_html_join("", '<option value="{}">{}</option>', self.offered)
        listed = format_html('<datalist id="{}">{}</datalist>', known, options)
        return super().render(name, value, given, renderer) + listed


class SkuField(forms.CharField):
    """The code of an SKU we know. Whatever case it is typed in, it is kept as it is."""

    widget = _Input

    def offer(self, text: str) -> None:
        """Offer what looks most like this."""
        self.widget.offered = near(text)

    def clean(self, value: Any) -> str:
        typed = str(super().clean(value)).strip()
        known = list(Sku.objects.filter(code__iexact=typed).values_list("code", flat=True)[:2])
        if typed in known or len(known) == 1:
            return typed if typed in known else known[0]
        raise ValidationError(
            f"We know no SKU “{typed}”. Choose one of the list, or type its code as the SKU's page shows it."
        )
