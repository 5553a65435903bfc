"""A faithful WooCommerce for what the product uses: REST API v3, webhooks, customers who buy. Observed on WooCommerce 11.0.1.

    python -m connectors.woocommerce.simulator --port 8081 --store DIR --seed 7 [--orders 20] [--no-fulfillments]

Controls beside those every simulator has:
    POST /_sim/orders {"count": 10, "rate": 2.5, "seed": 1, "status": "pending", "shape": "split", "unclean": 0.2}   customers buy
    POST /_sim/orders/<id>/unsettle {"seed": 4} or {"deed": "cancel"}   something happens to an order: see unsettled.py
    POST /_sim/orders/<id> {"status": "cancelled"}      staff edit an order, with what PUT /orders/<id> takes
    DELETE /_sim/orders/<id>[?force=true]               staff trash or delete an order
    POST /_sim/checkout {"items": {"W1-BOWL": 2}, "status": "pending"}  one customer buys exactly this; null when it is sold out
    POST /_sim/stock {"sku": "W1-BOWL", "quantity": 5, "manage": "on" | "off" | "parent", "backorders": "no" | "notify" | "yes"}
    POST /_sim/webhooks {"drop": 0.05, "duplicate": 0.1, "shuffle": true, "hold": false}
    POST /_sim/redeliver {"last": 20, "times": 2, "reverse": true}      old deliveries again, byte for byte
    GET  /_sim/state                                    orders, stock, webhooks and counts for an oracle
"""

from connectors.woocommerce.simulator.records import Stocked
from connectors.woocommerce.simulator.shop import KEY, SECRET, Shop

__all__ = ["KEY", "SECRET", "Shop", "Stocked"]
