"""What was heard, what is told, and every exchange: messages, commands, exchanges. Bodies are shown as text, never as HTML."""

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from unfold.decorators import display

from canonical.models import Order
from retailsync.console import gather, words
from retailsync.console.base import ReadOnly, Request
from retailsync.console.late import LateFilter
from retailsync.console.standing import KeptBackFilter, WorkflowFilter
from retailsync.sync.models import Attempt, Command, Message
from retailsync.sync.outbox import KINDS
from retailsync.sync.reasons import reason


class DoorFilter(admin.SimpleListFilter):
    """By which way messages came: a closed list, because asking for those that occur reads all messages."""

    title = "door"
    parameter_name = "door"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [(door, door) for door in ("webhook", "poll", "refresh", "look", "partner")]

    def queryset(self, request: Request, queryset: QuerySet[Message]) -> QuerySet[Message]:
        return queryset.filter(door=self.value()) if self.value() else queryset


@admin.register(Message)
class MessageAdmin(ReadOnly):
    """What systems said."""

    page_template = "console/message.html"
    list_display = ["__str__", "system", "door", "state_word", "why", "received"]
    list_filter = ["state", "system", DoorFilter, LateFilter]
    search_fields = ["topic"]
    search_help_text = "Number of a message"
    list_select_related = ["system"]
    ordering = ["-pk"]
    empty = "No messages. They appear as soon as a system says something by webhook, poll or API."

    def get_search_results(
        self, request: Request, queryset: QuerySet[Message], term: str
    ) -> tuple[QuerySet[Message], bool]:
        """By our number."""
        term = term.strip().removeprefix("#")
        return (queryset.filter(pk=int(term) if _number(term) else 0) if term else queryset), False

    def get_queryset(self, request: Request) -> QuerySet[Message]:
        return Message.objects.defer("body", "trouble")

    def page_queryset(self, request: Request) -> QuerySet[Message]:
        return Message.objects.select_related("system")

    @display(description="State", ordering="state")
    def state_word(self, row: Message) -> str:
        return words.badge(row.get_state_display())

    @display(description="Why")
    def why(self, row: Message) -> str:
        return _short(row.words) if row.state != Message.State.DONE else words.NOTHING

    @display(description="Received", ordering="pk")
    def received(self, row: Message) -> str:
        return words.when(row.received_at, relative=True)

    def page(self, request: Request, row: Message) -> dict[str, Any]:
        return {"reason": reason(row.reason) if row.reason else None, "cases": gather.open_cases("message", row.pk)}


class KindFilter(admin.SimpleListFilter):
    """Kinds of commands are a closed list of the program: no query is needed to offer them."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return sorted((kind, words.plain(kind)) for kind in KINDS)

    def queryset(self, request: Request, queryset: QuerySet[Command]) -> QuerySet[Command]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Command)
class CommandAdmin(ReadOnly):
    """What systems are told."""

    page_template = "console/command.html"
    list_display = ["what", "system", "order", "state_word", "why", "attempts", "created"]
    list_filter = ["state", "system", WorkflowFilter, KindFilter, KeptBackFilter, LateFilter]
    search_fields = ["=id", "=purpose"]
    search_help_text = "Order number, or number of a command"
    list_select_related = ["system"]
    ordering = ["-pk"]
    empty = "No commands. They appear when an order may go on."

    def get_search_results(
        self, request: Request, queryset: QuerySet[Command], term: str
    ) -> tuple[QuerySet[Command], bool]:
        """By order reference or number, or by our own number."""
        if not (term := term.strip()):
            return queryset, False
        from_orders = Q(order_id__in=_orders(term))
        return queryset.filter(from_orders | Q(pk=int(term)) if _number(term) else from_orders), False

    def complete(self, rows: Sequence[Command]) -> None:
        orders = gather.references(c.order_id for c in rows)
        blocked = gather.blockers(rows)
        for row in rows:
            row.order_reference = orders.get(row.order_id or 0, "")
            row.blocked_by = blocked.get(row.pk)

    @display(description="Command", ordering="pk")
    def what(self, row: Command) -> str:
        return f"{words.plain(row.kind)} #{row.pk}"

    @display(description="Order")
    def order(self, row: Command) -> str:
        return words.link("order", row.order_id, row.order_reference) if row.order_reference else words.NOTHING

    @display(description="State", ordering="state")
    def state_word(self, row: Command) -> str:
        if row.blocked_by:
            return words.badge(f"blocked by #{row.blocked_by}", "warn")
        return words.badge(row.get_state_display())

    @display(description="Why")
    def why(self, row: Command) -> str:
        return _short(row.words) if row.state != Command.State.CONFIRMED else words.NOTHING

    @display(description="Created", ordering="pk")
    def created(self, row: Command) -> str:
        return words.when(row.created_at, relative=True)

    def page_queryset(self, request: Request) -> QuerySet[Command]:
        return Command.objects.select_related("system")

    def page(self, request: Request, row: Command) -> dict[str, Any]:
        self.complete([row])
        return {
            "title": self.what(row), "reason": reason(row.reason) if row.reason else None, "payload": words.pretty(json.dumps(row.payload)),
            "exchanges": list(Attempt.objects.filter(pk__in=row.exchanges).order_by("-pk")),
            "cases": gather.open_cases("command", row.pk), "state_badge": self.state_word(row),
        }  # fmt: skip


class OutcomeFilter(admin.SimpleListFilter):
    """How an exchange went."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: Request, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("good", "Answered well"),
            ("failed", "Failed"),
            ("bad", "Answered with an error"),
            ("none", "No answer"),
        ]

    def queryset(self, request: Request, queryset: QuerySet[Attempt]) -> QuerySet[Attempt]:
        match self.value():
            case "good":
                return queryset.filter(status__lt=400)
            case "failed":
                return queryset.filter(Q(status__gte=400) | Q(status=None))
            case "bad":
                return queryset.filter(status__gte=400)
            case "none":
                return queryset.filter(status=None)
        return queryset


@admin.register(Attempt)
class AttemptAdmin(ReadOnly):
    """HTTP exchanges, masked."""

    page_template = "console/attempt.html"
    list_display = ["what", "system", "outcome", "took", "started"]
    list_filter = [OutcomeFilter, "system"]
    list_select_related = ["system"]
    ordering = ["-pk"]
    empty = "No exchanges. Each request to a system is kept here, with its secrets masked."

    def get_queryset(self, request: Request) -> QuerySet[Attempt]:
        return Attempt.objects.defer("request", "response")

    def page_queryset(self, request: Request) -> QuerySet[Attempt]:
        return Attempt.objects.select_related("system")

    @display(description="Request")
    def what(self, row: Attempt) -> str:
        return f"{row.method} {_short(row.url)}"

    @display(description="Answer")
    def outcome(self, row: Attempt) -> str:
        tone = "bad" if row.status is None or row.status >= 400 else "good"
        return words.badge(row.status or _short(row.error) or "no answer", tone)

    @display(description="Took")
    def took(self, row: Attempt) -> str:
        return f"{row.seconds:.2f} s"

    @display(description="Started", ordering="pk")
    def started(self, row: Attempt) -> str:
        return words.when(row.started_at, relative=True)

    def page(self, request: Request, row: Attempt) -> dict[str, Any]:
        carried = Command.objects.filter(pk__in=row.commands).order_by("pk")
        return {"title": self.what(row), "commands": list(carried[:200]), "answer": self.outcome(row)}


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"


def _number(term: str) -> bool:
    return term.isdecimal() and len(term) < 18


def _orders(term: str) -> list[int]:
    return list(Order.objects.filter(Q(reference=term) | Q(number=term)).values_list("pk", flat=True)[:100])
