"""All canonical tables. Hot tables are written set-wise by `canonical.record` only; staff-edited ones carry simple_history."""

from canonical.models.catalog import Product, Sku, Sourcing
from canonical.models.fulfilment import FulfilmentRequest, Package, PackageLine, RequestChange, RequestLine, Shipment
from canonical.models.inbound import InboundLine, InboundReceipt, InboundReceiptLine, InboundShipment
from canonical.models.ledger import Entry
from canonical.models.money import Booking, Payment, Posting, Refund, RefundLine
from canonical.models.orders import Abandonment, Charge, Hold, Order, OrderLine
from canonical.models.parties import Address, Customer
from canonical.models.policies import Mapping, ShopPolicy
from canonical.models.returns import Return, ReturnedUnits, ReturnLine, ReturnReport
from canonical.models.shipto import ShipTo
from canonical.models.stock import (
    AvailabilityRule,
    Eligibility,
    KitComponent,
    LineComponent,
    Listing,
    Offer,
    Oversell,
    Publication,
    SnapshotPart,
    StockCount,
    StockLevel,
    StockMovement,
    StockSnapshot,
    StockSource,
    StockTouch,
)
from canonical.models.systems import Link, Location, Secret, System

__all__ = [
    "Abandonment", "Address", "AvailabilityRule", "Booking", "Charge", "Customer", "Eligibility", "Entry", "FulfilmentRequest",
    "Hold", "InboundLine", "InboundReceipt", "InboundReceiptLine", "InboundShipment", "KitComponent", "LineComponent", "Link",
    "Listing", "Location", "Mapping", "Offer", "Order", "OrderLine", "Oversell", "Package", "PackageLine", "Payment", "Posting",
    "Product", "Publication", "Refund", "RefundLine", "RequestChange", "RequestLine", "Return", "ReturnLine", "ReturnReport",
    "ReturnedUnits", "Secret", "ShipTo", "Shipment", "ShopPolicy", "Sku", "SnapshotPart", "Sourcing", "StockCount", "StockLevel",
    "StockMovement", "StockSnapshot", "StockSource", "StockTouch", "System",
]  # fmt: skip
