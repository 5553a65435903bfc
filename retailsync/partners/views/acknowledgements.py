"""How soon a partner answers, as the retailer sees it, too."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from canonical.models import System
from connectors.partner.reading import Wrong
from retailsync.partners import acknowledging
from retailsync.partners.models import ASKED_FOR
from retailsync.partners.views.base import AFTER, LIMIT, PartnerView, Query
from retailsync.sync import clock

USUAL_DAYS, MOST_DAYS = 30, 92
TIME = "^[0-2][0-9]:[0-5][0-9]$"
FROM = Query(
    "from",
    f"An instant (RFC 3339, with its offset): what you were asked since then. {USUAL_DAYS} days before `until` unless told.",
)
UNTIL = Query(
    "until", f"An instant: what you were asked before then. Now unless told; at most {MOST_DAYS} days after `from`."
)


class TermsOutline(serializers.Serializer[Any]):
    """The terms the numbers are reckoned by. Each answer is due by the terms of the moment it was asked for."""

    timezone = serializers.CharField(help_text="The zone of all times of day below.")
    answer_within = serializers.IntegerField(help_text="Working minutes in which an answer is due.")
    opens_at = serializers.RegexField(TIME, help_text="HH:MM")
    closes_at = serializers.RegexField(TIME)
    cut_off = serializers.RegexField(
        TIME,
        allow_null=True,
        help_text="What is asked after it counts from the next working day. Null: until you close.",
    )
    working_days = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=7), help_text="1 is Monday."
    )
    holidays = serializers.ListField(child=serializers.DateField())


class AcknowledgementsOutline(serializers.Serializer[Any]):
    """What you were asked (requests, and changes of requests) in some time, and what became of it."""

    asked_from = serializers.DateTimeField()
    asked_until = serializers.DateTimeField()
    asked = serializers.IntegerField(help_text="All of it: the sum of the next four.")
    in_time = serializers.IntegerField(help_text="Answered before the answer was due.")
    late = serializers.IntegerField(help_text="Answered afterwards.")
    open = serializers.IntegerField(help_text="Not answered, and not due yet.")
    overdue = serializers.IntegerField(help_text="Not answered, and due.")
    median_minutes = serializers.IntegerField(
        allow_null=True, help_text="Working minutes half of the answers took at most."
    )
    p95_minutes = serializers.IntegerField(allow_null=True, help_text="Working minutes 95 of 100 answers took at most.")
    terms = TermsOutline()


class BreachOutline(serializers.Serializer[Any]):
    """One thing you were asked and did not answer in time."""

    reference = serializers.CharField(help_text="The fulfilment request.")
    asked = serializers.ChoiceField(
        choices=list(ASKED_FOR), help_text="The request itself, or the kind of change of it."
    )
    change = serializers.IntegerField(allow_null=True, help_text="The change's number; null for the request itself.")
    asked_at = serializers.DateTimeField(help_text="When you took it.")
    due_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(
        allow_null=True, help_text="When your answer reached us; null while there is none."
    )
    minutes_late = serializers.IntegerField(
        help_text="Working minutes beyond what was agreed; while it is open, by now."
    )


class BreachPage(serializers.Serializer[Any]):
    """A page of them, in the order in which they were asked; `next` is null on the last one."""

    items = BreachOutline(many=True)
    next = serializers.CharField(allow_null=True)


class OfTime(PartnerView):
    """Base: what is said of the time from one instant until another."""

    scopes = {"GET": "requests:read"}

    def system(self, request: Request) -> System:
        return System.objects.select_related("partner_terms").get(pk=self.partner(request).system_id)

    def time(self, request: Request, now: datetime) -> tuple[datetime, datetime]:
        """(from, until). Raises Wrong."""
        until = _instant(request, "until") or now
        since = _instant(request, "from") or until - timedelta(days=USUAL_DAYS)
        if not since < until <= since + timedelta(days=MOST_DAYS):
            raise Wrong("from", f"must lie before until, by at most {MOST_DAYS} days")
        return since, until


class Acknowledgements(OfTime):
    """GET /acknowledgements: how soon you answered what you were asked.

    Each request, and each change of one, is to be answered within working time that was agreed: your hours, days, holidays and cut-off are
    in `terms`. The time begins when you took it (with your 2xx to our webhook) and ends when the first word that answers it reached us:
    accepting or rejecting, or work on it that was begun. The retailer sees these very numbers.
    """

    outlines = {"GET": (200, AcknowledgementsOutline)}
    queries = (FROM, UNTIL)

    def get(self, request: Request) -> Response:
        now = clock.now()
        since, until = self.time(request, now)
        system = self.system(request)
        found = acknowledging.numbers(system.pk, since, until, now)
        said = {
            "asked_from": since, "asked_until": until, **found._asdict(), "terms": acknowledging.terms(system),
        }  # fmt: skip
        return Response(AcknowledgementsOutline(said).data)


class Breaches(OfTime):
    """GET /acknowledgements/breaches: what you did not answer in time: what was answered late, and what is overdue.

    By the same time and reckoning as the summary: `late` and `overdue` of it are the rows of this list. Times are those of asking.
    """

    outlines = {"GET": (200, BreachPage)}
    queries = (FROM, UNTIL, AFTER, LIMIT)

    def get(self, request: Request) -> Response:
        now = clock.now()
        after, limit = self.page(request)
        since, until = self.time(request, now)
        page = acknowledging.breaches(self.system(request), since, until, now, after, limit + 1)
        following = str(page[limit - 1].id) if len(page) > limit else None
        return Response({"items": BreachOutline(page[:limit], many=True).data, "next": following})


def _instant(request: Request, name: str) -> datetime | None:
    """An instant of the query string. Raises Wrong."""
    text = request.query_params.get(name, "")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None or not 2000 <= at.year <= 2999:
            raise ValueError
        return at.astimezone(UTC)
    except ValueError as error:
        raise Wrong(name, "must be an instant with its offset, like 2026-05-01T08:00:00Z") from error
