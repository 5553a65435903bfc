"""What a partner says of its stock: whole counts in parts, single figures, and why units came or went."""

from rest_framework.request import Request
from rest_framework.response import Response

from connectors.partner import reading
from connectors.partner.reading import Wrong
from retailsync.partners.idempotency import Answer
from retailsync.partners.outlines import Taken
from retailsync.partners.views.base import PartnerView, own_location, stated, text

LONGEST_RUN = 100
MOST_PARTS = 32_767


class SayOfStock(PartnerView):
    """POST /inventory/levels, /inventory/adjustments: figures and movements of one of the caller's locations.

    A location is set up here before a partner can speak of it: another one is 404, whether or not somebody else has it.
    """

    scopes = {"POST": "inventory:write"}
    outlines = {"POST": (202, Taken)}
    topic = ""

    def post(self, request: Request) -> Response:
        return self.once(request, lambda raw: self.said(request, raw, {}))

    def said(self, request: Request, raw: bytes, address: dict[str, str | int]) -> Answer:
        """Check the words and whose location they are about, and store them."""
        said: reading.OfLocation = stated(self.topic, raw)
        own_location(self.partner(request), said.location)
        fresh = self.store(request, self.topic, said, address)
        return Answer(202, {"received": True, "duplicate": not fresh})


class SayOfSnapshot(SayOfStock):
    """POST /inventory/snapshots/{run}/parts/{part}, …/complete: a whole count. The partner names it; parts come in any order."""

    def post(self, request: Request, run: str, part: int | None = None) -> Response:
        address: dict[str, str | int] = {"run": text("run", run, LONGEST_RUN)}
        if part is not None:
            if not 1 <= part <= MOST_PARTS:
                raise Wrong("part", f"must be between 1 and {MOST_PARTS}")
            address["part"] = part
        return self.once(request, lambda raw: self.said(request, raw, address))
