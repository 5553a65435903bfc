"""How the simulated shop delivers webhooks: as the real one does, quirks included. Knows no order and no product.

The payload is built at delivery, so quick changes coalesce and a subject may be gone by then; one sender works serially, so a slow
receiver starves everybody; the delivery id is a hash of webhook id and unix second; nothing is ever retried; the seventh failure in a
row disables a webhook, and enabling it again does not reset the count.
"""

import base64
import hashlib
import hmac
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec
import urllib3

from connectors.simulation import Store

LAST_FAILURE = 7  # observed: the seventh failure in a row disables


@dataclass
class Mischief:
    """What goes wrong with deliveries, beyond what always does. Fractions between 0 and 1."""

    drop: float = 0.0
    duplicate: float = 0.0
    shuffle: bool = False
    hold: bool = False  # nothing leaves while this is on


@dataclass(frozen=True)
class Sent:
    """One delivery as it left, to be sent again by a control."""

    url: str
    headers: Mapping[str, str]
    body: bytes


Payload = Callable[[str, int], Any]  # (topic, id) -> what the REST API would answer now


class Webhooks:
    """Subscriptions, what waits to be delivered, and the thread that delivers it."""

    def __init__(
        self,
        store: Store,
        lock: threading.RLock,
        payload: Payload,
        source: Callable[[], str],
        now: Callable[[], datetime],
        seed: int,
    ) -> None:
        self.mischief = Mischief()
        self.sent: deque[Sent] = deque(maxlen=2_000)
        self.counts = {"delivered": 0, "failed": 0, "dropped": 0, "duplicated": 0}
        self._store, self._lock, self._payload, self._source, self._now = store, lock, payload, source, now
        self._random = random.Random(seed + 1)
        self._wake = threading.Condition(lock)
        self._stopping = False
        self._busy = False
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(5.0), maxsize=4)

    # -- subscriptions
    def subscriptions(self) -> dict[int, dict[str, Any]]:
        """All webhooks by id, with their secrets and failure counts."""
        return self._store.table("webhooks")

    def ping(self, hook: Mapping[str, Any]) -> None:
        """The unsigned form-encoded ping a real shop sends when a webhook is created."""
        headers = {"User-Agent": _AGENT, "Content-Type": "application/x-www-form-urlencoded"}
        self._post(Sent(hook["delivery_url"], headers, f"webhook_id={hook['id']}".encode()))

    # -- events
    def emit(self, topic: str, subject: int) -> None:
        """Queue one event for every active webhook of its topic; one that already waits there swallows it."""
        waiting = self._store.table("waiting")
        for hook in self.subscriptions().values():
            if hook["status"] == "active" and hook["topic"] == topic:
                key = f"{hook['id']}:{subject}"
                if key not in waiting:
                    self._store.put("waiting", key, [hook["id"], subject])
        self._wake.notify_all()

    def waiting(self) -> int:
        """How many deliveries have not left yet, the one on its way included."""
        return len(self._store.table("waiting")) + self._busy

    # -- the sender
    def start(self) -> None:
        """Begin delivering, in a thread of its own."""
        self._stopping = False
        threading.Thread(target=self._run, daemon=True, name="shop-webhooks").start()

    def stop(self) -> None:
        """Stop after the delivery under way; what waits stays in the store."""
        with self._lock:
            self._stopping = True
            self._wake.notify_all()

    def nudge(self) -> None:
        """Look again: mischief may have ended."""
        with self._lock:
            self._wake.notify_all()

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._stopping and (self.mischief.hold or not self._store.table("waiting")):
                    self._wake.wait()
                if self._stopping:
                    return
                taken = self._take()
                self._busy = taken is not None
            if taken:
                hook, sent = taken
                times = 1 + (self._random.random() < self.mischief.duplicate)
                answers = [self._post(sent) for _ in range(times)]
                with self._lock:
                    self._busy = False
                    self._settle(hook, answers)

    def _take(self) -> tuple[dict[str, Any], Sent] | None:
        """Take the next event (any, when shuffling), build its payload now, and decide whether it gets lost."""
        waiting = self._store.table("waiting")
        key = self._random.choice(list(waiting)) if self.mischief.shuffle else next(iter(waiting))
        hook_id, subject = waiting[key]
        self._store.delete("waiting", key)
        self._store.commit()
        hook = self.subscriptions().get(hook_id)
        if hook is None or hook["status"] != "active":
            return None
        if self._random.random() < self.mischief.drop:
            self.counts["dropped"] += 1
            return None
        sent = Sent(
            hook["delivery_url"], *self._signed(hook, msgspec.json.encode(self._payload(hook["topic"], subject)))
        )
        self.sent.append(sent)
        return hook, sent

    def _signed(self, hook: Mapping[str, Any], body: bytes) -> tuple[dict[str, str], bytes]:
        resource, _, event = hook["topic"].partition(".")
        signature = base64.b64encode(hmac.digest(hook["secret"].encode(), body, "sha256")).decode()
        second = int(self._now().timestamp())
        return {
            "User-Agent": _AGENT,
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": self._source() + "/",
            "X-WC-Webhook-Topic": hook["topic"],
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": signature,
            "X-WC-Webhook-ID": str(hook["id"]),
            "X-WC-Webhook-Delivery-ID": hashlib.sha256(f"{hook['id']}{second}".encode()).hexdigest()[:32],
        }, body

    def _post(self, sent: Sent) -> int:
        """The receiver's status; 0 when nothing answered."""
        try:
            answer = self._http.request("POST", sent.url, body=sent.body, headers=dict(sent.headers), redirect=False)
        except urllib3.exceptions.HTTPError:
            return 0
        return answer.status

    def _settle(self, hook: dict[str, Any], answers: list[int]) -> None:
        """Count a success (2xx, and 302) or a failure; failures in a row disable."""
        self.counts["duplicated"] += len(answers) - 1
        good = 200 <= answers[-1] < 303
        self.counts["delivered" if good else "failed"] += 1
        if hook["id"] not in self.subscriptions() or (good and not hook["failure_count"]):
            return
        hook["failure_count"] = 0 if good else hook["failure_count"] + 1
        if hook["failure_count"] >= LAST_FAILURE:
            hook["status"] = "disabled"
        self._store.put("webhooks", hook["id"], hook)
        self._store.commit()

    # -- controls
    def set_mischief(self, **changes: Any) -> dict[str, Any]:
        """Change what goes wrong; returns what is in force."""
        self.mischief = Mischief(**{**asdict(self.mischief), **changes})
        self.nudge()
        return asdict(self.mischief)

    def redeliver(self, last: int, *, times: int = 1, reverse: bool = True) -> int:
        """Send the last deliveries again, byte for byte: newest first by default, so that the oldest arrives last."""
        with self._lock:
            chosen = list(self.sent)[-last:]
        for sent in reversed(chosen) if reverse else chosen:
            for _ in range(times):
                self._post(sent)
        return len(chosen) * times


_AGENT = "WooCommerce/11.0.1 Hookshot (WordPress/7.1)"
