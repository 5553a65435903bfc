"""Many words about many requests in one call, each taken or refused by itself."""

from typing import Annotated, Any, Literal

import msgspec
from django.db import transaction
from django.http import Http404
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.partner.reading import Wrong, understood
from connectors.partner.reading.shapes import Name, Shape
from retailsync.partners import desk, problems
from retailsync.partners.idempotency import Answer
from retailsync.partners.outlines import ManyTaken
from retailsync.partners.views.requests import RequestView, Say

MOST = 200
Action = Literal["accept", "reject", "start", "pick", "pack", "short", "ship"]


class OneOfMany(Shape, kw_only=True):
    """What is said of one request: the end of its address, and the body as it would be sent there."""

    reference: Name
    action: Action
    body: dict[str, Any] = {}


class Many(Shape, kw_only=True):
    """Up to 200 words. Each is taken or refused by itself; those of one request count in their order."""

    items: Annotated[list[OneOfMany], Meta(min_length=1, max_length=MOST)]


_decoder = msgspec.json.Decoder(Many)


class SayMany(RequestView):
    """POST /fulfilment-requests/bulk: many words in one call.

    The answer has one item for each, in the same order: `status` is what the word would have been answered by itself, and either `answer`
    or `problem` says more. The call as a whole is 200 also where all are refused.
    """

    outlines = {"POST": (200, ManyTaken)}
    titles = {"POST": "Say many things at once"}
    shapes = {"POST": Many}

    def post(self, request: Request) -> Response:
        return self.once(request, lambda raw: self.said(request, raw))

    def said(self, request: Request, raw: bytes) -> Answer:
        """Take them request by request, so that no two calls wait for each other in a circle."""
        items = understood(_decoder, raw).items
        answers: dict[int, dict[str, Any]] = {}
        for n in sorted(range(len(items)), key=lambda n: (items[n].reference, n)):
            answers[n] = self._one(request, items[n])
        return Answer(200, {"items": [answers[n] for n in range(len(items))]})

    def _one(self, request: Request, item: OneOfMany) -> dict[str, Any]:
        about = {"reference": item.reference, "action": item.action}
        say = Say(action=item.action, topic=desk.ACTIONS[item.action])
        try:
            with transaction.atomic():
                answer = say.said(request, item.reference, msgspec.json.encode(item.body))
        except (problems.Problem, Wrong, Http404) as error:
            refused = problems.handler(error, {})
            if refused is None:
                raise
            return {**about, "status": refused.status_code, "answer": None, "problem": refused.data}
        return {**about, "status": answer.status, "answer": answer.body, "problem": None}
