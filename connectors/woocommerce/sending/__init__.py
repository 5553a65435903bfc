"""Our commands → requests to a shop → receipts. Knows what each command is to the shop; status codes belong to the client.

Batches: stock figures and completions share their requests, and saying one twice changes nothing. Shipments go one by one:
fulfillments have no batch route, and when a worker dies in the middle of several, those never sent could not be told from those
whose answer was lost.
"""

from collections.abc import Mapping

from canonical.commands import (
    CancelShopOrder,
    Command,
    CompleteOrder,
    PublishStock,
    Refresh,
    RemindPayment,
    SendTracking,
)
from connectors.base import Send
from connectors.woocommerce.client import MAX_PAGE
from connectors.woocommerce.sending.common import each, order_of
from connectors.woocommerce.sending.orders import cancel_order, complete_orders, look_reminders, remind_payment
from connectors.woocommerce.sending.refresh import refresh
from connectors.woocommerce.sending.stock import publish_stock
from connectors.woocommerce.sending.tracking import look, send_tracking

SENDS: Mapping[type[Command], Send] = {
    Refresh: Send(each(refresh), "idempotent", batch=10, deadline=60.0),
    SendTracking: Send(
        each(send_tracking), "search_then_create", needs=order_of, look=look, deadline=60.0, longest=60.0
    ),
    # ten: a shop writes mails and stock for each before it answers, and PHP is often given 30 seconds
    CompleteOrder: Send(complete_orders, "idempotent", needs=order_of, batch=10, deadline=60.0, longest=60.0),
    # a hundred: what one request may write; a request for each parent of variations
    PublishStock: Send(publish_stock, "idempotent", batch=MAX_PAGE, deadline=60.0, longest=60.0),
    CancelShopOrder: Send(each(cancel_order), "idempotent", needs=order_of),
    RemindPayment: Send(each(remind_payment), "search_then_create", needs=order_of, look=look_reminders),
}
