"""Asking a shop what changed. One file per way of asking: by modification, by id, and sweeping. Knows cursors and pages; no fact."""

from collections.abc import Mapping

from connectors.base import Poll
from connectors.woocommerce.polling.changes import poll_orders, poll_products, poll_refunds
from connectors.woocommerce.polling.customers import poll_customers
from connectors.woocommerce.polling.sweep import poll_sweep

POLLS: Mapping[str, Poll] = {
    "orders": poll_orders,
    "products": poll_products,
    "refunds": poll_refunds,
    "customers": poll_customers,
    "sweep": poll_sweep,
}
