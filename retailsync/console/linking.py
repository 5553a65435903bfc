"""The form by which a person says which customer of the ERP is meant. Knows how to ask and answer; the rest is sync.linking's."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse

from retailsync.console.base import Request, typed
from retailsync.sync import linking
from retailsync.sync.deciding import NotPossible
from retailsync.sync.models import Case, Command


class LinkButton:
    """The view of the exception's page."""

    _case: Callable[[Request, int], Case]
    back: Callable[[Request], HttpResponse]

    def link_one(self, request: Request, pk: int) -> HttpResponse:
        """The customer is known there under an id somebody looked up."""
        case = self._case(request, pk)
        said = {name: typed(request, name, 200) for name in ("external_id", "billing", "shipping", "why")}
        try:
            if not said["why"]:
                raise NotPossible("say how you know.")
            row = linking.link_customer(
                case.pk, said["external_id"], request.user.get_username(), said["why"],
                billing=said["billing"], shipping=said["shipping"],
            )  # fmt: skip
        except NotPossible as trouble:
            messages.error(request, f"Nothing was changed: {trouble}")
        else:
            messages.success(
                request, f"The customer is #{said['external_id']} in {row.system.name}; what waited for it goes on."
            )
        return self.back(request)


def offered(command: Command | None) -> dict[str, Any]:
    """What the exception's page needs to ask for a customer."""
    if command is None or not linking.asks(command):
        return {}
    instead = {"not_by_hand": ""} if command.kind in linking.MAKING else {}  # this is the way by hand
    return {"link_customer": True, "elsewhere": linking.elsewhere(command), **instead}
