"""Certifications: begun, kept going by what the partner says, judged by what it said.

What happens in a scenario (the customer cancels, the shop puts the order on hold) follows from how far the partner is, and is looked at
with each of its calls: no clock and no worker is needed.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

import msgspec
from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from canonical import sql
from canonical.models import FulfilmentRequest
from connectors.partner.reading import SHAPES
from retailsync.partners import clauses, desk, idempotency, sandbox
from retailsync.partners.clauses import SCENARIOS, Seen
from retailsync.partners.models import PartnerTerms
from retailsync.partners.sandbox_models import Called, Certification, Clause, SimulatedOrder
from retailsync.sync import clock

VERSION = "v1"
KEPT = timedelta(days=30)  # what was called is forgotten then, once a run begins
LONGEST_SAID = 20_000
LARGEST = 2**62  # number of a run anybody may ask for


@cache
def contract() -> str:
    """The version of the API with a mark of what may be said to it: another mark, another contract."""
    schemas = msgspec.json.schema_components(SHAPES.values())
    return f"{VERSION}-{hashlib.sha256(msgspec.json.encode(schemas, order='sorted')).hexdigest()[:12]}"


# ---- what is called ---------------------------------------------------------------------------------------------------------
def follow(twin_id: int, request: Request, answer: Response) -> None:
    """Note a call with a sandbox key, and let a run that is under way go on."""
    if request.method == "POST" and answer.status_code not in _UNHEARD and answer.status_code < 500:
        key = _text(request.META.get("HTTP_IDEMPOTENCY_KEY", ""), idempotency.LONGEST)
        rows = [
            Called(
                system_id=twin_id, key=key, reference=_text(one.reference, 140), action=_text(one.action, 40),
                said=_text(one.said, LONGEST_SAID), status=one.status, code=one.code, replayed="Idempotency-Replayed" in answer,
            )
            for one in _words(request, answer)
            if one.status != 404
        ]  # fmt: skip
        Called.objects.bulk_create(rows)
    go_on(twin_id)


_UNHEARD = frozenset({404, 411, 413})  # what had no reference of theirs, or was not read


class _Word(NamedTuple):
    """What one call said of one request."""

    reference: str
    action: str
    said: str
    status: int
    code: str


def _words(request: Request, answer: Response) -> Iterator[_Word]:
    """One, where the address names a request; one for each item, where many are said at once."""
    said, given = request._request.body.decode("utf-8", "replace"), request.parser_context["kwargs"]
    if "reference" in given:
        action = request.path.rpartition(f"/{given['reference']}/")[2]
        yield _Word(given["reference"], action, said, answer.status_code, answer.data.get("code", ""))
    elif request.path.endswith("/fulfilment-requests/bulk") and answer.status_code == 200:
        for item, told in zip(_decoded(said)["items"], answer.data["items"], strict=True):
            body = msgspec.json.encode(item.get("body", {})).decode()
            code = (told["problem"] or {}).get("code", "")
            yield _Word(told["reference"], told["action"], body, told["status"], code)


def _text(text: str, longest: int) -> str:
    return text.replace("\0", "\ufffd")[:longest]


# ---- a run ------------------------------------------------------------------------------------------------------------------
def start(twin_id: int) -> Certification | None:
    """Begin a run: one order for each scenario. None where one is under way. In the caller's transaction."""
    sql.fetch("SELECT 1 FROM canonical_system WHERE id = %s FOR UPDATE", (twin_id,))
    if Certification.objects.filter(system_id=twin_id, state=Certification.State.RUNNING).exists():
        return None
    Called.objects.filter(system_id=twin_id, at__lt=clock.now() - KEPT).delete()
    run = Certification.objects.create(system_id=twin_id, contract=contract(), started_at=clock.now())
    for name, scenario in SCENARIOS.items():
        if scenario.lines:
            sandbox.place(twin_id, scenario.lines, certification=run, scenario=name)
    judge(run)
    return run


def judged(twin_id: int, number: int, how: Callable[[Certification], None]) -> Certification | None:
    """One run of this sandbox, looked at as it stands; one that is over stays as it was."""
    if number > LARGEST:
        return None
    with transaction.atomic():
        run = Certification.objects.select_for_update().filter(system_id=twin_id, pk=number).first()
        if run and run.state == Certification.State.RUNNING:
            how(run)
        return run


def judge(run: Certification) -> None:
    """Judge each clause by what has been said so far. In the caller's transaction, the run locked."""
    found = clauses.judged(_seen(run), _within(run))
    rows = [
        Clause(
            certification=run, scenario=scenario, name=name, position=n, verdict=verdict.verdict, words=verdict.words,
            evidence=list(verdict.evidence),
        )
        for n, (scenario, name, verdict) in enumerate(found)
    ]  # fmt: skip
    Clause.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["certification", "name"],
        update_fields=["verdict", "words", "evidence"],
    )


def finish(run: Certification) -> None:
    """What was not seen by now has failed. In the caller's transaction, the run locked."""
    judge(run)
    for clause in run.clauses.filter(verdict=Clause.Verdict.WAITING):
        clause.verdict, clause.words = Clause.Verdict.FAIL, f"Not seen before the run was finished. {clause.words}"
        clause.save()
    failed = run.clauses.exclude(verdict=Clause.Verdict.PASS).exists()
    run.state = Certification.State.FAILED if failed else Certification.State.PASSED
    run.finished_at = clock.now()
    run.save()


def _within(run: Certification) -> timedelta:
    """What was agreed with the partner itself."""
    terms = PartnerTerms.objects.filter(system__sandboxes=run.system_id).first() or PartnerTerms()
    return timedelta(minutes=terms.answer_within)


def _seen(run: Certification) -> dict[str, Seen]:
    """Each scenario as far as it went."""
    orders = dict(run.orders.values_list("reference", "scenario"))
    asked = FulfilmentRequest.objects.filter(system_id=run.system_id, order__reference__in=orders).values_list(
        "reference", "order__reference", "requested_at"
    )
    of = {reference: (orders[order], at) for reference, order, at in asked}
    standings = desk.standings(run.system_id, list(of))
    seen = {name: Seen({}, {}, []) for name in orders.values()}
    for reference, (name, at) in of.items():
        seen[name].requests[reference] = standings[reference]  # type: ignore[index]
        seen[name].asked_at[reference] = at  # type: ignore[index]
    for row in Called.objects.filter(system_id=run.system_id, reference__in=of).order_by("id"):
        seen[of[row.reference][0]].calls.append(_call(row))  # type: ignore[attr-defined]
    return seen


def _call(row: Called) -> clauses.Call:
    return clauses.Call(
        row.pk, row.reference, row.action, row.key, _decoded(row.said), row.status, row.code, row.replayed, row.at
    )


def _decoded(said: str) -> Mapping[str, Any]:
    """What was said, as far as it was an object."""
    try:
        found = msgspec.json.decode(said or "{}")
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


# ---- what happens in it -----------------------------------------------------------------------------------------------------
def go_on(twin_id: int) -> None:
    """Let happen what is to happen next in a run that is under way."""
    orders = SimulatedOrder.objects.filter(
        system_id=twin_id, certification__state=Certification.State.RUNNING, scenario__in=_HAPPENS
    )
    references = dict(orders.values_list("reference", "scenario"))
    if not references:
        return
    asked = FulfilmentRequest.objects.filter(system_id=twin_id, order__reference__in=references)
    of = dict(asked.values_list("reference", "order__reference"))
    for reference, at in desk.standings(twin_id, list(of)).items():
        with transaction.atomic():
            order = sandbox.taken(twin_id, of[reference])
            if order is not None:
                _HAPPENS[order.scenario](order, at)


def _cancels(order: SimulatedOrder, at: desk.Standing) -> None:
    """The customer cancels what is packed."""
    if at.execution == "packed" and order.status == SimulatedOrder.Status.PROCESSING:
        sandbox.cancel(order)


def _amends(order: SimulatedOrder, at: desk.Standing) -> None:
    """The customer wants less of what was accepted."""
    if at.state == "accepted" and order.version == 1:
        sandbox.amend(order, SCENARIOS[order.scenario].amended)


def _holds(order: SimulatedOrder, at: desk.Standing) -> None:
    """The shop keeps back what was accepted, and lets it go on once that was answered."""
    if at.state == "accepted" and order.version == 1:
        sandbox.hold(order)
    elif order.status == SimulatedOrder.Status.ON_HOLD and any(
        change.kind == "hold" and change.answer in ("accepted", "rejected") for change in at.changes.values()
    ):
        sandbox.resume(order)


_HAPPENS: Mapping[str, Callable[[SimulatedOrder, desk.Standing], None]] = {
    "late_cancel": _cancels, "amendment": _amends, "hold": _holds,
}  # fmt: skip
