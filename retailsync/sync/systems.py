"""Systems as the corridor needs them: their connector, and a session to visit them with secrets opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.conf import settings as django

from canonical.commands import Command
from canonical.models import Secret, System
from connectors.base import Connector, Job, Send, Session
from connectors.errors import Misconfigured
from connectors.http import Http, Pool
from connectors.registry import CONNECTORS
from retailsync.platform.secrets import unseal
from retailsync.platform.trouble import Trouble
from retailsync.sync import clock

_pool = Pool()
_names: dict[int, str] = {}  # a system never changes its connector


def connector(system_id: int) -> Connector:
    """The connector of a system. Raises Misconfigured when its name is not registered."""
    name = _names.get(system_id) or _names.setdefault(
        system_id, System.objects.values_list("connector", flat=True).get(pk=system_id)
    )
    if name not in CONNECTORS:
        raise Misconfigured(f"There is no connector called “{name}”.")
    return CONNECTORS[name]


def sends(system_id: int) -> Mapping[type[Command], Send]:
    """What a system can be told; nothing where no connector of ours is its."""
    try:
        return connector(system_id).sends
    except Misconfigured:
        return {}


@dataclass(slots=True)
class Visit:
    """What is needed to speak with one system for the length of one drain or poll."""

    system: System
    connector: Connector
    settings: Any
    secrets: dict[str, list[str]]

    def session(self, deadline: float, jobs: Sequence[Job] = ()) -> tuple[Session, Http]:
        """A session whose requests together may take `deadline` seconds, and the record of what it exchanged."""
        values = [value for group in self.secrets.values() for value in group]
        loopback = bool(getattr(self.settings, "allow_loopback_http", False)) and not django.PRODUCTION
        plain = bool(getattr(self.settings, "allow_http", False))
        http = Http(_pool, deadline=deadline, jobs=jobs, secrets=values, allow_loopback_http=loopback, allow_http=plain)
        return Session(self.system.slug, self.settings, self.secrets, http, clock.now), http


def visit(system_id: int) -> Visit:
    """Open a system's settings and secrets. Raises Misconfigured in words for an administrator."""
    system = System.objects.get(pk=system_id)
    chosen = connector(system_id)
    try:
        settings = msgspec.convert(system.settings, chosen.settings)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"The settings of {system.name} are not complete: {error}.") from error
    return Visit(system, chosen, settings, secrets(system_id))


def secrets(system_id: int) -> dict[str, list[str]]:
    """Secret name → active values, newest first. Raises Misconfigured when one cannot be opened."""
    opened: dict[str, list[str]] = {}
    for secret in Secret.objects.filter(system_id=system_id, retired_at=None).order_by("-id"):
        try:
            opened.setdefault(secret.name, []).append(unseal(secret.sealed))
        except Trouble as trouble:
            raise Misconfigured(str(trouble)) from trouble
    return opened
