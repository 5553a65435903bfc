"""A partner with a sandbox, and the corridor behind it turned by hand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.test import Client

from canonical.models import System
from retailsync.partners import sandbox
from retailsync.partners.models import PartnerKey
from retailsync.sync import inbox, sending

from .conftest import Partner

ROOT = "/api/v1"


class Player:
    """A sandbox and who plays in it."""

    def __init__(self, partner: System) -> None:
        self.sandbox = sandbox.ensure(partner)
        self.key, self.text = PartnerKey.issue(self.sandbox.twin, "sandbox")

    def get(self, path: str, **query: str) -> Any:
        return Client().get(f"{ROOT}/{path}", query, headers={"Authorization": f"Bearer {self.text}"})

    def post(self, path: str, body: Any = None, key: str = "") -> Any:
        headers = {"Authorization": f"Bearer {self.text}"} | ({"Idempotency-Key": key} if key else {})
        return Client().post(f"{ROOT}/{path}", body or {}, content_type="application/json", headers=headers)

    def turn(self) -> int:
        """One turn of the corridor; how much moved."""
        systems = (self.sandbox.shop.pk, self.sandbox.twin.pk)
        return sum(inbox.drain(system) + sending.drain(system) for system in systems)

    def settle(self) -> None:
        while self.turn():
            pass

    def buy(self, *lines: tuple[str, int]) -> str:
        """Somebody buys; the reference of what is asked then."""
        answer = self.post("sandbox/simulate/orders", {"lines": [{"sku": sku, "units": units} for sku, units in lines]})
        assert answer.status_code == 202, answer.json()
        self.settle()
        return str(self.asked(answer.json()["order"])["reference"])

    def asked(self, order: str) -> Any:
        (request,) = self.get("fulfilment-requests", order=order).json()["items"]
        return request

    def one(self, reference: str) -> Any:
        return self.get(f"fulfilment-requests/{reference}").json()

    @contextmanager
    def turning(self) -> Iterator[None]:
        """Somebody turns the corridor meanwhile, as workers do."""
        ended = threading.Event()

        def work() -> None:
            while not ended.is_set():
                if not self.turn():
                    ended.wait(0.02)
            connections.close_all()

        worker = threading.Thread(target=work)
        worker.start()
        try:
            yield
        finally:
            ended.set()
            worker.join()


def player(partner: Partner) -> Player:
    return Player(partner.system)
