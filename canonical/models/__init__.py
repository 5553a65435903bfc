"""All canonical tables. Hot tables are written set-wise by `canonical.record` only; staff-edited ones carry simple_history."""

from canonical.models.catalog import Product, Sku, Sourcing
from canonical.models.fulfilment import FulfilmentRequest, Package, PackageLine, RequestChange, RequestLine, Shipment
from canonical.models.ledger import Entry
from canonical.models.money import Booking, Payment, Posting, Refund, RefundLine
from canonical.models.orders import Abandonment, Charge, Hold, Order, OrderLine
from canonical.models.parties import Address, Customer
from canonical.models.policies import Mapping, ShopPolicy
from canonical.models.systems import Link, Location, Secret, System

__all__ = [
    "Abandonment", "Address", "Booking", "Charge", "Customer", "Entry", "FulfilmentRequest", "Hold", "Link", "Location", "Mapping",
    "Order", "OrderLine", "Package", "PackageLine", "Payment", "Posting", "Product", "Refund", "RefundLine", "RequestChange",
    "RequestLine", "Secret", "Shipment", "ShopPolicy", "Sku", "Sourcing", "System",
]  # fmt: skip
