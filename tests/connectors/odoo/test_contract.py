from decimal import Decimal

from canonical.commands import AddRounding, CancelOrder, ConfirmOrder, PostReceipt, PostStockAdjustment, Refresh
from connectors.odoo import connector
from tests.connectors.contract import ConnectorContract
from tests.connectors.odoo.conftest import MUG, amendment, charge, customer, issue, line, movement, order

PRODUCT = b'{"id":2,"default_code":"T-A","name":"Sku A","barcode":false,"type":"consu","active":true,"write_date":"2026-01-23 05:53:04"}'

STOCK = b'{"location":"WH","rows":[[2,"T-A","50.0","2.5","0"]],"run":"20260301T093000000000-WH","part":1}'
DONE = b'{"location":"WH","run":"20260301T093000000000-WH","parts":1,"rows":1}'


class TestContract(ConnectorContract):
    connector = connector
    settings = {"url": "https://odoo.example", "database": "shop"}
    samples = {"product.read": PRODUCT, "product.gone": b'{"id":2}', "stock.page": STOCK, "stock.done": DONE}
    commands = (
        customer(),
        order(1, line(11, MUG, 1, "1.00", ""), charges=(charge(1, "shipping", "1.00"),)),
        amendment(1, line(11, MUG, 1, "1.00", "")),
        CancelOrder(order_id=1, booking_id=1),
        AddRounding(order_id=1, booking_id=1, amount=Decimal("0.01")),
        ConfirmOrder(order_id=1, booking_id=1),
        issue(1, 1, (11, MUG, 1)),
        movement(PostReceipt, 1, 5),
        movement(PostStockAdjustment, 2, -3),
        Refresh(entity="sku", external_id="2"),
    )


class TestContractOverJsonRpc(TestContract):
    settings = {"url": "https://odoo.example", "database": "shop", "api": "jsonrpc", "login": "engine"}
