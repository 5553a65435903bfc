"""How a warehouse speaks to our API, and what it says of its stock: when somebody asks it to, never by the clock."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import urllib3

from connectors.partner.simulator.outline import NEVER
from connectors.partner.simulator.shelves import Shelves
from connectors.simulation import Simulator

PATIENCE = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds before the n-th repetition of a failed call; then always the last
PART = 1_000  # items of one part of a snapshot

Words = tuple[str, dict[str, Any]]  # the end of an API address, and the body


class Reporting(Simulator):
    """A warehouse with shelves and a way to our API. `reported` holds [address, status] of all it said of its stock."""

    def __init__(
        self, *, api: str, key: str, location: str, stock: Mapping[str, int], lines: int, port: int, host: str,
        store: Path | str | None, seed: int,
    ) -> None:  # fmt: skip
        super().__init__(port=port, host=host, store=store, seed=seed)
        self.api, self.key, self.location = api.rstrip("/"), key, location
        self.shelves = Shelves(self.store, stock)
        self.reported: list[list[Any]] = []
        self._out = urllib3.PoolManager(maxsize=lines, timeout=10.0, retries=False)
        self.routes.add("POST", "/_sim/snapshot", lambda request: self.send_snapshot(**request.json()))
        self.routes.add("POST", "/_sim/adjust", lambda request: self.adjust(**request.json()))
        self.routes.add("POST", "/_sim/receive", lambda request: self.receive(**request.json()))

    # -- what it says of its stock
    def count(self) -> dict[str, Any]:
        """All shelves as they are now; may be sent later."""
        with self.lock:
            return {"observed_at": self.now(), "items": self.shelves.counted()}

    def send_snapshot(
        self,
        counted: Mapping[str, Any] | None = None,
        *,
        run: str = "",
        size: int = PART,
        truncate: bool = False,
        skip: int = 0,
        duplicate: bool = False,
    ) -> str:
        """A whole count in parts of so many items, with the word that it is whole. Returns its name.

        `counted` is an earlier count: this one is late. `truncate`: it breaks off in the middle, and nobody says that it is whole;
        `skip`: this part does not arrive, and all the same it is called whole; `duplicate`: everything is said twice.
        """
        counted = counted or self.count()
        with self.lock:
            run = run or f"count-{self.store.next('count')}"
            self.store.commit()
        words = self._words(counted["observed_at"], counted["items"], size)
        words = [*words[: skip - 1], *words[skip:]] if skip else words
        words = words[: len(words) // 2] if truncate else words
        for end, body in words * (2 if duplicate else 1):
            self._report(f"snapshots/{quote(run, safe='')}/{end}", body)
        return run

    def _words(self, at: Any, items: Sequence[Any], size: int) -> list[Words]:
        cut = [items[start : start + size] for start in range(0, len(items), size)]
        about = {"location": self.location, "observed_at": at}
        parts = [(f"parts/{n}", {**about, "items": part}) for n, part in enumerate(cut, 1)]
        return [*parts, ("complete", {**about, "parts": len(cut), "items": len(items)})]

    def adjust(self, sku: str, units: int, reason: str) -> str:
        """So many more or less were found. Returns the id of the movement."""
        return self._moved(sku, units, reason=reason)

    def receive(self, sku: str, units: int, document: str) -> str:
        """Goods came in. Returns the id of the movement."""
        return self._moved(sku, units, reason="Received.", kind="receipt", document=document)

    def _moved(self, sku: str, units: int, **more: str) -> str:
        with self.lock:
            name = f"A{self.store.next('movement')}"
            self.shelves.move(sku, units)
            self.store.commit()
            body = {"adjustment": name, "sku": sku, "units": units, "occurred_at": self.now(), **more}
        self._report("adjustments", {"location": self.location, **body})
        return name

    def _report(self, path: str, body: dict[str, Any]) -> None:
        """Say it until it is taken or refused, but not for ever. The same words again are the same delivery."""
        for pause in (*PATIENCE, 0.0):
            status = self.post(f"inventory/{path}", body, "")
            self.reported.append([path, status])
            if is_settled(status):
                return
            time.sleep(pause)

    # -- the way to the API
    def post(self, path: str, body: dict[str, Any], key: str) -> int | None:
        """One call to the API; None when no answer came, or when it is to be asked again (an equal call is under way)."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            answer = self._out.request("POST", f"{self.api}/{path}", body=msgspec.json.encode(body), headers=headers)
        except urllib3.exceptions.HTTPError:
            return None
        return None if answer.status == 409 and "Retry-After" in answer.headers else answer.status


def is_settled(status: int | None) -> bool:
    """Taken, or refused for good."""
    return status is not None and (status < 300 or status in NEVER)
