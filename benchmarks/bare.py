"""The bare drain of 100: what the product's way of working costs without the product. `python -m benchmarks.bare ERP WMS`.

It does: claim 100 messages (SKIP LOCKED), decode them with msgspec, upsert orders and lines with one statement each in one
transaction, push each order to the ERP and the warehouse (one keep-alive request each over one urllib3 pool), mark the hundred done.
It does not: retry, lease, order, keep exchanges or a ledger, know customers, SKUs, stock, holds or exceptions, or survive a crash
between push and mark without pushing again.
"""

import sys

import django
import msgspec
import urllib3

from benchmarks import turns

CLAIM = 100


class Tax(msgspec.Struct):
    """One tax of a line."""

    id: int
    total: str


class Line(msgspec.Struct):
    """One line."""

    id: int
    sku: str
    name: str
    quantity: int
    subtotal: str
    total: str
    taxes: list[Tax]


class Order(msgspec.Struct):
    """One order."""

    id: int
    number: str
    status: str
    currency: str
    date_created_gmt: str
    total: str
    total_tax: str
    billing: dict[str, str]
    shipping: dict[str, str]
    line_items: list[Line]


_DECODER = msgspec.json.Decoder(Order)
_ORDER = {
    "external_id": "text", "number": "text", "status": "text", "currency": "text", "placed_at": "timestamptz", "total": "numeric",
    "total_tax": "numeric", "email": "text", "billing": "jsonb", "shipping": "jsonb",
}  # fmt: skip
_LINE = {
    "order_id": "bigint", "external_id": "text", "sku": "text", "name": "text", "quantity": "integer", "subtotal": "numeric",
    "total": "numeric", "taxes": "jsonb",
}  # fmt: skip


def _updated(columns: "dict[str, str]", *key: str) -> str:
    return ", ".join(f"{c} = excluded.{c}" for c in columns if c not in key)


def main(erp: str, wms: str) -> None:
    """Work on up to a hundred messages per turn."""
    django.setup()
    from django.db import transaction

    from benchmarks.tables import claim
    from canonical import sql

    pool = urllib3.PoolManager(maxsize=2, retries=False)

    def store(orders: list[Order]) -> dict[str, int]:
        rows = [
            (str(o.id), o.number, o.status, o.currency, o.date_created_gmt + "Z", o.total, o.total_tax, o.billing.get("email", ""),
             msgspec.json.encode(o.billing).decode(), msgspec.json.encode(o.shipping).decode())
            for o in orders
        ]  # fmt: skip
        tail = f"ON CONFLICT (external_id) DO UPDATE SET {_updated(_ORDER, 'external_id')} RETURNING external_id, id"
        ids = dict(sql.insert("bench_order", _ORDER, rows, tail))
        lines = [
            (
                ids[str(o.id)],
                str(x.id),
                x.sku,
                x.name,
                x.quantity,
                x.subtotal,
                x.total,
                msgspec.json.encode(x.taxes).decode(),
            )
            for o in orders
            for x in o.line_items
        ]
        key = ("order_id", "external_id")
        sql.insert(
            "bench_line", _LINE, lines, f"ON CONFLICT (order_id, external_id) DO UPDATE SET {_updated(_LINE, *key)}"
        )
        return ids

    def push(url: str, key: str, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        answer = pool.request("POST", url, body=body, headers=headers)
        assert answer.status == 200
        msgspec.json.decode(answer.data)

    def turn() -> int:
        claimed = claim(CLAIM)
        if not claimed:
            return 0
        orders = [_DECODER.decode(body) for _, body in claimed]
        with transaction.atomic():
            ids = store(sorted(orders, key=lambda o: o.id))
        for order in orders:
            body = msgspec.json.encode(order)
            push(erp, f"order:{ids[str(order.id)]}", body)
            push(wms, f"shipment:{ids[str(order.id)]}", body)
        sql.fetch(
            "UPDATE bench_message SET state = 'done', done_at = clock_timestamp() WHERE id = ANY(%s)",
            ([id for id, _ in claimed],),
        )
        return len(claimed)

    turn()
    turns.serve(turn)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
