"""What a shop tells us about its Odoo. Knows nothing of how it is used."""

from decimal import Decimal
from typing import Literal

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Plain settings of one Odoo database, decoded strictly.

    `module` prefixes our external ids; it must not be the name of a module installed there, or an upgrade would clean them up.
    `taxes` maps a percentage ("19", "8.875") to an account.tax id where looking it up would be ambiguous. The three products are
    internal references (default_code) of service products; an empty one is created on demand under an external id of ours.
    `api`: /json/2 (Odoo 19 and later) or /jsonrpc (14 and later), or what is found there. /jsonrpc wants the user's `login` too.
    `warehouses` are the codes of those whose stock is read; none named: all. All of it is read anew every `stock_full_minutes`,
    between that what was written since, and `stock_overlap_minutes` before: as long as Odoo may work on one transaction.
    `guest_account` is the contact all guests are booked on where a shop wants that: its id, or its exact name or reference.
    """

    url: str
    database: str
    login: str = ""
    api: Literal["auto", "json2", "jsonrpc"] = "auto"
    module: str = "retailsync"
    company: int | None = None
    taxes: dict[str, int] = {}
    shipping_product: str = ""
    fee_product: str = ""
    rounding_product: str = ""
    guest_account: str = ""
    warehouses: tuple[str, ...] = ()
    stock_full_minutes: int = 60
    stock_overlap_minutes: int = 5
    allow_loopback_http: bool = False

    @property
    def tax_ids(self) -> dict[Decimal, int]:
        """`taxes` by number, so that "19" and "19.00" are one rate."""
        return {Decimal(rate).normalize(): tax for rate, tax in self.taxes.items()}

    def xid(self, *path: object) -> str:
        """External id of one of our subjects, e.g. retailsync.booking_17_charge_3."""
        return f"{self.module}.{'_'.join(map(str, path))}"
