"""Addresses of the partner API, below /api/v1/."""

from django.urls import path

from retailsync.partners.views import RequestList, RequestOne, Say, SayOfChange, SayOfSnapshot, SayOfStock

#: The verb in the address → the topic in the inbox.
SAID = {
    "accept": "request.accepted",
    "reject": "request.rejected",
    "picking": "execution.picking",
    "picked": "execution.picked",
    "packed": "execution.packed",
    "short": "execution.short",
    "shipments": "shipment.shipped",
}

#: The same for what is said of one change.
SAID_OF_CHANGE = {"accept": "change.accepted", "reject": "change.rejected"}

#: What is said of stock, by the end of its address.
SAID_OF_STOCK = {"levels": "counts.levels", "adjustments": "stock.moved"}
SAID_OF_SNAPSHOT = {"parts/<int:part>": "counts.part", "complete": "counts.done"}

app_name = "partners"
urlpatterns = [
    path("fulfilment-requests/", RequestList.as_view()),
    path("fulfilment-requests/<str:reference>/", RequestOne.as_view()),
    *(path(f"fulfilment-requests/<str:reference>/{verb}", Say.as_view(topic=topic)) for verb, topic in SAID.items()),
    *(
        path(f"fulfilment-requests/<str:reference>/changes/<int:change>/{verb}", SayOfChange.as_view(topic=topic))
        for verb, topic in SAID_OF_CHANGE.items()
    ),
    *(path(f"inventory/{verb}", SayOfStock.as_view(topic=topic)) for verb, topic in SAID_OF_STOCK.items()),
    *(
        path(f"inventory/snapshots/<str:run>/{verb}", SayOfSnapshot.as_view(topic=topic))
        for verb, topic in SAID_OF_SNAPSHOT.items()
    ),
]
