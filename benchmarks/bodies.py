"""WooCommerce orders as real shops send them: varied baskets that add up, with the metadata and links that make up most of the bytes.

About 5.8 kB on average, one third by returning customers. The same seed gives the same orders.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from connectors.woocommerce.simulator import baskets
from connectors.woocommerce.simulator.baskets import Good
from connectors.woocommerce.simulator.views import visible

GOODS = 400
CUSTOMERS = 2_000
SHAPES = ("plain", "multi_line", "multi_unit", "multi_line", "coupon", "multi_line", "fee", "mixed_rates")
BEGAN = datetime(2026, 1, 5, 8, tzinfo=UTC)
SITE = "https://shop.example.com/wp-json/wc/v3"
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Safari/604.1"


def goods(count: int = GOODS) -> list[Good]:
    """What the shop sells: all of it ships."""
    return [
        Good(
            product_id=1_000 + i,
            variation_id=0,
            sku=f"W{1 + i % 2}-ITEM-{i:04}",
            name=f"Stoneware item no. {i}",
            net=Decimal(199 + 37 * (i % 90)) / 100,
            rate=Decimal(21) if i % 5 else Decimal(9),
            gtin=f"87123{i:08}",
            virtual=False,
        )
        for i in range(count)
    ]


def orders(first: int, count: int, seed: int = 1) -> list[bytes]:
    """Bodies of the orders first … first + count − 1."""
    rng, sold = random.Random(f"{seed}:{first}"), goods()
    return [msgspec.json.encode(order(rng, number, sold)) for number in range(first, first + count)]


def order(rng: random.Random, number: int, sold: Sequence[Good]) -> dict[str, Any]:
    """One paid order."""
    draft = baskets.composed(rng, SHAPES[number % len(SHAPES)], sold, _buyer(rng))
    placed = BEGAN + timedelta(seconds=number)
    if not draft["customer_id"]:
        draft["billing"]["email"] = f"guest{number}@example.com"
    for position, item in enumerate(x for kind in _KINDS for x in draft[kind]):
        item["id"] = number * 100 + position
    for line in draft["line_items"]:
        line.update(_shown(line))
    return visible(
        {**_head(number, placed), **draft, "_sim": {}, "meta_data": _attribution(rng, number), "_links": _links(number)}
    )


_KINDS = ("line_items", "tax_lines", "shipping_lines", "fee_lines", "coupon_lines")


def _buyer(rng: random.Random) -> dict[str, Any] | None:
    """A returning customer, always with the same address; None for a guest."""
    if rng.random() > 1 / 3:
        return None
    number = rng.randint(1, CUSTOMERS)
    return {
        "id": number,
        "billing": {**baskets.person(random.Random(number)), "email": f"customer{number}@example.com"},
    }


def _head(number: int, placed: datetime) -> dict[str, Any]:
    moment = placed.strftime("%Y-%m-%dT%H:%M:%S")
    dates = {f"date_{what}{zone}": moment for what in ("created", "modified", "paid") for zone in ("", "_gmt")}
    return {
        "id": number, "parent_id": 0, "status": "processing", "currency": "EUR", "version": "11.0.1", **dates,
        "date_completed": None, "date_completed_gmt": None, "order_key": f"wc_order_{number:013x}", "number": str(number),
        "customer_ip_address": "203.0.113.7", "customer_user_agent": AGENT, "created_via": "store-api", "cart_hash": f"{number:032x}",
        "payment_url": f"{SITE}/checkout/order-pay/{number}/?pay_for_order=true", "is_editable": False, "needs_payment": False,
        "needs_processing": True, "refunds": [], "currency_symbol": "€",
    }  # fmt: skip


def _attribution(rng: random.Random, number: int) -> list[dict[str, Any]]:
    """What WooCommerce's order attribution and two common plugins write."""
    said = {
        "_wc_order_attribution_source_type": "utm", "_wc_order_attribution_utm_source": rng.choice(("google", "newsletter")),
        "_wc_order_attribution_utm_medium": "cpc", "_wc_order_attribution_utm_campaign": "autumn-tableware",
        "_wc_order_attribution_session_entry": "https://shop.example.com/collections/stoneware/?utm_source=google&utm_medium=cpc",
        "_wc_order_attribution_session_start_time": "2026-01-05 07:41:12", "_wc_order_attribution_session_pages": "7",
        "_wc_order_attribution_session_count": "2", "_wc_order_attribution_user_agent": AGENT,
        "_wc_order_attribution_device_type": "Mobile", "_wc_order_attribution_referrer": "https://www.google.com/",
        "_mollie_payment_id": f"tr_{number:010x}", "_mollie_order_id": f"ord_{number:010x}", "_mollie_paid_and_processed": "1",
        "is_vat_exempt": "no", "_wc_stripe_fee": "0.49", "_wc_stripe_net": "48.16",
    }  # fmt: skip
    return [{"id": number * 40 + i, "key": key, "value": value} for i, (key, value) in enumerate(said.items())]


def _shown(line: dict[str, Any]) -> dict[str, Any]:
    """The picture and the metadata of a line."""
    picture = f"https://shop.example.com/wp-content/uploads/2026/01/{line['sku'].lower()}-scaled-1200x1200.jpg"
    said = {"_reduced_stock": str(line["quantity"]), "pa_glaze": "reactive-blue", "_gift_wrapping": "no"}
    return {
        "image": {"id": str(line["product_id"]), "src": picture},
        "meta_data": [
            {"id": line["id"] * 4 + i, "key": key, "value": value, "display_key": key, "display_value": value}
            for i, (key, value) in enumerate(said.items())
        ],
    }


def _links(number: int) -> dict[str, Any]:
    return {
        "self": [
            {"href": f"{SITE}/orders/{number}", "targetHints": {"allow": ["GET", "POST", "PUT", "PATCH", "DELETE"]}}
        ],
        "collection": [{"href": f"{SITE}/orders"}],
        "customer": [{"href": f"{SITE}/customers/{number}"}],
        "email_templates": [{"embeddable": True, "href": f"{SITE}/orders/{number}/actions/email_templates"}],
    }
