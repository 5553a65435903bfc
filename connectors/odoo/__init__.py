"""Odoo 14 and later as an ERP: customers, sales orders, goods issues and movements go there, products and stock come from there."""

from connectors.base import Connector
from connectors.odoo.asking import poll_products, probe
from connectors.odoo.counting import poll_stock
from connectors.odoo.reading import (
    PRODUCT_GONE,
    PRODUCT_READ,
    STOCK_DONE,
    STOCK_PAGE,
    read_absence,
    read_product,
    read_stock,
    read_stock_done,
)
from connectors.odoo.sending import SENDS
from connectors.odoo.settings import Settings

connector = Connector(
    name="odoo",
    title="Odoo",
    roles=frozenset({"erp"}),
    settings=Settings,
    secrets=("api_key",),
    reads={PRODUCT_READ: read_product, PRODUCT_GONE: read_absence, STOCK_PAGE: read_stock, STOCK_DONE: read_stock_done},
    sends=SENDS,
    polls={"products": poll_products, "stock": poll_stock},
    probe=probe,
)
