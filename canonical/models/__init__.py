"""All canonical tables. Hot tables are written set-wise by `canonical.record` only; staff-edited ones carry simple_history."""

from canonical.models.catalog import Product, Sku, Sourcing
from canonical.models.fulfilment import FulfilmentRequest, Package, PackageLine, RequestLine, Shipment
from canonical.models.ledger import Entry
from canonical.models.money import Payment, Posting
from canonical.models.orders import Charge, Hold, Order, OrderLine
from canonical.models.parties import Address, Customer
from canonical.models.systems import Link, Location, Secret, System

__all__ = [
    "Address", "Charge", "Customer", "Entry", "FulfilmentRequest", "Hold", "Link", "Location", "Order", "OrderLine",
    "Package", "PackageLine", "Payment", "Posting", "Product", "RequestLine", "Secret", "Shipment", "Sku", "Sourcing", "System",
]  # fmt: skip
