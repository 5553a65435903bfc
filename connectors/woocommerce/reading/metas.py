"""meta_data: named texts plugins put on orders and items. Anything may be in there; what is not a plain text is left out. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from canonical.types import Meta

MOST, LONGEST_KEY, LONGEST_VALUE = 50, 100, 300

#: Private texts (their names begin with an underscore) that people map all the same. Everything else private is a plugin's own business,
#: and so are our own marks.
WELL_KNOWN = frozenset(
    {
        "_vat_number",  # EU VAT Number (WooCommerce) before 2.3.21
        "_billing_vat_number",  # EU VAT Number (WooCommerce)
        "_billing_eu_vat_number",  # EU VAT Manager (WPFactory)
        "_billing_vat_id",  # Germanized Pro
        "_shipping_vat_id",  # Germanized Pro
        "_billing_nif",  # tax number fields of Spanish and Portuguese shops
    }
)
#: What customers filled in: WooCommerce's additional checkout fields (CheckoutFields::BILLING_FIELDS_PREFIX and its sisters, 8.9).
FILLED_IN = ("_wc_billing/", "_wc_shipping/", "_wc_other/")


def texts(said: Any) -> Mapping[str, str]:
    """Key → text of every entry that is a plain text, number or yes/no, private ones included. Of a repeated key the first counts,
    as for the shop itself (WC_Data::get_meta)."""
    found: dict[str, str] = {}
    for key, value in entries(said):
        if (plain := _plain(value)) is not None:
            found.setdefault(key, plain)
    return found


def entries(said: Any) -> Iterator[tuple[str, Any]]:
    """(key, value) of whatever is shaped like an entry."""
    for entry in said if isinstance(said, list) else ():
        if isinstance(entry, dict) and isinstance(key := entry.get("key"), str):
            yield key, entry.get("value")


def metas(said: Any) -> tuple[Meta, ...]:
    """The texts of an order that people may map, sorted by key. Longer ones are left out whole: a part would say something else."""
    shown = ((key, value) for key, value in texts(said).items() if value and _is_shown(key, value))
    return tuple(Meta(key=key, value=value) for key, value in sorted(shown)[:MOST])


def _is_shown(key: str, value: str) -> bool:
    private = key.startswith("_") and key not in WELL_KNOWN and not key.startswith(FILLED_IN)
    return bool(key) and not private and len(key) <= LONGEST_KEY and len(value) <= LONGEST_VALUE


def _plain(value: Any) -> str | None:
    """A scalar as text: true is “true”, as in JSON. None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() if isinstance(value, str | int | float) else None
