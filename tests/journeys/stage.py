"""A whole small world for journeys: simulators speaking real HTTP, our doors on a real port, and the corridor turned by hand."""

import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC
from decimal import Decimal
from typing import Any, NamedTuple
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

import msgspec
import urllib3
from django.db import connections
from kombu import Queue

from canonical import ledger
from canonical.models import Sku, Sourcing, System
from connectors.catalogue import Item
from connectors.odoo.simulator import Odoo
from connectors.partner.simulator import Warehouse
from connectors.signing import base64_of
from connectors.woocommerce.simulator import KEY, SECRET, Shop
from connectors.woocommerce.simulator.views import stamp, visible
from retailsync.celery import app
from retailsync.hooks import door
from retailsync.partners.models import PartnerKey
from retailsync.platform.secrets import seal
from retailsync.sync import bell, inbox, polling, publishing, release, sending, stock, tasks
from retailsync.sync.models import Case, Cursor
from tests.world import make_world, rows

HOOK_SECRET = "shop-hook-secret"
PARTNER_SECRET = "whsec_cGFydG5lci1ob29rLXNlY3JldC0xMjM0NTY3ODkw"


# ---- our doors on a port ----------------------------------------------------------------------------------------------------
class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def _application(environ: dict[str, Any], start_response: Any) -> Any:
    from retailsync.wsgi import application  # late: it sets Django up

    try:
        return list(application(environ, start_response))
    finally:
        connections.close_all()


@contextmanager
def doors() -> Iterator[str]:
    """Serve hooks and partner API; yields the base URL."""
    ServerHandler.http_version = "1.0"
    server = _Server(("127.0.0.1", 0), _Quiet)
    server.set_app(_application)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# ---- what everybody holds ---------------------------------------------------------------------------------------------------
class Told(NamedTuple):
    """One order as the shop, we, the ERP and the warehouses hold it, each from its own store."""

    number: str
    shop: str  # its status there
    ours: str  # its stage here
    erp: tuple[str, ...] = ()  # state of every sales order; with the total where that is not the shop's
    issued: tuple[str, ...] = ()  # state of every delivery of the ERP
    asked: tuple[str, ...] = ()  # what every warehouse asked did: place, answer, units shipped
    shown: tuple[str, ...] = ()  # the tracking numbers the customer sees, one text per shipment


# ---- the stage --------------------------------------------------------------------------------------------------------------
class Stage:
    """One shop, one ERP, two warehouses, connected. `settle` turns the corridor until nothing moves any more.

    With `subscribed` false the shop sends no webhooks by itself: a test posts them with `hear`.
    """

    def __init__(
        self,
        name: str,
        url: str,
        stack: ExitStack,
        *,
        shop: dict[str, Any],
        erp: dict[str, Any],
        mix: dict[str, float],
        subscribed: bool,
        erp_settings: dict[str, Any],
    ) -> None:
        self.shop = stack.enter_context(Shop(seed=1, **shop))
        self.keys: dict[str, str] = {}
        self.erp = self._open_erp(name, stack, erp)
        self.url = url
        self.world = make_world(
            name,
            shop={
                "settings": {"url": self.shop.url, "allow_loopback_http": True, "page_size": 20},
                "secrets": {"consumer_key": KEY, "consumer_secret": SECRET, "webhook": HOOK_SECRET},
            },
            erp={
                "settings": {
                    "url": self.erp.url,
                    "database": self.erp.database,
                    "allow_loopback_http": True,
                    **erp_settings,
                },
                "secrets": {"api_key": self.erp.api_key},
            },
        )
        self.warehouses = {code: self._warehouse(code, stack, mix) for code in ("W1", "W2")}
        self._learn()
        if subscribed:
            self._subscribe()

    def _open_erp(self, name: str, stack: ExitStack, erp: dict[str, Any]) -> Any:
        """What plays the ERP: a simulator of our own. It says where it is (url, database, api_key) and what it holds (state)."""
        return stack.enter_context(Odoo(seed=1, **erp))

    def _warehouse(self, code: str, stack: ExitStack, mix: dict[str, float]) -> Warehouse:
        system = self.world.partners[code]
        _, key = PartnerKey.issue(system, "simulator")
        self.keys[code] = key
        place = self.world.places[code].code
        warehouse = Warehouse(
            api=f"{self.url}/api/v1", key=key, secrets=[PARTNER_SECRET], location=place, mix=mix or None, workers=1
        )
        stack.enter_context(warehouse)
        system.settings = {"url": f"{warehouse.url}/events", "allow_loopback_http": True}
        system.save()
        system.secrets.create(name="webhook", sealed=seal(PARTNER_SECRET))
        return warehouse

    def _learn(self) -> None:
        """Know the products of shop and ERP, and source them as their codes say, the other warehouse second."""
        for system in (self.world.shop, self.world.erp):
            Cursor.objects.create(system=system, feed="products")
        self.learn()
        self.turn()
        Cursor.objects.create(system=self.world.shop, feed="orders")
        for sku in Sku.objects.filter(requires_shipping=True):
            for rank, code in enumerate(sorted(("W1", "W2"), key=lambda c: c != sku.code[:2]), 1):
                Sourcing.objects.create(channel=self.world.shop, sku=sku, location=self.world.places[code], rank=rank)

    def _subscribe(self) -> None:
        for topic in ("order.created", "order.updated", "order.deleted"):
            hook = {
                "name": topic,
                "topic": topic,
                "delivery_url": f"{self.url}{door.PREFIX}{self.world.shop.slug}/",
                "secret": HOOK_SECRET,
            }
            self._ask("POST", "/webhooks", hook)

    # -- what others do
    def body(self, order: int, **changes: Any) -> bytes:
        """The shop's snapshot of an order as a webhook carries it, with these fields said otherwise."""
        return msgspec.json.encode({**visible(self.shop.orders[order]), **changes})

    def post(
        self, body: bytes, topic: str = "order.updated", *, delivery: str = "d-1", secret: str = HOOK_SECRET
    ) -> int:
        """One signed delivery to the real door; its answer's status."""
        headers = {
            "Content-Type": "application/json",
            "X-WC-Webhook-Topic": topic,
            "X-WC-Webhook-Signature": base64_of(secret, body),
            "X-WC-Webhook-Delivery-ID": delivery,
        }
        url = f"{self.url}{door.PREFIX}{self.world.shop.slug}/"
        return urllib3.request("POST", url, body=body, headers=headers, retries=False).status

    def hear(self, order: int, topic: str = "order.updated", **changes: Any) -> int:
        """The shop tells us about an order, as it is now or with changes."""
        return self.post(self.body(order, **changes), topic)

    def order(self, shape: str = "plain", *, seed: int = 3, **how: Any) -> int:
        """One customer buys; the shop's order id."""
        return self.shop.place(1, seed=seed, shape=shape, **how)[0]

    def buy(self, *codes: str, status: str = "processing", units: int = 1) -> int:
        """One customer buys one (or so many) of each of these; the shop's order id. Fires webhooks like every order."""
        ids = {p["sku"]: p["id"] for p in self.shop.products.values()}
        home = {"first_name": "Eva", "last_name": "Smit", "address_1": "Kerkweg 1", "city": "Leiden", "country": "NL"}
        order = {
            "status": status,
            "billing": {**home, "email": "eva@example.com"},
            "shipping": home,
            "line_items": [{"product_id": ids[code], "quantity": units} for code in codes],
        }
        return int(self._ask("POST", "/orders", order)["id"])

    def launch(self, code: str) -> None:
        """Shop and ERP have a new product, of which we did not hear yet. W1 ships what is in no list."""
        self.shop._new_product(Item(code, code.title(), Decimal("12.40"), Decimal(21), ""))
        self.erp.records.create(
            "product.product", {"name": code, "default_code": code, "active": True, "type": "consu"}
        )
        Sourcing.objects.create(channel=self.world.shop, location=self.world.places["W1"])

    def next_second(self) -> None:
        """Wait until the shop's clock shows another second. A shop that says something, takes it back and says it again within one second
        does so under one delivery id, with equal words: that is one delivery sent twice, and only a poll tells the two apart."""
        time.sleep(1.0 - self.shop.now().timestamp() % 1.0)

    def _let_the_second_pass(self) -> None:
        """What people do next in the shop bears a later date than what was heard: it dates by the second, and two statements of one second
        can be told apart by a poll at best."""
        newest = max((order["date_modified_gmt"] for order in self.shop.orders.values()), default="")
        if newest == stamp(self.shop.now().astimezone(UTC)):
            self.next_second()

    def learn(self) -> None:
        """Poll the products of shop and ERP."""
        for system in (self.world.shop, self.world.erp):
            polling.poll(system.pk, "products")

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = urllib3.make_headers(basic_auth=f"{KEY}:{SECRET}")
        answer = urllib3.request(method, f"{self.shop.url}/wp-json/wc/v3{path}", json=body, headers=headers)
        assert answer.status in (200, 201), answer.data
        return dict(answer.json())

    def behave(self, **behaviours: str) -> None:
        """What the warehouses do with orders from now on, e.g. W1="reject"."""
        for code, name in behaviours.items():
            self.warehouses[code].behaviour = lambda data, name=name: name

    def answer(self, **answers: str) -> None:
        """How the warehouses answer changes from now on, e.g. W1="refuse_cancel"."""
        for code, name in answers.items():
            self.warehouses[code].answers = lambda data, name=name: name

    def go_on(self) -> None:
        """What waits in the warehouses goes on."""
        for warehouse in self.warehouses.values():
            warehouse.go_on()

    def say(self, code: str, reference: str, verb: str, body: dict[str, Any]) -> int:
        """A warehouse says something through the partner API."""
        url = f"{self.url}/api/v1/fulfilment-requests/{reference}/{verb}"
        headers = {"Authorization": f"Bearer {self.keys[code]}", "Content-Type": "application/json"}
        return urllib3.request("POST", url, body=msgspec.json.encode(body), headers=headers, retries=False).status

    def release(self, *reasons: str, who: str = "anna") -> int:
        """A person releases the open exceptions with these reasons (all, without any)."""
        chosen = Case.objects.filter(closed_at=None, **({"reason__in": reasons} if reasons else {}))
        return release.release(list(chosen.values_list("id", flat=True)), who, "checked")

    # -- the corridor
    @property
    def systems(self) -> list[System]:
        """Ours, in a fixed order."""
        return [self.world.shop, self.world.erp, *self.world.partners.values()]

    def turn(self) -> int:
        """One turn of the corridor for each system; returns how much moved."""
        moved = sum(inbox.drain(s.pk) + sending.drain(s.pk) for s in self.systems)
        return moved + stock.drain() + publishing.publish(self.world.shop.pk)

    def poll(self) -> None:
        """One poll of the shop's orders."""
        polling.poll(self.world.shop.pk, "orders")

    def sweep(self) -> None:
        """What beat does every few seconds: find rows nobody rang for."""
        tasks.sweep()

    def answer_bells(self) -> int:
        """What a worker does: take every task out of the broker and carry it out. Returns how many there were."""
        count = 0
        assert bell.ringer.idle.wait(5)
        with app.connection_for_read() as connection:
            queues = [queue.bind(connection.default_channel) for queue in _queues()]
            while taken := [m for queue in queues if (m := queue.get(no_ack=True))]:
                for message in taken:
                    app.tasks[message.headers["task"]](*message.payload[0])
                count += len(taken)
        return count

    def sweep_and_answer(self, seconds: float = 30.0) -> None:
        """A worker and beat's sweep, and nothing else, until all is quiet."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.sweep()
            busy = any(w.state()["open"] for w in self.warehouses.values()) or self.shop.webhooks.waiting()
            if not self.answer_bells() and not busy:
                return
            time.sleep(0.02)
        raise AssertionError(f"not settled: {self.trouble()}")

    def settle(self, until: Callable[[], Any] | None = None, seconds: float = 60.0) -> None:
        """Turn until `until` holds; without it, until webhooks, warehouses and corridor are quiet."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            moved = self.turn()
            if until is not None and until():
                return
            if not moved and until is None and self._quiet():
                return self._let_the_second_pass()
            if not moved:
                time.sleep(0.02)
        raise AssertionError(f"not settled: {self.trouble()}")

    def settle_with(self, workers: int) -> None:
        """Settle while so many workers turn the corridor at the same time."""
        ended = threading.Event()

        def work() -> None:
            while not ended.is_set():
                if not self.turn():
                    ended.wait(0.01)
            connections.close_all()

        threads = [threading.Thread(target=work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        try:
            self.settle()
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        self.settle()

    def settle_over(self, hands: Callable[..., None], minutes: int = 6) -> None:
        """Settle again and again while `hands` turns the clock minute by minute, as beat would sweep meanwhile."""
        for _ in range(minutes):
            self.settle()
            hands(minutes=1)
            self.sweep()
        self.settle()

    def _quiet(self) -> bool:
        time.sleep(0.05)
        busy = any(w.state()["open"] for w in self.warehouses.values()) or self.shop.webhooks.waiting()
        return not busy and not self.turn()

    # -- whole states, to compare
    def whole(self) -> list[Told]:
        """Every order of the shop, as everybody holds it."""
        stages = dict(rows("SELECT external_id, stage FROM canonical_order WHERE channel_id = %s", self.world.shop.pk))
        booked = self.erp.state()["orders"]
        return [self._told(order, stages, booked) for order in self.shop.orders.values()]

    def _told(self, order: dict[str, Any], stages: dict[str, str], booked: Sequence[dict[str, Any]]) -> Told:
        reference = self.world.shop.prefix + order["number"]
        theirs = [b for b in booked if _is_about(b["reference"], reference)]
        return Told(
            order["number"],
            order["status"],
            stages.get(str(order["id"]), ""),
            tuple(_sale(b, order["total"]) for b in theirs),
            tuple(p["state"] for b in theirs for p in b["pickings"]),
            tuple(
                _asked(code, r)
                for code, w in self.warehouses.items()
                for r in w.state()["requests"].values()
                if _is_about(r["order_reference"], reference)
            ),
            tuple(
                meta["value"]
                for f in self.shop.fulfillments_of(order["id"])
                for meta in f["meta_data"]
                if meta["key"] == "_tracking_number"
            ),
        )

    def cases(self) -> list[tuple[str, str]]:
        """Reason and words of every open exception."""
        return rows("SELECT reason, words FROM sync_case WHERE closed_at IS NULL ORDER BY id")  # type: ignore[return-value]

    def messages(self) -> list[tuple[str, str]]:
        """Topic and state of everything this shop said about orders."""
        return rows(  # type: ignore[return-value]
            "SELECT topic, state FROM sync_message WHERE system_id = %s AND topic LIKE 'order.%%' ORDER BY id",
            self.world.shop.pk,
        )

    def commands(self) -> list[tuple[str, str]]:
        """Kind and state of every command for this world's systems, by kind."""
        return rows(  # type: ignore[return-value]
            "SELECT kind, state FROM sync_command WHERE system_id = ANY(%s) ORDER BY kind, id",
            [s.pk for s in self.systems],
        )

    def trouble(self) -> dict[str, Any]:
        """What a person would look at first."""
        return {
            "commands": rows(
                "SELECT kind, state, reason, words, waits_for, left(trouble, 2000) FROM sync_command WHERE state <> 'confirmed'"
            )[:10],
            "messages": rows(
                "SELECT topic, state, reason, words, left(trouble, 2000) FROM sync_message WHERE state <> 'done'"
            )[:10],
            "cases": rows("SELECT reason, words FROM sync_case WHERE closed_at IS NULL")[:10],
            "ledger": unexplained(),
        }


def _queues() -> list[Queue]:
    names = {route["queue"] for route in app.conf.task_routes.values()}
    return [Queue(name, routing_key=name) for name in sorted(names)]


CALM: dict[str, Any] = {
    "commands": [],
    "messages": [],
    "cases": [],
    "ledger": [],
}  # nothing waits, is open or unexplained


def unexplained() -> list[tuple[Any, ...]]:
    """Subjects whose ledger has a gap, or whose last entry is not what their row says today."""
    found = rows(
        "SELECT subject_kind, subject_id, 'gap' FROM canonical_entry GROUP BY 1, 2"
        " HAVING max(version) <> count(*) OR min(version) <> 1"
    )
    for kind, subject in ledger.SUBJECTS.items():
        image = subject.after_image
        found += rows(
            f"SELECT '{kind}', t.id, e.state::text, {image}::text FROM {subject.table} t LEFT JOIN LATERAL"
            f" (SELECT state FROM canonical_entry WHERE subject_kind = '{kind}' AND subject_id = t.id ORDER BY version DESC LIMIT 1)"
            f" e ON true WHERE e.state IS DISTINCT FROM {image}"
        )
    return found[:10]


def _sale(booked: dict[str, Any], total: str) -> str:
    """An ERP order's state; with its total where that differs from the shop's."""
    same = Decimal(booked["amount_total"]) == Decimal(total)
    return booked["state"] if same else f"{booked['state']} {booked['amount_total']}"


def _is_about(theirs: str, ours: str) -> bool:
    """Whether a document elsewhere is about this order: its reference, or that with a suffix."""
    return theirs == ours or theirs.startswith((f"{ours}-", f"{ours}/"))


def _asked(code: str, request: dict[str, Any]) -> str:
    answer = "rejected" if request["rejected"] else "accepted" if request["accepted"] else "asked"
    answer = "cancelled" if request["cancelled"] else "held" if request["held"] else answer
    units = request["shipped_units"]
    return f"{code} {answer}" + (f" {units}" if units else "")


def at_once(count: int, do: Callable[[], Any]) -> list[Any]:
    """Do one thing in so many threads at the same moment; the answers, sorted."""
    answers: list[Any] = []
    gate = threading.Barrier(count)
    threads = [threading.Thread(target=lambda: (gate.wait(), answers.append(do()))) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers)


@contextmanager
def stage(
    name: str = "one",
    *,
    shop: dict[str, Any] | None = None,
    erp: dict[str, Any] | None = None,
    mix: dict[str, float] | None = None,
    subscribed: bool = True,
    erp_settings: dict[str, Any] | None = None,
    kind: type[Stage] = Stage,
) -> Iterator[Stage]:
    """A stage with its doors open."""
    with ExitStack() as stack:
        url = stack.enter_context(doors())
        yield kind(
            name,
            url,
            stack,
            shop=shop or {},
            erp=erp or {},
            mix=mix or {},
            subscribed=subscribed,
            erp_settings=erp_settings or {},
        )
