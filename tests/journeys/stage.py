"""A whole small world for journeys: simulators speaking real HTTP, our doors on a real port, and the corridor turned by hand."""

import socketserver
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

import urllib3
from django.db import connections

from canonical.models import Sku, Sourcing, System
from connectors.odoo.simulator import Odoo
from connectors.partner.simulator import Warehouse
from connectors.woocommerce.simulator import KEY, SECRET, Shop
from retailsync.hooks import door
from retailsync.partners.models import PartnerKey
from retailsync.sync import inbox, polling, sending
from retailsync.sync.models import Cursor
from tests.world import World, make_world, rows

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
    import threading

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


# ---- the stage --------------------------------------------------------------------------------------------------------------
class Stage:
    """One shop, one ERP, two warehouses, connected. `settle` turns the corridor until nothing moves any more."""

    def __init__(
        self, name: str, url: str, stack: ExitStack, *, shop: dict[str, Any], erp: dict[str, Any], mix: dict[str, float]
    ) -> None:
        self.shop = stack.enter_context(Shop(seed=1, **shop))
        self.erp = stack.enter_context(Odoo(seed=1, **erp))
        self.url = url
        self.world = make_world(
            name,
            shop={
                "settings": {"url": self.shop.url, "allow_loopback_http": True, "page_size": 20},
                "secrets": {"consumer_key": KEY, "consumer_secret": SECRET, "webhook": HOOK_SECRET},
            },
            erp={
                "settings": {"url": self.erp.url, "database": "odoo", "allow_loopback_http": True},
                "secrets": {"api_key": "odoo-key"},
            },
        )
        self.warehouses = {code: self._warehouse(code, stack, mix) for code in ("W1", "W2")}
        self._learn()
        self._subscribe()

    def _warehouse(self, code: str, stack: ExitStack, mix: dict[str, float]) -> Warehouse:
        system = self.world.partners[code]
        _, key = PartnerKey.issue(system, "simulator")
        place = self.world.places[code].code
        warehouse = Warehouse(
            api=f"{self.url}/api/v1", key=key, secrets=[PARTNER_SECRET], location=place, mix=mix or None, workers=1
        )
        stack.enter_context(warehouse)
        system.settings = {"url": f"{warehouse.url}/events", "allow_loopback_http": True}
        system.save()
        from retailsync.platform.secrets import seal

        system.secrets.create(name="webhook", sealed=seal(PARTNER_SECRET))
        return warehouse

    def _learn(self) -> None:
        """Know the products of shop and ERP, and source them as their codes say, the other warehouse second."""
        for system in (self.world.shop, self.world.erp):
            Cursor.objects.create(system=system, feed="products")
            polling.poll(system.pk, "products")
            inbox.drain(system.pk)
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
            answer = urllib3.request(
                "POST",
                f"{self.shop.url}/wp-json/wc/v3/webhooks",
                json=hook,
                headers=urllib3.make_headers(basic_auth=f"{KEY}:{SECRET}"),
            )
            assert answer.status == 201, answer.data

    @property
    def systems(self) -> list[System]:
        """Ours, in a fixed order."""
        return [self.world.shop, self.world.erp, *self.world.partners.values()]

    def turn(self) -> int:
        """One turn of the corridor for each system; returns how much moved."""
        return sum(inbox.drain(s.pk) + sending.drain(s.pk) for s in self.systems)

    def poll(self) -> None:
        """One poll of the shop's orders."""
        polling.poll(self.world.shop.pk, "orders")

    def settle(self, until: Callable[[], Any] | None = None, seconds: float = 60.0) -> None:
        """Turn until `until` holds; without it, until webhooks, warehouses and corridor are quiet."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            moved = self.turn()
            if until is not None and until():
                return
            if not moved and until is None and self._quiet():
                return
            if not moved:
                time.sleep(0.02)
        raise AssertionError(f"not settled: {self.trouble()}")

    def _quiet(self) -> bool:
        time.sleep(0.05)
        busy = any(w.state()["open"] for w in self.warehouses.values()) or self.shop.webhooks.waiting()
        return not busy and not self.turn()

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
        }


@contextmanager
def stage(
    name: str = "one",
    *,
    shop: dict[str, Any] | None = None,
    erp: dict[str, Any] | None = None,
    mix: dict[str, float] | None = None,
) -> Iterator[Stage]:
    """A stage with its doors open."""
    with ExitStack() as stack:
        url = stack.enter_context(doors())
        yield Stage(name, url, stack, shop=shop or {}, erp=erp or {}, mix=mix or {})
