"""People at work in the simulated shop: its staff on their order screens, and customers who pay late. Fires what the real shop fires.

What the order screen does beyond the REST API (lines with recalculated money, payments) is done to the records; all else goes through
the same handlers as the API.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from connectors.simulation import Request
from connectors.woocommerce.simulator import arithmetic, baskets
from connectors.woocommerce.simulator.arithmetic import CURRENCIES
from connectors.woocommerce.simulator.payments import CAPTURED
from connectors.woocommerce.simulator.records import STATUSES
from connectors.woocommerce.simulator.refunds import Refunds
from connectors.woocommerce.simulator.views import API, Record, stamp

UNPAID = frozenset({"pending", "on-hold", "failed", "cancelled"})  # a payment moves these to processing
#: How gateways of the SkyVerge framework note that only a part was taken.
PARTLY, CHARGED = "_wc_card_charge_captured", "_wc_card_capture_total"


class Staff(Refunds):
    """Verbs for tests and demo; `order` is the shop's order id everywhere."""

    # -- edits
    def edit(
        self,
        order: int,
        *,
        address: Mapping[str, str] | None = None,
        shipping: Mapping[str, str] | None = None,
        note: str | None = None,
        **changes: Any,
    ) -> Record:
        """Change parts of the customer's address (both), of the shipping address alone, the customer's note, or whatever
        PUT /orders/<id> takes: status, billing, line_items, meta_data, …"""
        if address:
            changes["billing"], shipping = {**changes.get("billing", {}), **address}, {**address, **(shipping or {})}
        if shipping:
            changes["shipping"] = dict(shipping)
        if note is not None:
            changes["customer_note"] = note
        return self._rest("PUT", f"/orders/{order}", changes)

    def set_quantity(self, order: int, sku: str, units: int) -> None:
        """Change the units of a line; its money follows."""
        with self._screen(order) as record:
            line = _line(record, sku)
            line["quantity"] = units
            arithmetic.price_line(line, record["prices_include_tax"], CURRENCIES[record["currency"]].unit)
            self._adjust_stock(record, line, units)

    def add_line(self, order: int, sku: str, units: int = 1) -> None:
        """Add a product, at its price without discount."""
        with self._screen(order) as record:
            self._add_line(record, self._good(sku), units)

    def drop_line(self, order: int, sku: str) -> None:
        """Remove a line."""
        with self._screen(order) as record:
            self._remove_line(record, _line(record, sku))

    def swap_line(self, order: int, old: str, new: str) -> None:
        """Give the customer something else: as many units, in a new line."""
        with self._screen(order) as record:
            line = _line(record, old)
            self._remove_line(record, line)
            self._add_line(record, self._good(new), line["quantity"])

    def set_shipping_method(self, order: int, method_id: str, title: str, instance: str = "1") -> None:
        """Choose another shipping method for the first shipping line; its cost stays."""
        with self._screen(order) as record:
            chosen = {"method_id": method_id, "method_title": title, "instance_id": instance}
            record["shipping_lines"][0].update(chosen)

    def _good(self, sku: str) -> baskets.Good:
        return next(good for good in self._goods() if good.sku == sku)

    @contextmanager
    def _screen(self, order: int) -> Iterator[Record]:
        """An order on somebody's screen; what was done is recalculated, saved and told when it ends."""
        with self.lock:
            record = self.orders[order]
            yield record
            self._settle(record)
            self._saved(record)

    def _saved(self, record: Record) -> None:
        self._touch("orders", record)
        self.webhooks.emit("order.updated", record["id"])
        self.store.commit()

    # -- statuses
    def move(self, order: int, status: str) -> None:
        """Move an order to a status, with or without `wc-`. One that WooCommerce does not have comes with a plugin, from now on."""
        name = status.removeprefix("wc-")
        with self.lock:
            if name not in STATUSES:
                self.store.put("statuses", name, True)
            self._rest("PUT", f"/orders/{order}", {"status": name})

    def cancel(self, order: int) -> None:
        """Cancel an order."""
        self.move(order, "cancelled")

    def fail(self, order: int) -> None:
        """The payment failed."""
        self.move(order, "failed")

    def cancel_unpaid(self, minutes: int = 60) -> list[int]:
        """WooCommerce's own clean-up: cancel pending orders of the checkout that nobody touched for so long (“hold stock”)."""
        with self.lock:
            limit = stamp(self.now().astimezone(UTC) - timedelta(minutes=minutes))
            left = [
                order["id"]
                for order in self.orders.values()
                if order["status"] == "pending"
                and order["created_via"] in ("checkout", "store-api")
                and order["date_modified_gmt"] <= limit
            ]
            for order in left:
                self.cancel(order)
            return left

    def trash(self, order: int, *, force: bool = False) -> Record:
        """Put an order in the trash, or with `force` delete it for good (no webhook then)."""
        return self._rest("DELETE", f"/orders/{order}", {}, "force=true" if force else "")

    def force_delete(self, order: int) -> Record:
        """Delete an order for good: no webhook, and no trace."""
        return self.trash(order, force=True)

    def restore(self, order: int, *, by_put: bool = False) -> None:
        """Take an order out of the trash, with the status it had. The trash screen tells order.restored; a plugin that writes the
        status by PUT (`by_put`) tells nothing."""
        with self.lock:
            record = self.orders[order]
            status = next(m["value"] for m in record["meta_data"] if m["key"] == "_wp_trash_meta_status")
            self._rest("PUT", f"/orders/{order}", {"status": status.removeprefix("wc-")})
            if not by_put:
                self.webhooks.emit("order.restored", order)

    # -- money comes
    def pay(self, order: int, transaction: str = "") -> None:
        """The money arrived, perhaps late: an unpaid order (cancelled ones too) becomes processing."""
        with self.lock:
            record = self.orders[order]
            self._charge(record, transaction or f"tr_late_{order}")

    def authorise(self, order: int) -> None:
        """The gateway reserved the money: on hold, with a transaction and without a payment."""
        with self.lock:
            record = self.orders[order]
            record.update(self._moment("date_paid", None), transaction_id=f"ch_{order}")
            self._merge_meta(record, [{"key": CAPTURED, "value": "no"}])
            self._set_status(record, "on-hold")
            self._saved(record)

    def capture(self, order: int, amount: Decimal | None = None) -> None:
        """Take the reserved money, or only a part of it; the order becomes processing."""
        with self.lock:
            record = self.orders[order]
            metas = [{"key": CAPTURED, "value": "yes"}]
            if amount is not None:
                metas += [{"key": PARTLY, "value": "partial"}, {"key": CHARGED, "value": str(amount)}]
            self._merge_meta(record, metas)
            self._charge(record, record["transaction_id"])

    def _charge(self, record: Record, transaction: str) -> None:
        """What a gateway does when it has the money (payment_complete); an order that goes on already only keeps the reference."""
        record["transaction_id"] = transaction
        if record["status"] in UNPAID:
            record.update(self._moment("date_paid", self.now()))
            self._set_status(record, "processing")
        self._saved(record)

    # -- money goes back
    def refund(
        self,
        order: int,
        lines: Mapping[str, int] | None = None,
        amount: Decimal | str | None = None,
        *,
        shipping: bool = False,
        restock: bool = True,
        reason: str = "",
    ) -> int:
        """Refund units by SKU, the shipping costs, or just an amount (then the shop says no tax); the refund's id. By hand, not by
        the gateway. What is refunded in full moves to `refunded`."""
        with self.lock:
            record = self.orders[order]
            items = [self._share(record, _line(record, sku), units) for sku, units in (lines or {}).items()]
            if shipping:
                items += [_whole(line) for line in record["shipping_lines"]]
            said: Record = {"api_refund": False, "api_restock": restock, "reason": reason, "line_items": items}
            if amount is not None:
                said["amount"] = str(amount)
            return int(self._rest("POST", f"/orders/{order}/refunds", said)["id"])

    def unrefund(self, order: int, refund: int) -> None:
        """Delete a refund: no webhook tells of it."""
        self._rest("DELETE", f"/orders/{order}/refunds/{refund}", {}, "force=true")

    def _share(self, record: Record, line: Record, units: int) -> Record:
        """So many units of a line, as the refund screen fills them in; the last ones take what is left of the line."""
        unit = CURRENCIES[record["currency"]].unit
        before = [item for r in self.refunds_of(record["id"]) for item in r["line_items"] if _is_of(item, line)]
        gone = -sum(item["quantity"] for item in before)
        rest = units >= line["quantity"] - gone

        def part(field: str) -> Decimal:
            whole = Decimal(line[field])
            left = whole + sum((Decimal(item[field]) for item in before), Decimal(0))
            return left if rest else (whole * units / line["quantity"]).quantize(unit)

        tax = [{"id": entry["id"], "refund_total": str(part("total_tax"))} for entry in line["taxes"]]
        return {"id": line["id"], "quantity": units, "refund_total": str(part("total")), "refund_tax": tax}

    # -- words
    def note(self, order: int, text: str, *, to_customer: bool = False) -> None:
        """Write a note: the order does not count as modified, and no webhook tells of it."""
        self._rest("POST", f"/orders/{order}/notes", {"note": text, "customer_note": to_customer})

    def _rest(self, method: str, path: str, said: Mapping[str, Any], query: str = "") -> Record:
        answer = super().handle(Request(method, API + path, query, {}, msgspec.json.encode(said)))
        if answer.status not in (200, 201):
            raise ValueError(answer.body)
        return dict(answer.body)


def _line(record: Record, sku: str) -> Record:
    lines: Sequence[Record] = record["line_items"]
    return next(line for line in lines if line["sku"] == sku)


def _is_of(item: Record, line: Record) -> bool:
    """Whether a refund's item is about this line."""
    return any(m["key"] == "_refunded_item_id" and m["value"] == str(line["id"]) for m in item["meta_data"])


def _whole(line: Record) -> Record:
    tax = [{"id": entry["id"], "refund_total": line["total_tax"]} for entry in line["taxes"]]
    return {"id": line["id"], "refund_total": line["total"], "refund_tax": tax}
