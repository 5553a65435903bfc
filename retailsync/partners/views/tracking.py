"""Tracking numbers of a shipment that was reported before."""

from django.http import Http404

from connectors.partner.reading.fulfilment import Tracking
from retailsync.partners import desk
from retailsync.partners.views.requests import Say


class SayTracking(Say):
    """POST /fulfilment-requests/{reference}/shipments/{shipment}/tracking: what the packages of a shipment are followed by.

    For shipments that were reported without tracking numbers, or with wrong ones. `package` is the place of the parcel in the shipment
    as you reported it, beginning with 1; packages you do not name stay as they are. Of each the latest word by `occurred_at` stands, and
    the customer is shown it in place of the one before. Allowed in every state of the request, as soon as the shipment was reported.
    """

    titles = {"POST": "Send tracking numbers later"}

    def check(self, at: desk.Standing, said: Tracking, shipment: str = "") -> None:  # type: ignore[override]
        if shipment not in at.shipments:
            raise Http404
        desk.packed(at, shipment, said)
