"""The change feed."""

from rest_framework.request import Request
from rest_framework.response import Response

from retailsync.partners import feed
from retailsync.partners.outlines import EventOutline, EventPage
from retailsync.partners.views.base import AFTER, LIMIT, PartnerView


class EventList(PartnerView):
    """GET /events?after=: everything that changed, oldest first. `next` is the position to ask from the next time, also when there is
    nothing new: no event will ever be found before it."""

    scopes = {"GET": "events:read"}
    outlines = {"GET": (200, EventPage)}
    titles = {"GET": "Follow what changes"}
    queries = (AFTER, LIMIT)

    def get(self, request: Request) -> Response:
        after, limit = self.page(request)
        page = feed.after(self.partner(request).system_id, after, limit)
        last = page[-1].position if page else after
        return Response({"items": EventOutline(page, many=True).data, "next": str(last)})
