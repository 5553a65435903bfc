"""What an order wants of ERP and warehouses, as commands with their full content. Pure: the same order wants the same."""

from canonical.commands import CreateOrder, OrderCharge, OrderLine, RequestFulfilment, RequestLine, UpsertCustomer
from retailsync.flows import reckoning
from retailsync.flows.view import OrderView, RequestView


def customer(order: OrderView) -> UpsertCustomer:
    """The customer and both addresses, in the ERP."""
    return UpsertCustomer(
        customer_id=order.customer_id, order_id=order.id, billing_id=order.billing_id, billing=order.billing,
        shipping_id=order.shipping_id, shipping=order.shipping, email=order.email,
    )  # fmt: skip


def sales_order(order: OrderView) -> CreateOrder:
    """The order, unconfirmed, in the ERP. Lines the shop dropped are left out."""
    lines = [
        OrderLine(line_id=x.id, sku_id=x.sku_id or 0, stated=reckoning.stated_line(x)) for x in order.lines if x.ordered
    ]
    charges = [OrderCharge(charge_id=c.id, stated=reckoning.stated_charge(c)) for c in order.charges]
    return CreateOrder(
        order_id=order.id, reference=order.reference, customer_id=order.customer_id, billing_id=order.billing_id,
        shipping_id=order.shipping_id, placed_at=order.placed_at, currency=order.currency,
        prices_include_tax=order.prices_include_tax, total=order.total, lines=tuple(lines), charges=tuple(charges),
        note=order.note,
    )  # fmt: skip


def fulfilment(order: OrderView, request: RequestView) -> RequestFulfilment:
    """One request to one warehouse."""
    lines = [
        RequestLine(line_id=x.id, sku=x.sku, name=x.name, units=request.units[x.id])
        for x in order.lines
        if x.id in request.units
    ]
    shipping = next((c for c in order.charges if c.kind == "shipping"), None)
    return RequestFulfilment(
        request_id=request.id, order_id=order.id, reference=request.reference, order_reference=order.reference,
        location_code=request.place.code, ship_to=order.shipping, lines=tuple(lines), requested_at=request.requested_at,
        shipping_method=shipping.code if shipping else "", note=order.note,
    )  # fmt: skip
