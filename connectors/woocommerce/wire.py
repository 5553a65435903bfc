"""WooCommerce's JSON as it comes (REST API v3 and webhooks, the same shapes). Knows nothing of what it means.

Everything a reader does not rely on is optional and loosely typed: plugins send ids as strings, numbers for text, null for
nothing, and PHP writes an empty object as `[]`. Extra fields are accepted. Dates without `_gmt` are local time without an
offset and are not read at all.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

Id = int | str | None
Text = str | int | float | None
Number = str | int | float | None  # money and quantities; strings in WooCommerce itself


class Wire(msgspec.Struct, gc=False):
    """Base of all wire formats: unknown fields are ignored. What must be there is checked by the reader, in plain words."""


class WireAddress(Wire):
    """billing / shipping of an order or customer."""

    first_name: Text = ""
    last_name: Text = ""
    company: Text = ""
    address_1: Text = ""
    address_2: Text = ""
    city: Text = ""
    state: Text = ""
    postcode: Text = ""
    country: Text = ""
    email: Text = ""
    phone: Text = ""


Postal = WireAddress | list[Any] | None


class WireTax(Wire):
    """One entry of an item's `taxes`: `id` is a tax rate's id."""

    id: Id = None
    total: Number = None


class WireTaxLine(Wire):
    """One tax of the whole order: what the rate ids on its items mean."""

    rate_id: Id = None
    rate_code: Text = None
    rate_percent: Number = None
    label: Text = None


class WireLine(Wire):
    """line_items: `subtotal` before discount, `total` after, both net of tax and for all units."""

    id: Id = None
    name: Text = ""
    product_id: Id = None
    variation_id: Id = None
    quantity: Number = None
    subtotal: Number = None
    total: Number = None
    total_tax: Number = None
    taxes: list[WireTax] | dict[str, Any] | None = None
    sku: Text = None
    meta_data: Any = None


class WireShipping(Wire):
    """shipping_lines."""

    id: Id = None
    method_title: Text = ""
    method_id: Text = ""
    total: Number = None
    total_tax: Number = None
    taxes: list[WireTax] | dict[str, Any] | None = None


class WireFee(Wire):
    """fee_lines; a negative one is a discount."""

    id: Id = None
    name: Text = ""
    total: Number = None
    total_tax: Number = None
    taxes: list[WireTax] | dict[str, Any] | None = None


class WireCoupon(Wire):
    """coupon_lines. `discount_type` since WooCommerce 8.7; before, it is inside the text `coupon_info` of its meta_data."""

    code: Text = ""
    discount: Number = None
    discount_tax: Number = None
    discount_type: Text = None
    meta_data: Any = None


class WireMention(Wire):
    """refunds of an order: `total` is negative."""

    id: Id = None
    total: Number = None


class WireOrder(Wire):
    """An order, whole; or an error object, which has `code` and no `id`."""

    id: Id | UnsetType = UNSET
    code: Text = None
    number: Text = None
    status: str = ""
    currency: str = ""
    prices_include_tax: bool = False
    date_created_gmt: str | None = None
    date_modified_gmt: str | None = None
    date_paid_gmt: str | None = None
    total: Number = None
    total_tax: Number = None
    customer_id: Id = None
    billing: Postal = None
    shipping: Postal = None
    payment_method: Text = ""
    payment_method_title: Text = ""
    transaction_id: Text = ""
    customer_note: Text = ""
    line_items: list[WireLine] | UnsetType = UNSET
    shipping_lines: list[WireShipping] = []
    fee_lines: list[WireFee] = []
    coupon_lines: list[WireCoupon] = []
    tax_lines: list[WireTaxLine] = []
    refunds: list[WireMention] | None = None
    meta_data: Any = None  # [{key, value}], but plugins write what they like
    gift_cards: Any = None  # plugins' own, see reading/payments.py
    pw_gift_card_lines: Any = None


class WireRefundLine(Wire):
    """line_items of a refund: quantity and money are negative; meta_data names the order's line as `_refunded_item_id`."""

    id: Id = None
    quantity: Number = None
    total: Number = None
    total_tax: Number = None
    meta_data: Any = None


class WireRefund(Wire):
    """A refund. `amount` is positive and covers lines, shipping, fees and taxes; a refund of an amount only has no lines."""

    id: Id = None
    date_created_gmt: str | None = None
    amount: Number = None
    reason: Text = ""
    line_items: list[WireRefundLine] = []


class WireRefundOf(Wire):
    """Our own wrapping of a refund as we read it: the API's answer about one refund does not name its order."""

    order: Id = None
    refund: WireRefund | UnsetType = UNSET


def refund_of(order: str, refund: bytes) -> bytes:
    """A refund's JSON, untouched, with its order's id: `{"order": "138", "refund": {…}}`, as WireRefundOf reads it."""
    return msgspec.json.encode({"order": order, "refund": msgspec.Raw(refund.removeprefix(b"\xef\xbb\xbf"))})


class WireProduct(Wire):
    """A product or a variation; or an error object. `manage_stock` is true, false, or of a variation that sells from its parent's
    stock “parent”; then the parent's quantity and backorders are shown."""

    id: Id | UnsetType = UNSET
    code: Text = None
    type: str = ""
    parent_id: Id = None
    sku: Text = None
    name: Text = ""
    status: str = ""
    virtual: bool = False
    global_unique_id: Text = None
    date_created_gmt: str | None = None
    date_modified_gmt: str | None = None
    manage_stock: Any = UNSET
    stock_quantity: Any = None
    backorders: Any = None
    stock_status: Any = None
    categories: Any = None  # [{id, name, slug}]; variations have none of their own


class WireStock(Wire):
    """Our own wrapping of a product's row that was looked at or written for its stock: what holds the stock as we asked for it (see
    looking.py), and the shop's clock when we asked and when it answered."""

    holder: Text = ""
    since: int = 0
    at: int = 0
    row: WireProduct | UnsetType = UNSET


def stock_of(holder: str, since: int, at: int, row: Any) -> bytes:
    """A product's row with what we know of it: `{"holder": "10:12", "since": 1795407864, "at": 1795407865, "row": {…}}`, as WireStock
    reads it."""
    return msgspec.json.encode({"holder": holder, "since": since, "at": at, "row": row})


class WireCustomer(Wire):
    """A registered customer; or an error object."""

    id: Id | UnsetType = UNSET
    code: Text = None
    email: Text = None
    billing: Postal = None
    date_created_gmt: str | None = None
    date_modified_gmt: str | None = None


class WireDeleted(Wire):
    """`{"id": 17}`: trashed or deleted, without saying which; or an error object."""

    id: Id | UnsetType = UNSET
    code: Text = None


class WireMissing(Wire):
    """Our own note of a read that found nothing: the id we asked for and the shop's clock when it answered."""

    id: Id = None
    at: int = 0


class WireListed(Wire):
    """One row of a sweep's page, as the API gives it with `_fields`."""

    id: Id = None
    status: Text = ""
    total: Number = None


class WireRange(Wire):
    """Our own note of one page of a sweep: all orders the shop has from the id `first` to the id `last`, both included."""

    first: int
    last: int
    rows: list[WireListed]
