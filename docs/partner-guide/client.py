#!/usr/bin/env python3
"""A small client of the partner API, to be read and copied. Python 3.11 or later, standard library only.

    python client.py --url https://retailer.example/api/v1 --key rsk_live_… --once       work on what there is, then stop
    python client.py --url https://retailer.example/api/v1 --key rsk_live_… --loop       go on for ever
    python client.py --url https://retailer.example/api/v1 --key rsk_sandbox_… --certify  play a certification; exit code 0 when it passed

It follows the change feed, looks at each request that changed, and does the next thing the request allows: its `actions` say what that
is, so nothing has to be remembered between two runs but the position in the feed, and even that may be lost.
"""

import argparse
import base64
import hashlib
import hmac
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

PATIENCE = 60.0  # seconds: how long one call is tried again, and how long a certification may stand still
PAUSE = 0.5  # seconds between two looks at what changed

Data = dict[str, Any]


# ---- the way to the API -----------------------------------------------------------------------------------------------------
class Refused(Exception):
    """A problem (RFC 9457): `code` says which one. Repeating the call would not help."""

    def __init__(self, problem: Data) -> None:
        super().__init__(problem.get("detail", ""))
        self.code, self.problem = problem.get("code", ""), problem


class Api:
    """Calls with one key. What may be tried again is tried again: with the same Idempotency-Key, so that nothing happens twice."""

    def __init__(self, url: str, key: str, patience: float = PATIENCE) -> None:
        self.url, self.key, self.patience = url.rstrip("/"), key, patience

    def get(self, path: str, **query: Any) -> Data:
        """One answer."""
        return self._tried("GET", f"{path}?{urllib.parse.urlencode(query)}" if query else path, None, "")

    def post(self, path: str, body: Data | None = None, *, key: str) -> Data:
        """Say something. Raises Refused where it was not taken."""
        return self._tried("POST", path, body or {}, key)

    def _tried(self, method: str, path: str, body: Data | None, key: str) -> Data:
        ends, pause = time.monotonic() + self.patience, 0.2
        while True:
            try:
                status, headers, answer = self._exchange(method, path, body, key)
            except OSError:  # no answer: it may have been done, so it is asked again with the same key
                status, headers, answer = 0, {}, {"detail": "No answer.", "code": "no_answer"}
            if 200 <= status < 300:
                return answer
            if not _passes(status, answer) or time.monotonic() > ends:
                raise Refused(answer)
            time.sleep(float(headers.get("Retry-After") or pause))
            pause = min(pause * 2, 10)

    def _exchange(self, method: str, path: str, body: Data | None, key: str) -> tuple[int, Mapping[str, str], Data]:
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "application/json"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": key}
        raw = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", raw, headers, method=method)  # noqa: S310 – who runs it says where
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, answer.headers, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, _problem(error)


def _passes(status: int, answer: Data) -> bool:
    """Whether the same call may be answered otherwise in a while: too many calls, we are away, an earlier one is under way, no answer."""
    return status in (0, 429) or status >= 500 or answer.get("code") == "in_progress"


def _problem(error: urllib.error.HTTPError) -> Data:
    try:
        found = json.loads(error.read())
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": f"HTTP {error.code}", "code": ""}


# ---- webhooks ---------------------------------------------------------------------------------------------------------------
def is_ours(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether a webhook was signed with this secret (whsec_…) within five minutes: Standard Webhooks. Header names in lower case."""
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(now - int(stamp)) > 300:
        return False
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    right = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(f"v1,{base64.b64encode(right).decode()}", one) for one in given)


# ---- working on requests ----------------------------------------------------------------------------------------------------
class Warehouse:
    """Does what a request allows, one thing after the other."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.position = "0"  # in the feed: keep it, and you need not look at old requests again

    def look(self) -> int:
        """Work on each request that changed since the last look; how many that were."""
        count = 0
        while items := self._changed():
            for request in items:
                self.work(request)
            count += len(items)
        return count

    def _changed(self) -> list[Data]:
        page = self.api.get("fulfilment-requests", since=self.position, limit=50)
        self.position = page["next"]
        return page["items"]

    def work(self, request: Data) -> None:
        """As far as it goes now. What was refused for its state is left alone: the next look shows where it stands. Anything else is a
        mistake of ours that somebody has to see, and keeps no other request waiting."""
        try:
            while step := self.step(request):
                request |= step()
        except Refused as refused:
            if refused.code != "wrong_state":
                print(f"{request['reference']}: {refused.code}: {refused}", file=sys.stderr)

    def step(self, request: Data) -> Callable[[], Data] | None:
        """The next thing to do about it; None: nothing now. What we are asked to change comes first."""
        actions = request["actions"]
        if change := next((action for action in actions if action.startswith("changes/")), None):
            return self.say(request, self.answer(request, change))
        for verb in ("accept", "start", "pick", "pack"):
            if verb in actions:
                return self.say(request, verb)
        return self.ship(request, self.left(request)) if "ship" in actions else None

    def answer(self, request: Data, change: str) -> str:
        """Accept whatever is asked: nothing has left yet, or the change would not be among the actions. You may have reasons to reject."""
        return change.rpartition("/")[0] + "/accept"

    # -- saying something
    def say(self, request: Data, verb: str, key: str = "", **body: Any) -> Callable[[], Data]:
        """The key names what happens: were this program to stop and begin anew, it would say the same again, and nothing would happen
        twice."""
        reference = request["reference"]
        path = f"fulfilment-requests/{urllib.parse.quote(reference, safe='')}/{verb}"
        return lambda: self.api.post(path, body, key=key or f"{reference}:{verb}")

    def ship(self, request: Data, lines: list[Data], name: str = "S1", key: str = "") -> Callable[[], Data]:
        """One parcel with these lines. `shipment` is your own name of it: a shipment is known by it for ever."""
        shipment = f"{request['reference']}-{name}"
        parcel = {"tracking_number": f"TRACK-{shipment}", "lines": lines}
        return self.say(request, "ship", key or f"{shipment}:ship", shipment=shipment, carrier="DHL", packages=[parcel])

    def left(self, request: Data) -> list[Data]:
        """What is still to be shipped."""
        request = self.api.get(f"fulfilment-requests/{urllib.parse.quote(request['reference'], safe='')}")
        rest = [(line, line["units"] - line["short"] - line["shipped"]) for line in request["lines"]]
        return [{"line": line["line"], "units": units} for line, units in rest if units > 0]


# ---- certification ----------------------------------------------------------------------------------------------------------
class Certified(Warehouse):
    """Plays the scenarios of a certification: does here and there what only somebody unlucky would do."""

    def __init__(self, api: Api, scenarios: Mapping[str, str]) -> None:
        super().__init__(api)
        self.scenarios = scenarios  # order reference → scenario
        self.said: set[tuple[str, str]] = set()

    def step(self, request: Data) -> Callable[[], Data] | None:
        name = self.scenarios.get(request.get("order_reference", ""), "")
        special = getattr(self, f"in_{name}", None)
        return special(request) if special else super().step(request)

    def in_split(self, request: Data) -> Callable[[], Data] | None:
        """Some first, then the rest."""
        if "ship" not in request["actions"] or "pack" in request["actions"] or "accept" in request["actions"]:
            return super().step(request)
        lines = self.left(request)
        if request["execution"] == "part_shipped":
            return self.ship(request, lines, "S2")
        return self.ship(request, [{**line, "units": max(1, line["units"] // 2)} for line in lines[:1]], "S1")

    def in_short(self, request: Data) -> Callable[[], Data] | None:
        """One unit is not there."""
        if "pick" in request["actions"] and "start" not in request["actions"] and self.first(request, "short"):
            line = self.left(request)[0]["line"]
            return self.say(request, "short", lines=[{"line": line, "units": 1}], reason="Not on the shelf.")
        return super().step(request)

    def in_late_cancel(self, request: Data) -> Callable[[], Data] | None:
        """Packed, it waits for the cancellation."""
        return super().step(request) if request["execution"] != "packed" or self.asked(request) else None

    def in_amendment(self, request: Data) -> Callable[[], Data] | None:
        """Accepted, it waits for the change."""
        return super().step(request) if request["state"] != "accepted" or self.asked(request) else None

    in_hold = in_amendment

    def in_duplicate_confirm(self, request: Data) -> Callable[[], Data] | None:
        """Report the shipment again with another key: 409, and that is all."""
        if "ship" not in request["actions"] or "pack" in request["actions"]:
            return super().step(request)
        lines = self.left(request)
        self.ship(request, lines)()
        return self.ship(request, lines, key=f"{request['reference']}:ship again")

    def in_out_of_order(self, request: Data) -> Callable[[], Data] | None:
        """Packed is reported before picked; that comes late, and is refused."""
        if "pack" in request["actions"] and "accept" not in request["actions"]:
            return self.say(request, "pack")
        if request["execution"] == "packed" and self.first(request, "pick"):
            try:
                self.say(request, "pick")()
            except Refused as refused:
                if refused.code != "wrong_state":
                    raise
        return super().step(request)

    def in_replayed_key(self, request: Data) -> Callable[[], Data] | None:
        """Ship, and say it again to the letter."""
        if "ship" not in request["actions"] or "pack" in request["actions"]:
            return super().step(request)
        call = self.ship(request, self.left(request))
        call()
        return call

    def in_sku_only(self, request: Data) -> Callable[[], Data] | None:
        """Name SKUs, in one sum."""
        if "ship" not in request["actions"] or "pack" in request["actions"]:
            return super().step(request)
        sku = {
            line["line"]: line["sku"] for line in self.api.get(f"fulfilment-requests/{request['reference']}")["lines"]
        }
        sums: dict[str, int] = {}
        for line in self.left(request):
            sums[sku[line["line"]]] = sums.get(sku[line["line"]], 0) + line["units"]
        return self.ship(request, [{"sku": one, "units": units} for one, units in sums.items()])

    # -- what is known
    def first(self, request: Data, verb: str) -> bool:
        """Whether this is to be said of it for the first time in this run."""
        new = (request["reference"], verb) not in self.said
        self.said.add((request["reference"], verb))
        return new

    def asked(self, request: Data) -> bool:
        """Whether it was asked to be changed. What was answered to a POST does not tell, so the request is read anew: with its actions, or
        a change that came just now would be passed over by those of before."""
        request.update(self.api.get(f"fulfilment-requests/{request['reference']}"))
        return bool(request["changes"])


def certify(api: Api, patience: float = PATIENCE, kind: type[Certified] = Certified) -> Data:
    """Begin a run, work on it until nothing is waited for or nothing moves any more, and finish it. One that was left is finished first."""
    for left in api.get("sandbox/certifications", limit=1)["items"]:
        if left["state"] == "running":
            path = f"sandbox/certifications/{left['certification']}/finish"
            api.post(path, key=path)
    run = api.post("sandbox/certifications", key=f"certify {time.time_ns()}")
    path = f"sandbox/certifications/{run['certification']}"
    warehouse = kind(api, {s["order"]: s["scenario"] for s in run["scenarios"] if s["order"]})
    moved, before = time.monotonic(), None
    while _waiting(run) and time.monotonic() - moved < patience:
        if not warehouse.look():
            time.sleep(PAUSE)
        run = api.get(path)
        if (now := [clause["verdict"] for _, clause in clauses(run)]) != before:
            moved, before = time.monotonic(), now
    return api.post(f"{path}/finish", key=f"{path}/finish")


def clauses(run: Data) -> Iterator[tuple[str, Data]]:
    """(scenario, clause) of all of them."""
    return ((scenario["scenario"], clause) for scenario in run["scenarios"] for clause in scenario["clauses"])


def _waiting(run: Data) -> bool:
    return any(clause["verdict"] == "waiting" for _, clause in clauses(run))


def report(run: Data) -> str:
    """A line for each clause, and why where it failed."""
    lines = []
    for scenario, clause in clauses(run):
        lines.append(f"{clause['verdict']:<5} {clause['clause']:<9} {scenario:<18} {clause['demands']}")
        if clause["verdict"] != "pass":
            lines += [f"      {clause['words']}", *(f"      {one}" for one in clause["evidence"])]
    return "\n".join([*lines, f"Certification {run['certification']} ({run['contract']}): {run['state']}"])


# ---- the command line -------------------------------------------------------------------------------------------------------
def main(arguments: Sequence[str] | None = None, kind: type[Certified] = Certified) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="A small client of the partner API.")
    parser.add_argument("--url", required=True, help="where the API is, with /api/v1")
    parser.add_argument("--key", required=True, help="rsk_live_… or rsk_sandbox_…")
    parser.add_argument("--patience", type=float, default=PATIENCE, help=f"seconds ({PATIENCE:g})")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--once", action="store_true", help="work on what there is, then stop")
    how.add_argument("--loop", action="store_true", help="go on for ever")
    how.add_argument("--certify", action="store_true", help="play a certification in the sandbox")
    said = parser.parse_args(arguments)
    api = Api(said.url, said.key, said.patience)
    if said.certify:
        try:
            run = certify(api, said.patience, kind)
        except Refused as refused:
            print(f"{refused.code}: {refused}", file=sys.stderr)
            return 1
        print(report(run))
        return 0 if run["state"] == "passed" else 1
    warehouse = Warehouse(api)
    warehouse.look()
    while said.loop:
        time.sleep(PAUSE)
        try:
            warehouse.look()
        except Refused as refused:  # for longer than we are patient: the next look may be luckier
            print(f"{refused.code}: {refused}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
