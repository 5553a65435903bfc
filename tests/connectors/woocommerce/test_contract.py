from datetime import UTC, datetime

from canonical.commands import CancelShopOrder, CompleteOrder, PublishStock, Refresh, RemindPayment, SendTracking
from canonical.types import Parcel, Units
from connectors.woocommerce import connector
from tests.connectors.contract import ConnectorContract
from tests.connectors.woocommerce.conftest import delivered, recorded

ORDER = delivered("0022_order.created")[0].body
PRODUCT = delivered("0025_product.updated")[0].body
CUSTOMER = delivered("0014_customer.created")[0].body
COUPON = delivered("0597_coupon.created")[0].body
DELETED = b'{"id":17}'
MISSING = b'{"id":"17","at":1795407865,"code":"woocommerce_rest_shop_order_invalid_id"}'


class TestContract(ConnectorContract):
    connector = connector
    settings = {"url": "https://shop.example", "page_size": 2}
    samples = {
        **{f"order.{event}": ORDER for event in ("created", "updated", "restored", "read")},
        **{f"product.{event}": PRODUCT for event in ("created", "updated", "restored", "read")},
        **{f"customer.{event}": CUSTOMER for event in ("created", "updated", "read")},
        **{f"coupon.{event}": COUPON for event in ("created", "updated", "deleted", "restored")},
        **{f"{subject}.deleted": DELETED for subject in ("order", "product", "customer")},
        **{f"{subject}.missing": MISSING for subject in ("order", "product", "customer", "refund")},
        "refund.read": b'{"order":138,"refund":' + recorded("order_refund_partial_restock") + b"}",
        "stock.read": b'{"holder":"10","at":1795407865,"row":' + recorded("product_put_stock_string") + b"}",
        "stock.missing": b'{"id":"10:12","at":1795407865}',
        "order.listed": b'{"first":1,"last":9,"rows":[{"id":7,"status":"trash","total":"5.00"}]}',
        "action": b'{"action":"woocommerce_add_to_cart","arg":"x"}',
    }
    commands = (
        Refresh(entity="order", external_id="17"),
        SendTracking(
            shipment_id=1,
            order_id=1,
            reference="S-1",
            carrier="PostNL",
            parcels=(Parcel(tracking="3S1"),),
            lines=(Units(units=1, line="3"),),
            shipped_at=datetime(2026, 1, 31, tzinfo=UTC),
        ),
        CancelShopOrder(order_id=1, status_text="on-hold", reason="Not paid."),
        RemindPayment(order_id=1, text="Please pay.", due_at=datetime(2026, 1, 31, tzinfo=UTC)),
        PublishStock(listing_id=1, ref="10:12", sku="A", quantity=5),
        CompleteOrder(order_id=1, happened_at=datetime(2026, 1, 31, tzinfo=UTC)),
    )
