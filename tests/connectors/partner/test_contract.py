"""The checks every connector must pass."""

from collections.abc import Iterator
from datetime import UTC, datetime

from canonical.commands import ChangeRequest, RequestFulfilment, RequestLine
from canonical.types import Address
from connectors import signing
from connectors.base import Session
from connectors.partner import connector
from tests.connectors.contract import Canned, ConnectorContract

SAID = b'"request":"F-1","occurred_at":"2026-01-31T10:00:00Z"'
COUNT = b'"location":"W1","observed_at":"2026-01-31T10:00:00Z"'
ITEMS = (
    b'"items":[{"sku":"A","on_hand":-3},'
    b'{"sku":"B","on_hand":9,"allocated":1,"damaged":2,"quality_hold":3,"incoming":4,"in_transit":5}]'
)
LINES = b'"lines":[{"line":"7","units":2},{"sku":"A","units":1}]'
SECRET = signing.new_secret()


class TestContract(ConnectorContract):
    connector = connector
    settings = {"url": "https://warehouse.example/events"}
    samples = {
        "request.accepted": b'{%b,"partner_reference":"W-9","note":"today"}' % SAID,
        "request.rejected": b'{%b,"reason":"full","partner_reference":"W-9"}' % SAID,
        "change.accepted": b'{%b,"change":1,"reason":"in time"}' % SAID,
        "change.rejected": b'{%b,"change":2,"reason":"packed"}' % SAID,
        "execution.picking": b"{%b}" % SAID,
        "execution.picked": b"{%b,%b}" % (SAID, LINES),
        "execution.packed": b"{%b,%b}" % (SAID, LINES),
        "execution.short": b'{%b,%b,"reason":"gone"}' % (SAID, LINES),
        "shipment.shipped": b'{%b,"shipment":"S1","carrier":"DHL","service":"x","packages":[{"reference":"P","tracking_number":"T",'
        b'"tracking_url":"https://t.example/T",%b}]}' % (SAID, LINES),
        "shipment.corrected": b'{%b,"shipment":"S1","reason":"found later","packages":[{%b}]}' % (SAID, LINES),
        "shipment.tracked": b'{%b,"shipment":"S1","carrier":"DHL","service":"x","packages":[{"package":2,"tracking_number":"T",'
        b'"tracking_url":"https://t.example/T"}]}' % SAID,
        "inbound.received": b'{"inbound":"PO-1","receipt":"W-1","lines":[{"sku":"A","units":3,"damaged":1}]}',
        "return.arrived": b'{"parcel":"P-1","location":"W1","lines":[{"sku":"A","units":3}],"order_reference":"WEB-1",'
        b'"tracking_number":"T"}',
        "return.received": b'{"returned":"R-1","receipt":"W-1","lines":[{"sku":"A","units":3},{"line":"7","units":1}]}',
        "return.inspected": b'{"returned":"R-1","inspection":"Q-1","lines":[{"sku":"A","units":3,'
        b'"condition":"new","disposition":"restock"}]}',
        "counts.part": b'{"run":"2026-01-31","part":1,%b,%b}' % (COUNT, ITEMS),
        "counts.done": b'{"run":"2026-01-31","parts":3,"items":2500,"full":false,%b}' % COUNT,
        "counts.levels": b"{%b,%b}" % (COUNT, ITEMS),
        "stock.moved": b'{"adjustment":"A-7","location":"W1","sku":"A","units":-2,"bucket":"damaged","reason":"dropped","kind":"return",'
        b'"document":"R-1","occurred_at":"2026-01-31T10:00:00Z"}',
    }  # fmt: skip
    commands = (
        RequestFulfilment(
            request_id=1,
            order_id=1,
            reference="WEB-1-F1",
            order_reference="WEB-1",
            location_code="W1",
            ship_to=Address(first_name="Ada"),
            lines=(RequestLine(line_id=7, sku="A", name="Apple", units=2),),
            requested_at=datetime(2026, 1, 31, tzinfo=UTC),
        ),
        ChangeRequest(
            change_id=1,
            request_id=1,
            order_id=1,
            reference="WEB-1-F1",
            number=1,
            kind="cancel",
            ship_to=Address(first_name="Ada"),
            lines=(),
            asked_at=datetime(2026, 1, 31, tzinfo=UTC),
        ),
    )

    def sessions(self) -> Iterator[Session]:
        """With a secret that can sign, so that the answers are reached; and one that cannot."""
        yield from list(super().sessions())[:1]
        for session in super().sessions():
            session.secrets = {"webhook": [SECRET]}
            yield session
        for body in (b"[" * 500, b'{"detail":' * 49, b'{"detail":17}', b'{"detail":{"a":1}}', b'"' + b"x" * 499):
            yield Session("w", plain(), {"webhook": [SECRET]}, Canned(422, body), lambda: datetime.now(UTC))


def plain() -> object:
    return connector.settings(url="https://warehouse.example/events")
