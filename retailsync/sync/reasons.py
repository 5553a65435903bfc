"""The closed list of reasons why something needs a person: its title, who can settle it, and the first step to take."""

from typing import NamedTuple


class Reason(NamedTuple):
    """One cause as people see it."""

    title: str
    who: str
    step: str


REASONS: dict[str, Reason] = {
    # messages
    "malformed": Reason(
        "Message not understood",
        "developer",
        "Look at the message and the field it names; ask the sender to correct it, then release.",
    ),
    "conflict": Reason(
        "Contradicts what is recorded",
        "back_office",
        "Ask the sender which statement is right; release once it is corrected, or close.",
    ),
    "missing": Reason(
        "Waits for something that never came",
        "back_office",
        "Check whether the order or product it names exists; once it does, release.",
    ),
    "poison": Reason(
        "Stops the worker each time",
        "developer",
        "Read the trouble on the message, correct the program, release.",
    ),
    "bug": Reason(
        "Our own fault",
        "developer",
        "Read the traceback on the row, correct the program, release.",
    ),
    "unknown_topic": Reason(
        "Unknown kind of message",
        "developer",
        "Nothing reads this kind of message. Switch it off at the sender, or teach the connector.",
    ),
    # stock
    "implausible_count": Reason(
        "A count nobody can believe",
        "back_office",
        "Compare it with the warehouse. Accept the new figure, or have it counted again; until then the lower one is offered.",
    ),
    "implausible_snapshot": Reason(
        "A stock snapshot nobody can believe",
        "back_office",
        "Look at what is missing from it. Apply it all the same, or discard it and wait for the next one.",
    ),
    "half_snapshot": Reason(
        "A stock snapshot that never became whole",
        "partner",
        "Ask the sender to send it again, whole; then discard this one.",
    ),
    "stale_source": Reason(
        "Nobody tells us about the stock",
        "administrator",
        "See whether the system is reachable and sends its stock; figures are believed again by themselves once it does.",
    ),
    "stock_not_managed": Reason(
        "The shop keeps no stock of it",
        "back_office",
        "Switch on stock for the product in the shop; the figure is written by itself then.",
    ),
    "stock_not_taken": Reason(
        "The shop did not take the figure",
        "back_office",
        "Look at the product in the shop (a plugin may set its stock); then release.",
    ),
    "product_gone": Reason(
        "The shop does not have the product any more",
        "back_office",
        "Restore it in the shop and release, or close.",
    ),
    "stock_not_valid": Reason(
        "A figure the shop cannot take",
        "developer",
        "Read the words on the command, correct the program, release.",
    ),
    # holds
    "sku_mapping": Reason(
        "Unknown SKU",
        "back_office",
        "Say which of our SKUs it is: all orders that wait for it go on together. Or create the product in the shop, or give it this SKU"
        " there; then the order goes on by itself.",
    ),
    "totals": Reason(
        "Totals do not add up",
        "back_office",
        "Compare the order in the shop; correct it there, or release to accept the shop's total.",
    ),
    "no_location": Reason(
        "No warehouse can ship this",
        "back_office",
        "Add a sourcing step for the SKU or the shop, then release.",
    ),
    "rejected": Reason(
        "Every warehouse rejected",
        "back_office",
        "Read the warehouses' reasons; add another sourcing step and release, or cancel in the shop.",
    ),
    "short": Reason(
        "Warehouse is short",
        "back_office",
        "Decide with the customer: wait, refund in the shop, or release to ask another warehouse.",
    ),
    "stock": Reason(
        "Waits for stock",
        "back_office",
        "Where stock is counted it goes by itself once there is enough. Release to ask a warehouse all the same, or refund it in the shop.",
    ),
    "completed_in_shop": Reason(
        "Completed in the shop before we shipped",
        "back_office",
        "If it was not shipped by hand, release: it goes to the warehouse.",
    ),
    "payment": Reason(
        "Payment is not what it should be",
        "back_office",
        "Look at the payment in the shop. Release to send the order all the same.",
    ),
    "payment_ended": Reason(
        "The reserved money is no longer reserved",
        "back_office",
        "Have the customer pay again, or cancel in the shop. Release to send the order all the same.",
    ),
    "grace": Reason("Grace period", "back_office", "Nothing to do: it goes on by itself. Release to send it now."),
    "paused_in_shop": Reason(
        "Put on hold in the shop",
        "back_office",
        "Nothing to do here: set the order back to processing in the shop, or cancel it there.",
    ),
    "fraud": Reason(
        "Suspected fraud",
        "back_office",
        "Check customer and address. Release if it is honest, else cancel in the shop.",
    ),
    "operator": Reason("Held by a person", "back_office", "Release when the reason is gone."),
    "address": Reason(
        "Address cannot be used",
        "back_office",
        "Correct the address in the shop; the order goes on by itself. Release to send it as it is.",
    ),
    "method_mapping": Reason(
        "Shipping or payment method not mapped",
        "back_office",
        "Say what it means: all orders that wait for it go on together.",
    ),
    "tax_mapping": Reason(
        "Tax not mapped", "back_office", "Say which tax of the ERP it is: all orders that wait for it go on together."
    ),
    "line_mapping": Reason(
        "Kind of fee not mapped",
        "back_office",
        "Say whether it is a fee or a gift card: all orders that wait for it go on together.",
    ),
    "edited_after_release": Reason(
        "A change came too late",
        "back_office",
        "Call the warehouse. Release once it is settled there, or if the change shall be let be.",
    ),
    "stopped_in_shop": Reason(
        "On hold in the shop, and the warehouse goes on",
        "back_office",
        "Call the warehouse, or set the order back to processing in the shop.",
    ),
    "cancel_refused": Reason(
        "Cancelled in the shop, and shipped all the same",
        "back_office",
        "Expect it back and refund, or set the order to processing in the shop again and have it paid. Release to close.",
    ),
    "refunded_but_shipping": Reason(
        "Refunded, and shipped all the same",
        "back_office",
        "Call the warehouse or the carrier: have the parcel stopped or sent back, or let the customer pay again. Release to close.",
    ),
    "shipped_after_cancel": Reason(
        "Shipped after the warehouse agreed not to",
        "back_office",
        "Choose: it comes back, the customer keeps and pays it, or it is written off. Release to close.",
    ),
    "refund_due": Reason(
        "A refund is due",
        "back_office",
        "Refund these units in the shop; this closes by itself. Release if they were paid back another way.",
    ),
    "old_news": Reason(
        "Old news for the customer",
        "back_office",
        "Release to tell the customer all the same, or close if nobody needs to be told any more.",
    ),
    "unknown_status": Reason(
        "Unknown shop status",
        "back_office",
        "Say what it stands for, or move the order to a status we know in the shop.",
    ),
    "erp_total": Reason(
        "ERP total differs",
        "back_office",
        "Compare prices and taxes in the ERP; correct there, or release to confirm as it is.",
    ),
    "unknown_article": Reason(
        "Shipped something nobody asked for",
        "back_office",
        "Ask the warehouse what it sent and why. Release to close.",
    ),
    "over_shipped": Reason(
        "More shipped than ordered",
        "back_office",
        "Ask the warehouse; arrange a return or an extra invoice. Release to close.",
    ),
    # warehouses
    "not_answered": Reason(
        "The warehouse does not answer in time",
        "partner",
        "Call the warehouse: it was asked and has said nothing within the time agreed. It closes by itself with the answer.",
    ),
    # commands
    "refused": Reason(
        "Refused by the system",
        "back_office",
        "Read the words of the system; correct there or here, then release.",
    ),
    "status_changed": Reason(
        "Its status changed in the shop",
        "back_office",
        "Somebody set another status, which is left alone. Complete the order in the shop if it is done, and close this.",
    ),
    "delivered": Reason(
        "Delivered in the ERP already",
        "back_office",
        "What was delivered cannot be cancelled: book a return there, then close this.",
    ),
    "invoiced": Reason(
        "Invoiced in the ERP already",
        "back_office",
        "What was invoiced cannot be cancelled: make a credit note there, then close this.",
    ),
    "not_cancelled": Reason(
        "The ERP did not cancel it",
        "back_office",
        "Look at the order there: cancel it by hand and say “It was done”, or release.",
    ),
    "empty_order": Reason(
        "An order without lines",
        "back_office",
        "Nothing is left to book. Cancel the order in the shop, or add a line there.",
    ),
    "terms_mapping": Reason(
        "Payment terms not known in the ERP",
        "administrator",
        "Create the terms in the ERP, or correct them in the payment method's mapping or on the customer; then release.",
    ),
    "misconfigured": Reason(
        "Set-up is wrong",
        "administrator",
        "Correct credentials, rights or settings of the system, then release.",
    ),
    "unsupported": Reason(
        "The system cannot do this",
        "administrator",
        "Choose another system for this, or do it by hand and say “It was done”.",
    ),
    "retries_exhausted": Reason(
        "Tried too often",
        "administrator",
        "See the last exchanges; when the system answers again, release.",
    ),
    "in_doubt": Reason(
        "Outcome unknown",
        "back_office",
        "Look in the target. Was it carried out: say “It was done”. Was it not: release, and it is sent again.",
    ),
    "no_receipt": Reason(
        "No receipt came",
        "developer",
        "The connector gave no receipt for this command; look in the target, then release.",
    ),
    # systems
    "feed_failed": Reason(
        "A feed cannot be read",
        "developer",
        "Read the words on the feed; correct its cursor or the connector. Release to read it again now.",
    ),
    "webhook_disabled": Reason(
        "Webhooks were switched off",
        "administrator",
        "The shop had switched our webhook off; it was created anew. Find out why deliveries failed.",
    ),
    "silent": Reason(
        "Webhooks do not arrive",
        "administrator",
        "Polls find what no webhook told. Check that the shop's tasks (cron) run and that it reaches our public address.",
    ),
    "unreachable": Reason(
        "System unreachable",
        "administrator",
        "Check the system and the network. Everything waits and goes on by itself.",
    ),
    "locked_out": Reason(
        "System does not accept us",
        "administrator",
        "Correct address or credentials of the system.",
    ),
}


def reason(code: str) -> Reason:
    """The reason of this code; a connector's own reason code (e.g. tax_mapping) reads as a refusal with its name."""
    known = REASONS.get(code)
    return known or REASONS["refused"]._replace(title=code.replace("_", " ").capitalize())
