"""What partners see: explicit fields, nothing else."""

from typing import Any

from rest_framework import serializers

from canonical.models import FulfilmentRequest, RequestChange
from retailsync.partners import desk

ADDRESS = (
    "first_name", "last_name", "company", "line1", "line2", "postcode", "city", "state", "country", "phone", "email",
)  # fmt: skip
STATES = ("submitted", "accepted", "rejected", "closed")


class AddressOutline(serializers.Serializer[Any]):
    """Where it goes; every field is there, also the empty ones."""

    first_name = serializers.CharField()
    last_name = serializers.CharField()
    company = serializers.CharField()
    line1 = serializers.CharField()
    line2 = serializers.CharField()
    postcode = serializers.CharField()
    city = serializers.CharField()
    state = serializers.CharField()
    country = serializers.CharField(help_text="ISO 3166-1, two letters.")
    phone = serializers.CharField()
    email = serializers.CharField()


class LineOutline(serializers.Serializer[Any]):
    """One line; `line` is what the partner repeats."""

    line = serializers.CharField(help_text="Our id of the line: name it in what you report.")
    sku = serializers.CharField()
    name = serializers.CharField()
    gtin = serializers.CharField(help_text="What the barcode says, where we know it.")
    units = serializers.IntegerField(help_text="Units that are asked for.")
    short = serializers.IntegerField(help_text="Of these, units you said you will not ship.")
    shipped = serializers.IntegerField()


class UnitsOutline(serializers.Serializer[Any]):
    """So many units of one line."""

    line = serializers.CharField()
    units = serializers.IntegerField()


class ChangeOutline(serializers.Serializer[Any]):
    """One change we asked for; `lines` is the whole content as it should be, empty where units stay as they are."""

    number = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=["amend", "cancel", "hold", "resume"])
    answer = serializers.ChoiceField(choices=RequestChange.Answer.choices)
    lines = UnitsOutline(many=True)
    asked_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)


class PackageOutline(serializers.Serializer[Any]):
    """One parcel."""

    tracking_number = serializers.CharField()
    tracking_url = serializers.CharField()
    lines = UnitsOutline(many=True)


class ShipmentOutline(serializers.Serializer[Any]):
    """One shipment as it was recorded; `shipment` is the partner's own id of it."""

    shipment = serializers.CharField()
    carrier = serializers.CharField()
    service = serializers.CharField()
    shipped_at = serializers.DateTimeField()
    packages = PackageOutline(many=True)


class RequestOutline(serializers.Serializer[Any]):
    """A request as it appears in lists, with what its partner said of it since it was recorded last."""

    reference = serializers.CharField()
    order_reference = serializers.CharField()
    location = serializers.CharField()
    purpose = serializers.CharField(help_text="original, backorder, reship or exchange.")
    state = serializers.ChoiceField(choices=STATES)
    execution = serializers.ChoiceField(choices=FulfilmentRequest.Execution.choices)
    held = serializers.BooleanField(help_text="You hold it because we asked.")
    reason = serializers.CharField(help_text="Why it was rejected, in your words.")
    partner_reference = serializers.CharField()
    requested_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)
    lines = LineOutline(many=True)
    changes = ChangeOutline(many=True)
    shipments = ShipmentOutline(many=True)
    actions = serializers.ListField(
        child=serializers.CharField(), help_text="What may be done now: the ends of addresses to POST to."
    )

    def to_representation(self, instance: FulfilmentRequest) -> dict[str, Any]:
        at: desk.Standing = self.context["standings"][instance.reference]
        return {
            "reference": instance.reference,
            "order_reference": instance.order.reference,
            "location": instance.location.code,
            "purpose": instance.purpose,
            "state": at.state,
            "execution": at.execution,
            "held": at.held,
            "reason": instance.reason,
            "partner_reference": instance.partner_ref,
            "requested_at": _stamp(instance.requested_at),
            "answered_at": _stamp(instance.answered_at),
            "lines": [_line(line, at) for line in instance.lines.all()],
            "changes": [_change(change, at) for change in instance.changes.all()],
            "shipments": [_shipment(shipment) for shipment in instance.shipments.all()],
            "actions": at.actions,
        }


class RequestDetail(RequestOutline):
    """One request with where it goes and how."""

    ship_to = AddressOutline()
    shipping_method = serializers.CharField(help_text="What the customer chose, in the shop's words.")
    carrier = serializers.CharField(help_text="Who should carry it; empty: your choice.")
    service = serializers.CharField()
    note = serializers.CharField(help_text="What the customer wrote.")

    def to_representation(self, instance: FulfilmentRequest) -> dict[str, Any]:
        content = (instance.ship_to or instance.order.shipping).content
        told = self.context["told"]
        return super().to_representation(instance) | {
            "ship_to": {name: content.get(name, "") for name in ADDRESS},
            **{name: told.get(name, "") for name in ("shipping_method", "carrier", "service", "note")},
        }


class RequestPage(serializers.Serializer[Any]):
    """A page of requests; `next` is null on the last one of a listing, and never null where changes are followed."""

    items = RequestOutline(many=True)
    next = serializers.CharField(allow_null=True)


class EventOutline(serializers.Serializer[Any]):
    """One change. `data` says where the subject stood then; ask for it to see where it stands now."""

    id = serializers.CharField(source="pk")
    position = serializers.IntegerField(help_text="1, 2, 3 … without gaps.")
    type = serializers.CharField()
    subject = serializers.CharField()
    at = serializers.DateTimeField()
    data = serializers.JSONField()


class EventPage(serializers.Serializer[Any]):
    """A page of the change feed."""

    items = EventOutline(many=True)
    next = serializers.CharField()


class Taken(serializers.Serializer[Any]):
    """What was said is stored for good."""

    received = serializers.BooleanField()
    duplicate = serializers.BooleanField(help_text="These very words were stored before, and nothing was done now.")


class TakenOfRequest(Taken):
    """What was said of a request is stored for good, and this is where the request stands with it."""

    reference = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES)
    execution = serializers.ChoiceField(choices=FulfilmentRequest.Execution.choices)
    held = serializers.BooleanField()
    actions = serializers.ListField(child=serializers.CharField())
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What somebody at the retailer will look at."
    )


class ProblemOutline(serializers.Serializer[Any]):
    """RFC 9457, with a stable `code`."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    field = serializers.CharField(required=False, help_text="The path of what is wrong.")


class OneTaken(serializers.Serializer[Any]):
    """What one of many words was answered."""

    reference = serializers.CharField()
    action = serializers.CharField()
    status = serializers.IntegerField(help_text="202 where it was taken.")
    answer = TakenOfRequest(allow_null=True)
    problem = ProblemOutline(allow_null=True)


class ManyTaken(serializers.Serializer[Any]):
    """One answer for each word, in their order."""

    items = OneTaken(many=True)


def _line(line: Any, at: desk.Standing) -> dict[str, Any]:
    item = at.lines[str(line.line_id)]
    sku = line.line.sku
    return {
        "line": str(line.line_id), "sku": item.sku, "name": line.line.name, "gtin": sku.gtin if sku else "", "units": item.units,
        "short": item.short, "shipped": item.shipped,
    }  # fmt: skip


def _change(change: RequestChange, at: desk.Standing) -> dict[str, Any]:
    lines = sorted(change.lines.items(), key=lambda of: int(of[0]))
    asked = at.changes.get(str(change.number))
    return {
        "number": change.number, "kind": change.kind, "answer": asked.answer if asked else change.answer,
        "lines": [{"line": line, "units": units} for line, units in lines],
        "asked_at": _stamp(change.asked_at), "answered_at": _stamp(change.answered_at),
    }  # fmt: skip


def _shipment(shipment: Any) -> dict[str, Any]:
    return {
        "shipment": shipment.external_id, "carrier": shipment.carrier, "service": shipment.service,
        "shipped_at": _stamp(shipment.shipped_at),
        "packages": [
            {
                "tracking_number": package.tracking, "tracking_url": package.tracking_url,
                "lines": [{"line": str(line.line_id), "units": line.units} for line in package.lines.all()],
            }
            for package in shipment.packages.all()
        ],
    }  # fmt: skip


_instant = serializers.DateTimeField()


def _stamp(at: Any) -> Any:
    return _instant.to_representation(at) if at else None
