"""Addresses of the partner API, below /api/v1/. None ends with a slash."""

from django.urls import path

from retailsync.partners import desk, docs
from retailsync.partners.views import sandbox, webhooks
from retailsync.partners.views.acknowledgements import Acknowledgements, Breaches
from retailsync.partners.views.arrivals import (
    InboundList,
    InboundOne,
    Inspect,
    Receive,
    ReturnList,
    ReturnOne,
    SayOfInbound,
)
from retailsync.partners.views.events import EventList
from retailsync.partners.views.inventory import SayOfSnapshot, SayOfStock
from retailsync.partners.views.many import SayMany
from retailsync.partners.views.requests import Correct, RequestList, RequestOne, Say, SayOfChange
from retailsync.partners.views.stock import DisagreementList, Levels, SkuList, SnapshotList, SnapshotOne
from retailsync.partners.views.tracking import SayTracking

#: What is said of one change → its topic.
SAID_OF_CHANGE = {"accept": "change.accepted", "reject": "change.rejected"}

#: What is said of stock, by the end of its address.
SAID_OF_STOCK = {"adjustments": "stock.moved"}
SAID_OF_SNAPSHOT = {"parts/<int:part>": "counts.part", "complete": "counts.done"}

REQUEST = "fulfilment-requests/<str:reference>"

app_name = "partners"
urlpatterns = [
    path("fulfilment-requests", RequestList.as_view()),
    path("fulfilment-requests/bulk", SayMany.as_view()),
    path(REQUEST, RequestOne.as_view()),
    *(path(f"{REQUEST}/{verb}", Say.as_view(action=verb, topic=topic)) for verb, topic in desk.ACTIONS.items()),
    path(f"{REQUEST}/shipments/<str:shipment>/tracking", SayTracking.as_view(topic="shipment.tracked")),
    path(f"{REQUEST}/corrections", Correct.as_view(topic="shipment.corrected")),
    *(
        path(f"{REQUEST}/changes/<int:change>/{answer}", SayOfChange.as_view(action=answer, topic=topic))
        for answer, topic in SAID_OF_CHANGE.items()
    ),
    path("inventory/levels", Levels.as_view(topic="counts.levels")),
    path("inventory/disagreements", DisagreementList.as_view()),
    path("inventory/snapshots", SnapshotList.as_view()),
    path("inventory/snapshots/<str:run>", SnapshotOne.as_view()),
    path("skus", SkuList.as_view()),
    *(path(f"inventory/{verb}", SayOfStock.as_view(topic=topic)) for verb, topic in SAID_OF_STOCK.items()),
    *(
        path(f"inventory/snapshots/<str:run>/{verb}", SayOfSnapshot.as_view(topic=topic))
        for verb, topic in SAID_OF_SNAPSHOT.items()
    ),
    path("inbound-shipments", InboundList.as_view()),
    path("inbound-shipments/<str:reference>", InboundOne.as_view()),
    path("inbound-shipments/<str:reference>/receipts", SayOfInbound.as_view(topic="inbound.received")),
    path("returns", ReturnList.as_view(topic="return.arrived")),
    path("returns/<str:reference>", ReturnOne.as_view()),
    path("returns/<str:reference>/receive", Receive.as_view(topic="return.received")),
    path("returns/<str:reference>/inspect", Inspect.as_view(topic="return.inspected")),
    path("events", EventList.as_view()),
    path("acknowledgements", Acknowledgements.as_view()),
    path("acknowledgements/breaches", Breaches.as_view()),
    path("sandbox/simulate/orders", sandbox.Simulate.as_view()),
    path("sandbox/simulate/cancellations", sandbox.SimulateCancellation.as_view()),
    path("sandbox/simulate/holds", sandbox.SimulateHold.as_view()),
    path("sandbox/simulate/resumes", sandbox.SimulateResume.as_view()),
    path("sandbox/simulate/amendments", sandbox.SimulateAmendment.as_view()),
    path("sandbox/simulate/addresses", sandbox.SimulateAddress.as_view()),
    path("sandbox/simulate/returns", sandbox.SimulateReturn.as_view()),
    path("sandbox/certifications", sandbox.CertificationList.as_view()),
    path("sandbox/certifications/<int:number>", sandbox.CertificationOne.as_view()),
    path("sandbox/certifications/<int:number>/finish", sandbox.CertificationFinish.as_view()),
    path("webhooks", webhooks.Webhooks.as_view()),
    path("webhooks/<int:webhook>", webhooks.Webhook.as_view()),
    *(path(f"webhooks/<int:webhook>/{verb}", view) for verb, view in webhooks.ACTS.items()),
    path("webhooks/<int:webhook>/deliveries", webhooks.Deliveries.as_view()),
    path("webhooks/<int:webhook>/deliveries/<int:delivery>/redeliver", webhooks.Redeliver.as_view()),
    path("openapi.json", docs.openapi),
    path("docs", docs.reference),
    path("docs/problems", docs.problems),
    path("<path:rest>", docs.nothing),
]
