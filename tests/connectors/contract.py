"""What every connector must keep, as a suite: twelve lines give a new connector these checks.

class TestContract(ConnectorContract):
    connector = connector
    settings = {"url": "https://shop.example"}
    samples = {"order.created": b"…", …}                     one body per topic it reads
    commands = (Refresh(entity="order", external_id="1"), …)   one per command it sends
"""

import copy
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canonical.commands import Command, Ref
from canonical.facts import Fact
from connectors.base import (
    BadSignature,
    Connector,
    Delivery,
    Envelope,
    Job,
    Malformed,
    Page,
    Receipt,
    Response,
    Session,
)
from connectors.errors import Retry, SyncError

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ODD: Sequence[Any] = (
    None, "", "x", " ", "0", "-1", "1.5", "NaN", "Infinity", "1e400", "-0.01", "1" * 400, "\0", "😀", "0000-00-00T00:00:00",
    "9999-12-31T23:59:59", "2026-02-30T00:00:00", 0, -1, 1.5, 1e300, 10**30, True, False, [], {}, [None], {"id": None}, [[]],
)  # fmt: skip
BODIES = (
    b"",
    b"{",
    b"null",
    b"[]",
    b"{}",
    b"[{}]",
    b'{"id":1}',
    b"<html>",
    b"\xff\xfe",
    b'"',
    b"[1,2]",
    b'{"code":"x","data":500}',
)
STATUSES = (200, 201, 204, 301, 400, 401, 403, 404, 409, 410, 413, 429, 500, 501, 502, 503)

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.differing_executors])


class Canned:
    """A way out that always gets the same answer; None = the connection is refused."""

    def __init__(self, status: int | None = None, body: bytes = b"") -> None:
        self.status, self.body = status, body
        self.asked = 0

    def request(self, method: str, url: str, **more: Any) -> Response:
        """The canned answer; a connector that asks for ever has a bug."""
        self.asked += 1
        assert self.asked < 300, "it keeps asking"
        if self.status is None:
            raise Retry("refused", down=True)
        return Response(self.status, {"content-type": "application/json"}, self.body)


class ConnectorContract:
    """Inherit it as `TestContract` and fill in the four attributes."""

    connector: Connector
    settings: Mapping[str, Any]
    samples: Mapping[str, bytes]
    commands: Sequence[Command] = ()

    # -- the declaration
    def test_declaration_is_complete(self) -> None:
        c = self.connector
        assert c.name.isidentifier() and c.title and c.roles
        assert sys.modules[f"connectors.{c.name}"].connector is c
        assert {type(command) for command in self.commands} == set(c.sends)
        for send in c.sends.values():
            assert (send.protection == "search_then_create") <= (send.look is not None)
            assert send.batch >= 1 and send.deadline > 0 and send.longest >= 0

    def test_imports_without_django(self) -> None:
        code = f"import sys; sys.modules['django'] = None; import connectors.{self.connector.name}"
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    def test_settings_decode_strictly(self) -> None:
        msgspec.convert(dict(self.settings), self.connector.settings)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**self.settings, "not_a_setting": 1}, self.connector.settings)

    # -- reading
    def test_every_topic_has_a_sample(self) -> None:
        assert set(self.samples) == set(self.connector.reads)

    def test_reading_is_pure(self) -> None:
        for topic, body in self.samples.items():
            facts = self.read(topic, body)
            assert facts == self.read(topic, body)
            assert all(isinstance(fact, Fact) and fact.occurred_at.utcoffset() is not None for fact in facts)

    @quick
    @given(data=st.data())
    def test_a_changed_field_is_malformed_or_understood(self, data: st.DataObject) -> None:
        topic = data.draw(st.sampled_from(sorted(self.samples)))
        said = _decoded(self.samples[topic])
        path = data.draw(st.sampled_from(list(_paths(said)))) if said is not None else ()
        changed = _changed(said, path, data.draw(st.sampled_from((*ODD, _GONE))))
        self.understood(topic, msgspec.json.encode(changed))

    @quick
    @given(data=st.data())
    def test_any_bytes_are_malformed_or_understood(self, data: st.DataObject) -> None:
        topic = data.draw(st.sampled_from(sorted(self.samples)))
        body = bytearray(self.samples[topic])
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, max(0, len(body) - 1)))
            body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        self.understood(topic, bytes(body))

    def test_monsters_are_malformed_or_understood(self) -> None:
        for topic in self.samples:
            for body in (
                *BODIES,
                b"[" * 100_000,
                b'{"a":' * 100_000,
                b'{"id":' + b"9" * 5_000 + b"}",
                b'{"id":"\\ud800"}',
            ):
                self.understood(topic, body)

    def read(self, topic: str, body: bytes) -> Sequence[Fact]:
        """Read one body as it would come from the inbox."""
        return self.connector.reads[topic](Envelope(topic, body, NOW, NOW))

    def understood(self, topic: str, body: bytes) -> None:
        """Facts that can be stored as JSON, or Malformed in words; never another exception."""
        try:
            msgspec.json.encode(self.read(topic, body))
        except Malformed as error:
            assert str(error)

    def test_an_unsigned_push_is_refused(self) -> None:
        for secrets in ((), ("secret",), ("", "secret")):
            if self.connector.door:
                with pytest.raises(BadSignature):
                    self.connector.door(Delivery({}, b'{"id":1}'), secrets)

    # -- sending
    def test_needs_are_pure_references(self) -> None:
        for command in self.commands:
            send = self.connector.sends[type(command)]
            for needs in (send.needs, send.optional):
                assert list(needs(command)) == list(needs(command))
                assert all(isinstance(need, Ref) for need in needs(command))

    def test_one_receipt_per_job_whatever_comes_back(self) -> None:
        for command in self.commands:
            for session in self.sessions():
                jobs = [
                    self.job(number, command)
                    for number in range(1, 1 + min(2, self.connector.sends[type(command)].batch))
                ]
                receipts = _or_error(self.connector.sends[type(command)].send, session, jobs)
                assert receipts is None or sorted(receipt.job for receipt in receipts) == [job.id for job in jobs]

    def test_one_look_per_job_whatever_comes_back(self) -> None:
        for command in self.commands:
            look = self.connector.sends[type(command)].look
            for session in self.sessions() if look else ():
                found = _or_error(look, session, [self.job(1, command)])
                assert found is None or len(found) == 1

    def test_polls_and_probe_know_only_the_four_errors(self) -> None:
        for session in self.sessions():
            for poll in self.connector.polls.values():
                page = _or_error(poll, session, "")
                assert page is None or isinstance(page, Page)
            if self.connector.probe:
                _or_error(self.connector.probe, session)

    def sessions(self) -> Iterator[Session]:
        """Visits to systems that answer every kind of nonsense."""
        plain = msgspec.convert(dict(self.settings), self.connector.settings)
        secrets = dict.fromkeys(self.connector.secrets, ("secret",))
        for http in (Canned(), *(Canned(status, body) for status in STATUSES for body in BODIES)):
            yield Session("system", plain, secrets, http, lambda: NOW)

    def job(self, number: int, command: Command) -> Job:
        """A job whose every reference is known to the target as 7."""
        send = self.connector.sends[type(command)]
        known = {need: "7" for needs in (send.needs, send.optional) for need in needs(command)}
        return Job(number, f"key-{number}", command, known)


_GONE = object()


def _or_error(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        answer = call(*arguments)
    except SyncError as error:
        assert error.words
        return None
    for receipt in answer if isinstance(answer, list) else ():
        assert receipt is None or isinstance(receipt, Receipt)
    return answer


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None  # this topic is not JSON


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in steps:
        yield from _paths(inner, (*path, key))


def _changed(value: Any, path: tuple[Any, ...], put: Any) -> Any:
    """A copy with one field replaced, or deleted."""
    if not path:
        return None if put is _GONE else put
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    if put is _GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = put
    return whole
