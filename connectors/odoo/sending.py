"""Which command goes to Odoo how. The work is done in customers.py, orders.py, amending.py, confirming.py, goods_issue.py,
movements.py and asking.py."""

from collections.abc import Mapping

from canonical.commands import (
    AddRounding,
    AmendOrder,
    CancelOrder,
    Command,
    ConfirmOrder,
    CreateOrder,
    PostGoodsIssue,
    PostReceipt,
    PostStockAdjustment,
    Refresh,
    UpsertCustomer,
)  # fmt: skip
from connectors.base import Send
from connectors.odoo.amending import amend_needs, amend_orders
from connectors.odoo.asking import refresh
from connectors.odoo.confirming import add_roundings, cancel_orders, confirm_orders
from connectors.odoo.customers import upsert_customers
from connectors.odoo.goods_issue import issue_needs, issue_optional, look_issues, post_goods_issues
from connectors.odoo.movements import look_movements, movement_needs, post_movements
from connectors.odoo.orders import create_orders, look_orders, order_needs, order_ref

#: Odoo tries a conflicting transaction five times, up to 25 s, before it gives up (odoo/service/model.py): wait longer than that.
DEADLINE = LONGEST = 60.0
#: Three-line orders through load(): 9/s one by one, 54/s in calls of 50, no faster in calls of 200.
BATCH = 50

_MOVEMENT = Send(
    post_movements, "native_unique", movement_needs, look=look_movements, batch=25, deadline=DEADLINE, longest=LONGEST,
)  # fmt: skip

SENDS: Mapping[type[Command], Send] = {
    UpsertCustomer: Send(
        upsert_customers, "native_upsert", batch=BATCH, deadline=DEADLINE, longest=LONGEST,
    ),
    CreateOrder: Send(
        create_orders, "native_unique", order_needs, look=look_orders, batch=BATCH, deadline=DEADLINE, longest=LONGEST,
    ),
    AmendOrder: Send(
        amend_orders, "idempotent", amend_needs, batch=10, deadline=DEADLINE, longest=LONGEST,
    ),
    AddRounding: Send(
        add_roundings, "native_unique", order_ref, batch=BATCH, deadline=DEADLINE, longest=LONGEST,
    ),
    ConfirmOrder: Send(
        confirm_orders, "idempotent", order_ref, batch=BATCH, deadline=DEADLINE, longest=LONGEST,
    ),
    CancelOrder: Send(
        cancel_orders, "idempotent", order_ref, batch=25, deadline=DEADLINE, longest=LONGEST,
    ),
    PostGoodsIssue: Send(
        post_goods_issues, "search_then_create", issue_needs, issue_optional, look_issues,
        batch=25, deadline=DEADLINE, longest=LONGEST,
    ),
    PostReceipt: _MOVEMENT,
    PostStockAdjustment: _MOVEMENT,
    Refresh: Send(
        refresh, "idempotent", batch=100, deadline=30.0,
    ),
}  # fmt: skip
