"""Our API as a partner sees it, and a warehouse in front of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from connectors.partner.reading import SHAPES, stated
from connectors.partner.simulator import Warehouse
from connectors.simulation import Answer, Request, Simulator

DATA = {
    "reference": "F-1", "order_reference": "WEB-1", "location": "W1", "ship_to": {"line1": "Weg 1"}, "carrier": "", "service": "",
    "lines": [{"line": "11", "sku": "A", "units": 3}, {"line": "12", "sku": "A", "units": 1}],
}  # fmt: skip
OTHER: dict[str, Any] = {
    "ship_to": {"line1": "Weg 2"}, "carrier": "UPS", "service": "air",
    "lines": [{"line": "11", "sku": "A", "units": 2}, {"line": "13", "sku": "B", "units": 5}],
}  # fmt: skip
TOPICS = {
    "accept": "request.accepted", "reject": "request.rejected", "ship": "shipment.shipped", "corrections": "shipment.corrected",
    "start": "execution.picking", "pick": "execution.picked", "pack": "execution.packed", "short": "execution.short",
    "changes/1/accept": "change.accepted", "changes/1/reject": "change.rejected",
    "changes/2/accept": "change.accepted", "changes/2/reject": "change.rejected",
}  # fmt: skip


class Api(Simulator):
    """Our API as a partner sees it: takes what has the right shape, once per key."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []
        self.taken: dict[str, tuple[str, dict[str, Any]]] = {}
        self.routes.add("POST", "/fulfilment-requests/<reference>/<verb>", self._hear)
        self.routes.add("POST", "/fulfilment-requests/<reference>/changes/<number>/<verb>", self._hear_of_change)
        self.counts: list[tuple[str, dict[str, Any]]] = []
        self.routes.add("POST", "/inventory/snapshots/<run>/parts/<part>", self._hear_of_stock("counts.part"))
        self.routes.add("POST", "/inventory/snapshots/<run>/complete", self._hear_of_stock("counts.done"))
        self.routes.add("POST", "/inventory/adjustments", self._hear_of_stock("stock.moved"))

    def _hear(self, request: Request, reference: str, verb: str) -> Answer:
        topic = TOPICS[verb]
        assert topic in SHAPES
        stated(topic, request.body, self.now())
        self.said.append((reference, verb))
        self.taken.setdefault(request.headers["idempotency-key"], (verb, msgspec.json.decode(request.body)))
        return Answer(202, {"received": True})

    def _hear_of_change(self, request: Request, reference: str, number: str, verb: str) -> Answer:
        return self._hear(request, reference, f"changes/{number}/{verb}")

    def _hear_of_stock(self, topic: str) -> Callable[..., Answer]:
        def hear(request: Request, **address: str) -> Answer:
            stated(topic, request.body, self.now())
            said = msgspec.json.decode(request.body)
            assert said.pop("location") == "W1"
            assert said.pop("observed_at", "") or said.pop("occurred_at")
            self.counts.append((topic, {**address, **said}))
            return Answer(202, {"received": True})

        return hear


def warehouse(api: Api, behaviour: str = "normal", store: Path | None = None, answer: str = "honest") -> Warehouse:
    return Warehouse(api=api.url, key="k", behaviour=lambda data: behaviour, answers=lambda data: answer, store=store)
