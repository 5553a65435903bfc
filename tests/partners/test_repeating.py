"""Idempotency keys: one answer per key, kept with the deed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from canonical import sql
from canonical.models import FulfilmentRequest
from retailsync.partners import idempotency
from retailsync.partners.models import Answered
from retailsync.sync.models import Message

from .conftest import Partner
from .test_desk import at_once

Ask = Callable[..., FulfilmentRequest]


def test_a_key_belongs_to_one_call(partner: Partner, other: Partner, ask: Ask) -> None:
    first, second, theirs = ask(partner).reference, ask(partner, 2).reference, ask(other).reference
    partner.post(f"{first}/accept", {}, "k")
    reused = [
        partner.post(f"{first}/accept", {"note": "yes"}, "k"),
        partner.post(f"{first}/start", {}, "k"),
        partner.post(f"{second}/accept", {}, "k"),
    ]
    assert [(a.status_code, a.json()["code"]) for a in reused] == [(422, "key_reused")] * 3
    assert other.post(f"{theirs}/accept", {}, "k").status_code == 202


def test_a_refusal_did_nothing_and_is_not_kept(partner: Partner, ask: Ask) -> None:
    request = ask(partner, answer="rejected")
    assert partner.post(f"{request.reference}/start", {}, "k").status_code == 409
    FulfilmentRequest.objects.update(answer="accepted")
    assert partner.post(f"{request.reference}/start", {}, "k").status_code == 202


def test_a_key_that_is_too_long_is_a_problem(partner: Partner, ask: Ask) -> None:
    answer = partner.post(f"{ask(partner).reference}/accept", {}, "k" * 256)
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


@pytest.mark.django_db(transaction=True)
def test_who_comes_while_the_first_is_under_way_is_told_so(partner: Partner, ask: Ask) -> None:
    reference = ask(partner).reference
    with transaction.atomic():
        sql.fetch("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (idempotency._LOCK, f"{partner.system.pk}:k"))
        (answer,) = at_once(1, lambda _: partner.post(f"{reference}/accept", {}, "k"))
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (409, "in_progress", "1")
    assert partner.post(f"{reference}/accept", {}, "k").status_code == 202


@pytest.mark.django_db(transaction=True)
def test_there_is_no_answer_without_the_deed(partner: Partner, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = ask(partner).reference

    def lose_the_connection(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(idempotency.sql, "insert", lose_the_connection)
    assert partner.post(f"{reference}/accept", {}, "k").status_code == 503
    monkeypatch.undo()
    assert (Message.objects.count(), Answered.objects.count()) == (0, 0)
    assert partner.post(f"{reference}/accept", {}, "k").status_code == 202


def test_old_answers_are_forgotten(partner: Partner, ask: Ask) -> None:
    partner.post(f"{ask(partner).reference}/accept", {}, "k")
    assert idempotency.forget_old() == 0
    Answered.objects.update(created_at=timezone.now() - timedelta(days=8))
    assert (idempotency.forget_old(), Answered.objects.count()) == (1, 0)
