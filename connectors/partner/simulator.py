"""A warehouse partner: takes our signed webhooks, works, and reports through our API like a real one. Knows nothing of our insides.

    python -m connectors.partner.simulator --api http://127.0.0.1:8000/api/v1 --key rsk_live_… --secret whsec_… --location W1

What it does with an order is its behaviour, chosen per order from the seed and `mix`, or by the `behaviour` hook:
normal · reject · short · two_parcels · two_shipments · ship_first · repeat · sku_only · slow · silent.
"""

import heapq
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import msgspec
import urllib3

from connectors import signing
from connectors.base import BadSignature
from connectors.simulation import Answer, Request, Simulator, Stop, arguments, serve

Data = Mapping[str, Any]  # the `data` of a fulfilment_request.created event
Step = tuple[str, dict[str, Any]]  # the last word of an API address, and what is said there

PATIENCE = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds before the n-th repetition of a failed call; then always the last
SLOW = 2.0  # seconds between the steps of a slow order
NEVER = frozenset({400, 404, 405, 409, 413, 415, 422})  # our API says no: repeating the same words will not help


# ---- behaviours: what a warehouse says about one order ----------------------------------------------------------------------
def normal(data: Data) -> list[Step]:
    """Accept, pick, pack, ship everything in one parcel."""
    return [*begun(), *worked(), shipment(data, 1, [units(data)])]


def reject(data: Data) -> list[Step]:
    return [("reject", {"reason": "We do not ship this."})]


def short(data: Data) -> list[Step]:
    """One unit of the first line is missing; the rest ships."""
    missing = [{"line": data["lines"][0]["line"], "units": 1}]
    rest = [u for u in less(units(data), missing) if u["units"]]
    shipped = [shipment(data, 1, [rest])] if rest else []
    return [*begun(), ("short", {"lines": missing, "reason": "Not on the shelf."}), *worked(), *shipped]


def two_parcels(data: Data) -> list[Step]:
    """One shipment, two parcels."""
    return [*begun(), *worked(), shipment(data, 1, halves(units(data)))]


def two_shipments(data: Data) -> list[Step]:
    """Two shipments, one after the other."""
    parts = halves(units(data))
    return [*begun(), *worked(), *(shipment(data, n, [part]) for n, part in enumerate(parts, 1))]


def ship_first(data: Data) -> list[Step]:
    """The shipment is reported before anything else."""
    return [shipment(data, 1, [units(data)]), *begun(), *worked()]


def repeat(data: Data) -> list[Step]:
    """Every call twice, as after an answer that was lost."""
    return [step for step in normal(data) for _ in range(2)]


def sku_only(data: Data) -> list[Step]:
    """Names SKUs, not lines; equal SKUs in one sum."""
    sums: dict[str, int] = {}
    for line in data["lines"]:
        sums[line["sku"]] = sums.get(line["sku"], 0) + line["units"]
    return [*begun(), *worked(), shipment(data, 1, [[{"sku": s, "units": n} for s, n in sums.items()]])]


def silent(data: Data) -> list[Step]:
    """Takes the order and says nothing."""
    return []


BEHAVIOURS: Mapping[str, Callable[[Data], list[Step]]] = {
    "normal": normal, "reject": reject, "short": short, "two_parcels": two_parcels, "two_shipments": two_shipments,
    "ship_first": ship_first, "repeat": repeat, "sku_only": sku_only, "slow": normal, "silent": silent,
}  # fmt: skip


def begun() -> list[Step]:
    return [("accept", {"partner_reference": ""}), ("picking", {})]


def worked() -> list[Step]:
    return [("picked", {}), ("packed", {})]


def units(data: Data) -> list[dict[str, Any]]:
    """All units of all lines, by our line ids."""
    return [{"line": line["line"], "units": line["units"]} for line in data["lines"]]


def less(all_units: Sequence[dict[str, Any]], gone: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    lost = {u["line"]: u["units"] for u in gone}
    return [{"line": u["line"], "units": u["units"] - lost.get(u["line"], 0)} for u in all_units]


def halves(all_units: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Two parts where there are two units at least; otherwise one."""
    first = [{"line": u["line"], "units": (u["units"] + n % 2) // 2} for n, u in enumerate(all_units, 1)]
    parts = [[u for u in part if u["units"]] for part in (first, less(all_units, first))]
    return [part for part in parts if part]


def shipment(data: Data, number: int, parcels: Sequence[list[dict[str, Any]]]) -> Step:
    """One shipment; its id and tracking numbers follow from the order, so that a repetition says the same."""
    ref = f"{data['reference']}-S{number}"
    packages = [
        {"reference": f"{ref}-P{n}", "tracking_number": f"SIM{ref}-{n}".upper(), "lines": lines}
        for n, lines in enumerate(parcels, 1)
    ]
    return "shipments", {"shipment": ref, "carrier": "DHL", "service": "standard", "packages": packages}


# ---- the agenda -------------------------------------------------------------------------------------------------------------
class Agenda:
    """Orders and when to go on with each. Workers wait here, never in the middle of an order."""

    def __init__(self) -> None:
        self._due: list[tuple[float, str]] = []
        self._changed = threading.Condition()
        self._closed = False

    def add(self, reference: str, seconds: float = 0.0) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, reference))
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[str]:
        while (reference := self._next()) is not None:
            yield reference

    def _next(self) -> str | None:
        """The next order that is due; None when the day is over."""
        with self._changed:
            while not self._closed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[1]
                self._changed.wait(wait)
            return None


# ---- the warehouse ----------------------------------------------------------------------------------------------------------
class Warehouse(Simulator):
    """The partner's own system. `received` holds what it was asked, `progress` how far it is; both survive a restart.

    `behaviour(data) -> name` overrides the seeded choice. `delay` = seconds between two steps of one order.
    """

    name = "partner"

    def __init__(
        self,
        *,
        api: str = "",
        key: str = "",
        secrets: Sequence[str] = (),
        location: str = "W1",
        delay: float = 0.0,
        mix: Mapping[str, float] | None = None,
        behaviour: Callable[[Data], str] | None = None,
        workers: int = 4,
        port: int = 0,
        host: str = "127.0.0.1",
        store: Path | str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(port=port, host=host, store=store, seed=seed)
        self.api, self.key, self.secrets, self.location = api.rstrip("/"), key, list(secrets), location
        self.delay, self.mix, self.workers = delay, dict(mix or {"normal": 1.0}), workers
        self.behaviour = behaviour or self._seeded
        self._agenda = Agenda()
        self._out = urllib3.PoolManager(maxsize=workers, timeout=10.0, retries=False)
        self.routes.add("POST", "/events", self._hear)

    # -- life
    def start(self) -> Self:
        """Listen, and go on with what was left unfinished."""
        super().start()
        self._agenda = Agenda()
        for reference, record in self.store.table("progress").items():
            if not _is_done(record):
                self._agenda.add(reference)
        for n in range(self.workers):
            threading.Thread(target=self._work, args=(self._agenda,), daemon=True, name=f"warehouse-{n}").start()
        return self

    def stop(self) -> None:
        self._agenda.close()
        super().stop()
        self._out.clear()

    # -- hearing
    def _hear(self, request: Request) -> Answer:
        """One webhook: verify, know a repetition by its id, store, then answer."""
        try:
            event_id = signing.verify_webhook(request.headers, request.body, self.secrets, self.now())
        except BadSignature as error:
            raise Stop(401, {"detail": "The signature is not valid."}) from error
        event = request.json()
        if event["type"] == "ping":
            return Answer(204)
        if event["type"] != "fulfilment_request.created":
            raise Stop(422, {"detail": f"We do not know {event['type']}."})
        data = event["data"]
        if data["location"] != self.location:
            raise Stop(422, {"detail": f"We are not the warehouse {data['location']}."})
        self._take(event_id, data)
        return Answer(200, {"received": True})

    def _take(self, event_id: str, data: Data) -> None:
        reference = data["reference"]
        record = self.store.table("progress").get(reference)
        if record is None:
            self.store.put("received", reference, data)
            record = {"received_at": time.time(), "events": {}, "behaviour": self.behaviour(data), "calls": []}
            self._agenda.add(reference)
        record["events"][event_id] = record["events"].get(event_id, 0) + 1
        self.store.put("progress", reference, record)

    def _seeded(self, data: Data) -> str:
        """The same order does the same in every run with this seed and mix."""
        dice = random.Random(f"{self.seed}:{data['order_reference']}")
        return dice.choices(list(self.mix), list(self.mix.values()))[0]

    # -- working
    def _work(self, agenda: Agenda) -> None:
        for reference in agenda:
            step = self._begin(reference)
            if step is not None:
                status = self._say(reference, *step)
                self._end(agenda, reference, step[0], status)

    def _begin(self, reference: str) -> tuple[int, str, dict[str, Any]] | None:
        """The order's next call. Its words are written down before they are said: a repetition says the same."""
        with self.lock:
            record = self.store.table("progress")[reference]
            data = self.store.table("received")[reference]
            steps = BEHAVIOURS[record["behaviour"]](data)
            number = sum(call["status"] is not None for call in record["calls"])
            if number >= len(steps):
                record["done"] = True
                self._keep(reference, record)
                return None
            if number == len(record["calls"]):
                verb, body = steps[number]
                record["calls"].append(self._call(record, verb, body))
                self._keep(reference, record)
            call = record["calls"][number]
            return number, call["verb"], call["body"]

    def _call(self, record: dict[str, Any], verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """A call to be made. The second of two equal ones repeats the first to the letter."""
        last = record["calls"][-1] if record["calls"] else None
        if record["behaviour"] == "repeat" and last and last["verb"] == verb:
            return {**last, "status": None, "tries": 0}
        return {
            "verb": verb,
            "body": {**body, "occurred_at": self.now()},
            "key": len(record["calls"]),
            "status": None,
            "tries": 0,
        }

    def _say(self, reference: str, number: int, verb: str, body: dict[str, Any]) -> int | None:
        """One call to the API; None when no answer came."""
        with self.lock:
            key = self.store.table("progress")[reference]["calls"][number]["key"]
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"{reference}:{key}",
        }
        url = f"{self.api}/fulfilment-requests/{quote(reference, safe='')}/{verb}"
        try:
            answer = self._out.request("POST", url, body=msgspec.json.encode(body), headers=headers)
        except urllib3.exceptions.HTTPError:
            return None
        return answer.status

    def _end(self, agenda: Agenda, reference: str, number: int, status: int | None) -> None:
        """Note what was answered; go on, or try the same again later."""
        with self.lock:
            record = self.store.table("progress")[reference]
            call = record["calls"][number]
            call["tries"] += 1
            settled = status is not None and (status < 300 or status in NEVER)
            if settled:
                call["status"] = status
            self._keep(reference, record)
        patience = PATIENCE[min(call["tries"], len(PATIENCE)) - 1]
        pause = SLOW if record["behaviour"] == "slow" else self.delay
        agenda.add(reference, pause if settled else patience)

    def _keep(self, reference: str, record: dict[str, Any]) -> None:
        if not self.stopping.is_set():
            self.store.put("progress", reference, record)
            self.store.commit()

    # -- for an oracle
    def state(self) -> dict[str, Any]:
        """What it holds, per reference, and everything that happened twice."""
        progress = self.store.table("progress")
        requests = {reference: self._outline(reference, record) for reference, record in progress.items()}
        return {
            "requests": requests,
            "doubles": sorted(reference for reference, record in progress.items() if len(record["events"]) > 1),
            "refused": [
                [reference, call["verb"], call["status"]]
                for reference, record in progress.items()
                for call in record["calls"]
                if call["status"] in NEVER
            ],
            "open": sum(not _is_done(record) for record in progress.values()),
        }

    def _outline(self, reference: str, record: dict[str, Any]) -> dict[str, Any]:
        said = {call["key"]: call for call in record["calls"] if call["status"] and call["status"] < 300}.values()
        shipments = [call["body"] for call in said if call["verb"] == "shipments"]
        return {
            "order_reference": self.store.table("received")[reference]["order_reference"],
            "received_at": record["received_at"],
            "deliveries": sum(record["events"].values()),
            "behaviour": record["behaviour"],
            "accepted": any(call["verb"] == "accept" for call in said),
            "rejected": any(call["verb"] == "reject" for call in said),
            "shipped_units": sum(u["units"] for s in shipments for p in s["packages"] for u in p["lines"]),
            "shipments": [s["shipment"] for s in shipments],
            "calls": [call["verb"] for call in record["calls"] if call["status"]],
            "tries": sum(call["tries"] for call in record["calls"]),
            "done": _is_done(record),
        }


def _is_done(record: Mapping[str, Any]) -> bool:
    return bool(record.get("done"))


def _share(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    if name not in BEHAVIOURS:
        raise ValueError(f"unknown behaviour {name}")
    return name, float(share or 1)


def main(argv: Sequence[str] | None = None) -> None:
    parser = arguments("A warehouse partner that integrates with the partner API.")
    parser.add_argument("--api", required=True, help="where the partner API is, with /api/v1")
    parser.add_argument("--key", required=True, help="the partner's API key")
    parser.add_argument("--secret", action="append", required=True, help="whsec_…; several while rotating")
    parser.add_argument("--location", default="W1")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds between two steps of one order")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument(
        "--behaviour", action="append", type=_share, default=[], metavar="NAME=SHARE", help=" · ".join(BEHAVIOURS)
    )
    said = parser.parse_args(argv)
    serve(
        Warehouse(
            api=said.api, key=said.key, secrets=said.secret, location=said.location, delay=said.delay, workers=said.workers,
            mix=dict(said.behaviour) or None, port=said.port, host=said.host, store=said.store, seed=said.seed,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
