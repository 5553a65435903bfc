"""The simulated shop itself: its life, its customers and staff, who may call it, its controls and its state."""

import base64
import binascii
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Self

from connectors.simulation import Answer, Request, Stop
from connectors.woocommerce import oauth
from connectors.woocommerce.simulator import baskets, payments
from connectors.woocommerce.simulator.customers import Customers
from connectors.woocommerce.simulator.fulfillments import Fulfillments
from connectors.woocommerce.simulator.hooks import Hooks
from connectors.woocommerce.simulator.products import Products
from connectors.woocommerce.simulator.records import SOLD
from connectors.woocommerce.simulator.unsettled import Unsettled
from connectors.woocommerce.simulator.views import API, Record, failure, visible
from connectors.woocommerce.simulator.webhooks import Webhooks

KEY, SECRET = "ck_simulated_shop", "cs_simulated_shop"


class Shop(Unsettled, Products, Customers, Fulfillments, Hooks):
    """The shop. `place` makes customers buy, the verbs of `staff.py` are people at work, `unsettle` lets anything happen; `orders`,
    `refunds`, `notes`, `fulfillments` are its records. With `plain_http` it takes OAuth 1.0a only, as a shop without https does.
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
    ) -> None:
        super().__init__(port=port, host=host, store=store, seed=seed)
        self.key, self.secret, self.plain_http = key, secret, plain_http
        self._nonces: dict[str, float] = {}
        self.webhooks = Webhooks(self.store, self.lock, self._payload, lambda: self.url, self.now, seed)
        self._placed = len(self.orders)
        if not self.products:
            self._stock_up()
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

    # -- customers buy
    def place(
        self, count: int = 1, seed: int | None = None, *, status: str = "", shape: str = "", unclean: float = 0.0
    ) -> list[int]:
        """`count` storefront checkouts; returns the order ids. Shapes come in turn unless one is named; `unclean` = the part of them
        (0 to 1) that has one of the less tidy shapes instead. The status is what the payment leads to unless one is named.

        With the same seed, the same baskets. As observed, `order.updated` leaves before `order.created`.
        """
        with self.lock:
            rng = self.random if seed is None else random.Random(seed)
            goods = self._goods()
            placed = []
            for _ in range(count):
                chosen = shape or baskets.SHAPES[self._placed % len(baskets.SHAPES)]
                if unclean and rng.random() < unclean:
                    chosen = rng.choice(baskets.UNCLEAN)
                buyer = self._buyer(rng, chosen)
                placed.append(self._check_out(baskets.composed(rng, chosen, goods, buyer), status, chosen))
                self._placed += 1
            self.store.commit()
            return placed

    def _buyer(self, rng: random.Random, shape: str) -> Record | None:
        """An account customer, the same one for every `returning` order; guests otherwise two times out of three."""
        known = list(self.customers.values())
        if shape == "returning":
            return known[0]
        return rng.choice(known) if shape == "account" or rng.random() < 1 / 3 else None

    def _check_out(self, draft: Record, status: str, shape: str) -> int:
        manner = payments.begun(draft, shape)
        status = status or manner.status
        paid = status == "completed" or (status == "processing" and manner.paid)
        order = self._new_order(draft, status, "store-api", paid=paid)
        order["_sim"] |= {"shape": shape}
        self.store.put("orders", order["id"], order)
        self.webhooks.emit("order.updated", order["id"])
        self.webhooks.emit("order.created", order["id"])
        for line in order["line_items"] if status in SOLD else ():
            self.webhooks.emit("product.updated", line["variation_id"] or line["product_id"])
        return int(order["id"])

    # -- the web server's part
    def handle(self, request: Request) -> Answer:
        """Authenticate, route, and date the answer by the shop's clock."""
        if request.path.startswith("/wp-json/wc/") and (refused := self._unauthorised(request)):
            answer = refused
        else:
            answer = super().handle(request)
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
            return visible(find[resource](str(subject)))
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
        """What this shop holds, for an oracle."""
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
