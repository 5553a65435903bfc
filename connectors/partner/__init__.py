"""Warehouse partners (3PL) who integrate with our REST API: we send them signed webhooks, they answer through the API."""

from connectors.base import Connector, Send
from connectors.partner import reading, sending

connector = Connector(
    name="partner",
    title="Warehouse partner (REST API)",
    roles=frozenset({"3pl", "wms"}),
    settings=sending.Settings,
    secrets=("webhook",),
    reads=reading.reads,
    sends=dict.fromkeys(sending.TELLINGS, Send(send=sending.tell, protection="native_unique", batch=25)),
    probe=sending.probe,
)
