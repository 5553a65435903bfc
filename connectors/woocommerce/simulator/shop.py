"""The simulated shop itself: its life, its customers and staff, who may call it, its controls and its state."""

import base64
import binascii
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Self

from connectors.simulation import Answer, Request, Stop
from connectors.woocommerce import oauth
from connectors.woocommerce.simulator.customers import Customers
from connectors.woocommerce.simulator.fulfillments import Fulfillments
from connectors.woocommerce.simulator.hooks import Hooks
from connectors.woocommerce.simulator.products import Products
from connectors.woocommerce.simulator.records import Stocked
from connectors.woocommerce.simulator.till import Till
from connectors.woocommerce.simulator.views import API, Record, failure, visible
from connectors.woocommerce.simulator.webhooks import Webhooks

KEY, SECRET = "ck_simulated_shop", "cs_simulated_shop"


class Shop(Till, Products, Customers, Fulfillments, Hooks):
    """The shop. `place` makes customers buy, the verbs of `staff.py` are people at work, `unsettle` lets anything happen; `orders`,
    `refunds`, `notes`, `fulfillments` are its records. With `plain_http` it takes OAuth 1.0a only, as a shop without https does.
    It sells in `currency` and taxes as the catalogue says, or everything at one `rate` (in percent; one of arithmetic.RATES). With
    `goods` it sells these instead of the catalogue, and `checkout` makes customers buy them.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        store: Path | str | None = None,
        seed: int = 0,
        key: str = KEY,
        secret: str = SECRET,
        fulfillments: bool = True,
        plain_http: bool = False,
        currency: str = "EUR",
        rate: Decimal | None = None,
        goods: Sequence[Stocked] | None = None,
    ) -> None:
        super().__init__(port=port, host=host, store=store, seed=seed)
        self.key, self.secret, self.plain_http = key, secret, plain_http
        self.currency, self.rate = currency, rate
        self._nonces: dict[str, float] = {}
        self.webhooks = Webhooks(self.store, self.lock, self._payload, lambda: self.url, self.now, seed)
        self._placed = len(self.orders)
        if not self.products:
            self._stock_up(goods)
        self._add_routes(fulfillments)

    def start(self) -> Self:
        """Listen and deliver webhooks."""
        super().start()
        self.webhooks.start()
        return self

    def stop(self) -> None:
        """Stop delivering and listening."""
        self.webhooks.stop()
        super().stop()

    # -- the web server's part
    def handle(self, request: Request) -> Answer:
        """Authenticate, route, and date the answer by the shop's clock."""
        api = request.path.startswith("/wp-json/wc/")
        refused = self._unauthorised(request) if api else None
        answer = refused or (self.write_batch(request) if api else None) or super().handle(request)
        return Answer(answer.status, answer.body, {"Date": format_datetime(self.now(), usegmt=True), **answer.headers})

    def missing(self, request: Request) -> Answer | None:
        """A path the API does not have."""
        if not request.path.startswith("/wp-json/"):
            return Answer(
                404, b"<!DOCTYPE html><title>Page not found</title>", {"Content-Type": "text/html; charset=UTF-8"}
            )
        return failure(404, "rest_no_route", "No route was found matching the URL and request method.").answer

    def _unauthorised(self, request: Request) -> Answer | None:
        if "oauth_signature" in request.query:
            return self._unsigned(request)
        key, _, secret = _basic(request.headers.get("authorization", "")).partition(":")
        if key != self.key or self.plain_http:
            return failure(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.").answer
        if secret != self.secret:
            return failure(401, "woocommerce_rest_authentication_error", "Consumer secret is invalid.").answer
        return None

    def _unsigned(self, request: Request) -> Answer | None:
        """What is wrong with a signed request: key, signature, timestamp, nonce, in this order."""
        said, now = request.query, self.now().timestamp()
        wrong = (
            (said.get("oauth_consumer_key") != self.key, "Consumer key is invalid."),
            (
                not oauth.verify(request.method, self.url + request.path, said, self.secret),
                "Invalid signature - provided signature does not match.",
            ),
            (abs(now - float(said.get("oauth_timestamp") or 0)) > oauth.WINDOW, "Invalid timestamp."),
            (said.get("oauth_nonce", "") in self._nonces, "Invalid nonce - nonce has already been used."),
        )
        for is_wrong, words in wrong:
            if is_wrong:
                return failure(401, "woocommerce_rest_authentication_error", words).answer
        self._nonces = {nonce: at for nonce, at in self._nonces.items() if now - at < oauth.WINDOW}
        self._nonces[said["oauth_nonce"]] = now
        return None

    def _add_routes(self, fulfillments: bool) -> None:
        add = self.routes.add
        self.add_order_routes()
        self.add_refund_routes()
        self.add_product_routes()
        self.add_customer_routes()
        self.add_hook_routes()
        if fulfillments:
            self.add_fulfillment_routes()
        add("GET", API + "/system_status", lambda request: {"environment": {"version": "11.0.1", "wp_version": "7.1"}})
        add("GET", "/wp-json", lambda request: {"name": "Simulated shop", "url": self.url, "namespaces": ["wc/v3"]})
        add("POST", "/_sim/orders", self.control_place)
        add("POST", "/_sim/orders/<id>", self.put_order)
        add("DELETE", "/_sim/orders/<id>", self.delete_order)
        add("POST", "/_sim/orders/<id>/unsettle", self.control_unsettle)
        add("POST", "/_sim/checkout", self.control_checkout)
        add("POST", "/_sim/stock", self.control_stock)
        add("POST", "/_sim/webhooks", lambda request: self.webhooks.set_mischief(**request.json()))
        add("POST", "/_sim/redeliver", self.control_redeliver)

    def _payload(self, topic: str, subject: int) -> Any:
        """What a delivery carries: the record as it is now, `{"id": …}` for deletions, an error object when it is gone."""
        resource, _, event = topic.partition(".")
        if event == "deleted":
            return {"id": subject}
        find: Mapping[str, Callable[[str], Record]] = {
            "order": self.order,
            "product": self.product,
            "customer": self.customer,
        }
        try:
            record = find[resource](str(subject))
            return visible(self.as_shown(record) if resource == "product" else record)
        except Stop as stop:
            return stop.answer.body

    # -- controls
    def control_place(self, request: Request) -> Any:
        """Place orders now, or at a rate per second from now on."""
        said = request.json()
        count, rate, seed = int(said.get("count", 1)), float(said.get("rate", 0)), said.get("seed")
        more = {key: said[key] for key in ("status", "shape", "unclean") if key in said}
        if not rate:
            return {"placed": self.place(count, seed, **more)}
        rng = random.Random(self.seed if seed is None else seed)
        threading.Thread(target=self._place_slowly, args=(count, rate, rng, more), daemon=True).start()
        return {"placing": count, "rate": rate}

    def _place_slowly(self, count: int, rate: float, rng: random.Random, more: dict[str, Any]) -> None:
        begun = time.monotonic()
        for number in range(count):
            if self.stopping.wait(max(0.0, begun + number / rate - time.monotonic())):
                return
            self.place(1, rng.getrandbits(32), **more)

    def control_checkout(self, request: Request) -> Any:
        """One customer buys exactly this: the order, or null where it is sold out."""
        said = request.json()
        return {"order": self.checkout(said["items"], status=said.get("status", ""), seed=said.get("seed"))}

    def control_stock(self, request: Request) -> Any:
        """Staff count one thing anew, or decide how it is counted."""
        said = request.json()
        if "manage" in said:
            self.manage_stock(said["sku"], said["manage"], said.get("quantity"))
        elif "quantity" in said:
            self.set_stock(said["sku"], int(said["quantity"]))
        if "backorders" in said:
            self.set_backorders(said["sku"], said["backorders"])
        return self.stock()[said["sku"]]

    def control_unsettle(self, request: Request, id: str) -> Any:
        """Something happens to an order, by a seed; or a named deed."""
        said = request.json()
        return self.unsettle(int(id), random.Random(said.get("seed")), said.get("deed", ""))

    def control_redeliver(self, request: Request) -> Any:
        """Send recorded deliveries again, without holding up the shop."""
        said = {"last": 20, "times": 1, "reverse": True, **request.json()}
        last = int(said.pop("last"))
        threading.Thread(target=self.webhooks.redeliver, args=(last,), kwargs=said, daemon=True).start()
        return {"redelivering": min(last, len(self.webhooks.sent)) * said["times"]}

    def state(self) -> Any:
        """What this shop holds, for an oracle: all of one moment."""
        with self.lock:
            return self._state()

    def _state(self) -> Record:
        hooks = [
            visible(hook) | {"failure_count": hook["failure_count"]} for hook in self.webhooks.subscriptions().values()
        ]
        tracking: dict[int, list[str]] = {}
        counts: dict[int, int] = {}
        for one in self.fulfillments.values():
            if not one["date_deleted"]:
                order = int(one["entity_id"])
                counts[order] = counts.get(order, 0) + 1
                tracking.setdefault(order, []).extend(
                    m["value"] for m in one["meta_data"] if m["key"] == "_tracking_number"
                )
        return {
            "now": self.now(),
            "orders": [self._summary(order, counts, tracking) for order in self.orders.values()],
            "stock": self.stock(),
            "webhooks": hooks,
            "deliveries": {
                **self.webhooks.counts,
                "waiting": self.webhooks.waiting(),
                **asdict(self.webhooks.mischief),
            },
            "deeds": self.deeds,
            "answered": {str(status): count for status, count in self.answered.items()},
        }

    def _summary(self, order: Record, counts: Mapping[int, int], tracking: Mapping[int, Sequence[str]]) -> Record:
        hidden, notes = order["_sim"], self.notes.get(order["id"], [])
        return {
            "id": order["id"],
            "number": order["number"],
            "status": order["status"],
            "total": order["total"],
            "lines": {line["sku"]: line["quantity"] for line in order["line_items"]},
            "refunds": [refund["amount"] for refund in self.refunds_of(order["id"])],
            "refunded_units": -sum(line["quantity"] for r in self.refunds_of(order["id"]) for line in r["line_items"]),
            "paid": order["date_paid"] is not None,
            "shape": hidden.get("shape", ""),
            "date_created": hidden["placed_at"],
            "tracking": [*tracking.get(order["id"], ()), *(n["note"] for n in notes if n["customer_note"])],
            "tracking_at": hidden.get("tracking_at"),
            "fulfillments": counts.get(order["id"], 0),
            "notes": len(notes),
            "completed_at": hidden["completed_at"],
            "completions": hidden["completions"],
        }


def _basic(header: str) -> str:
    """`key:secret` of an HTTP Basic header; empty for anything else."""
    try:
        return base64.b64decode(header[6:]).decode("utf-8", "replace") if header[:6] == "Basic " else ""
    except binascii.Error:
        return ""
