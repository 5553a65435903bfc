"""The partner's own system: it hears our events, works on each request by its behaviour, and answers through our API."""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import msgspec

from connectors import signing
from connectors.base import BadSignature
from connectors.partner.simulator.agenda import Agenda
from connectors.partner.simulator.answers import ANSWERS, EFFECTS
from connectors.partner.simulator.behaviours import BEHAVIOURS, Step
from connectors.partner.simulator.outline import outline
from connectors.partner.simulator.reporting import PATIENCE, Reporting, is_settled
from connectors.partner.simulator.work import Call, Change, Work
from connectors.simulation import Answer, Request, Stop

Data = dict[str, Any]  # the `data` of an event

SLOW = 2.0  # seconds between the steps of a slow order
TOO_LATE = 409  # the state does not allow it: of goods that have left we are told all the same, as a correction
CHANGES = {
    "amendment": "amend",
    "cancellation": "cancel",
    "hold": "hold",
    "resume": "resume",
}  # in its event → its kind


class Warehouse(Reporting):
    """`received` holds what it was asked first, `work` how far it is; both survive a restart.

    `behaviour(data)` and `answers(data)` name what it does with a request and with a change, instead of a choice by seed and mix.
    `delay` = seconds between two steps of one request. `stock` = units on hand per SKU; without it there is enough of everything.
    """

    name = "partner"

    def __init__(
        self,
        *,
        api: str = "",
        key: str = "",
        secrets: Sequence[str] = (),
        location: str = "W1",
        stock: Mapping[str, int] | None = None,
        delay: float = 0.0,
        mix: Mapping[str, float] | None = None,
        behaviour: Callable[[Data], str] | None = None,
        answer_mix: Mapping[str, float] | None = None,
        answers: Callable[[Data], str] | None = None,
        workers: int = 4,
        port: int = 0,
        host: str = "127.0.0.1",
        store: Path | str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            api=api, key=key, location=location, stock=stock or {}, lines=workers, port=port, host=host, store=store, seed=seed,
        )  # fmt: skip
        self.secrets = list(secrets)
        self.delay, self.mix, self.workers = delay, dict(mix or {"normal": 1.0}), workers
        self.answer_mix = dict(answer_mix or {"honest": 1.0})
        self.behaviour = behaviour or self._seeded_behaviour
        self.answers = answers or self._seeded_answer
        self._works: dict[str, Work] = self.store.table("work")
        for reference, kept in self._works.items():
            self._works[reference] = msgspec.convert(kept, Work)
        self._agenda = Agenda()
        self._hears: Mapping[str, Callable[[str, Data], None]] = {
            "fulfilment_request.created": self._take,
            **{f"fulfilment_request.{w}_requested": partial(self._change, kind) for w, kind in CHANGES.items()},
        }
        self.routes.add("POST", "/events", self._hear)
        self.routes.add("POST", "/_sim/go-on", lambda request: self.go_on(**request.json()))

    # -- life
    def start(self) -> Self:
        """Listen, and go on with what was left unfinished."""
        super().start()
        self._agenda = Agenda()
        for work in self._works.values():
            if not work.idle:
                self._agenda.add(work.reference)
        for n in range(self.workers):
            threading.Thread(target=self._work, args=(self._agenda,), daemon=True, name=f"warehouse-{n}").start()
        return self

    def stop(self) -> None:
        self._agenda.close()
        super().stop()
        self._out.clear()

    def go_on(self, reference: str = "") -> list[str]:
        """Let this request go on if it waits; without a reference, all that wait. Returns which did."""
        with self.lock:
            asked = [self._works[reference]] if reference else list(self._works.values())
            waiting = [work for work in asked if work.waiting]
            for work in waiting:
                work.waiting = False
                self._wake(work)
            self.store.commit()
            return [work.reference for work in waiting]

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
        if event["type"] not in self._hears:
            raise Stop(422, {"detail": f"We do not know {event['type']}."})
        self._hears[event["type"]](event_id, event["data"])
        return Answer(200, {"received": True})

    def _take(self, event_id: str, data: Data) -> None:
        """A request; the first event about it counts."""
        if data["location"] != self.location:
            raise Stop(422, {"detail": f"We are not the warehouse {data['location']}."})
        work = self._works.get(data["reference"])
        if work is None:
            self.store.put("received", data["reference"], data)
            work = Work(
                reference=data["reference"], order_reference=data["order_reference"], behaviour=self.behaviour(data),
                received_at=time.time(), lines=[], ship_to={},
            )  # fmt: skip
            work.asked(data)
            self._wake(work)
        work.events[event_id] = work.events.get(event_id, 0) + 1
        self.store.put("work", work.reference, work)

    def _change(self, kind: str, event_id: str, data: Data) -> None:
        """A change of a request; the first event about it counts."""
        work = self._works.get(data["reference"])
        if work is None:
            raise Stop(404, {"detail": f"We do not know {data['reference']}."})
        number = str(data["change"])
        if number not in work.changes:
            work.changes[number] = Change(kind=kind, data=data, manner=self.answers(data))
            self._wake(work)
        events = work.changes[number].events
        events[event_id] = events.get(event_id, 0) + 1
        self.store.put("work", work.reference, work)

    def _wake(self, work: Work) -> None:
        work.idle = False
        self.store.put("work", work.reference, work)
        self._agenda.add(work.reference)

    def _seeded_behaviour(self, data: Data) -> str:
        """The same order does the same in every run with this seed and mix."""
        return self._drawn(self.mix, data["order_reference"])

    def _seeded_answer(self, data: Data) -> str:
        return self._drawn(self.answer_mix, f"{data['reference']}:{data['change']}")

    def _drawn(self, mix: Mapping[str, float], about: str) -> str:
        return random.Random(f"{self.seed}:{about}").choices(list(mix), list(mix.values()))[0]

    # -- working
    def _work(self, agenda: Agenda) -> None:
        for reference in agenda:
            call = self._begin(reference)
            if call is not None:
                status = self._say(reference, call)
                self._end(agenda, reference, call, status)

    def _begin(self, reference: str) -> Call | None:
        """The request's next call. Its words are written down before they are said: a repetition says the same."""
        with self.lock:
            work = self._works[reference]
            self.shelves.look(work)
            call = work.unsaid or self._decided(work)
            work.idle = call is None
            self._keep(work)
            return call

    def _decided(self, work: Work) -> Call | None:
        """What is said next. Changes come before the work, and again after it: some answers wait for its end."""
        step = self._answer(work) or self._act(work) or self._answer(work)
        if step is None:
            return None
        key = len(work.calls) if step.key is None else step.key
        body = {**step.body, "occurred_at": self.now()} if step.key is None else step.body
        work.calls.append(Call(verb=step.verb, body=body, key=key))
        return work.calls[-1]

    def _answer(self, work: Work) -> Step | None:
        """The answer to the first open change that is ready for one, which takes effect at once."""
        for number, change in work.changes.items():
            if change.answer:
                continue
            verdict = ANSWERS[change.manner](change, work)
            if verdict.hurries:
                work.waiting = work.held = False
            if not verdict.answer:
                continue
            change.answer = f"{verdict.answer}ed"
            if verdict.answer == "accept" and verdict.obeys:
                EFFECTS[change.kind](work, change.data)
            return Step(f"changes/{number}/{verdict.answer}", {"reason": verdict.reason} if verdict.reason else {})
        return None

    def _act(self, work: Work) -> Step | None:
        """The next act of its behaviour that has something to say."""
        acts = BEHAVIOURS[work.behaviour]
        while work.act < len(acts) and not (work.waiting or work.held or work.cancelled):
            work.act += 1
            if step := acts[work.act - 1](work):
                return step
        work.over = work.cancelled or work.act == len(acts)
        return None

    def _say(self, reference: str, call: Call) -> int | None:
        path = f"fulfilment-requests/{quote(reference, safe='')}/{call.verb}"
        return self.post(path, call.body, f"{reference}:{call.key}")

    def _end(self, agenda: Agenda, reference: str, call: Call, status: int | None) -> None:
        """Note what was answered; go on, or try the same again later."""
        with self.lock:
            work = self._works[reference]
            call.tries += 1
            if status == TOO_LATE and call.verb == "ship":
                call.verb, call.body["reason"] = "corrections", "It has left the building."
            elif is_settled(status):
                call.status = status
            self._keep(work)
        patience = PATIENCE[min(call.tries, len(PATIENCE)) - 1]
        pause = SLOW if work.behaviour == "slow" else self.delay
        agenda.add(reference, pause if is_settled(status) else patience)

    def _keep(self, work: Work) -> None:
        if not self.stopping.is_set():
            self.shelves.follow(work)
            self.store.put("work", work.reference, work)
            self.store.commit()

    # -- for an oracle
    def state(self) -> dict[str, Any]:
        with self.lock:
            return {**outline(self._works), "stock": self.shelves.items, "reported": self.reported}
