"""What partners see of a fulfilment request: explicit fields, nothing else."""

from typing import Any

from rest_framework import serializers

from canonical.models import FulfilmentRequest, RequestChange, RequestLine

ADDRESS = (
    "first_name", "last_name", "company", "line1", "line2", "postcode", "city", "state", "country", "phone", "email",
)  # fmt: skip


class LineOutline(serializers.Serializer[Any]):
    """One line; `line` is what the partner repeats."""

    line = serializers.CharField(source="line_id")
    sku = serializers.SerializerMethodField()
    name = serializers.CharField(source="line.name")
    units = serializers.IntegerField()
    short = serializers.IntegerField()
    shipped = serializers.IntegerField()

    def get_sku(self, line: RequestLine) -> str:
        return line.line.sku.code if line.line.sku else line.line.sku_text


class ChangeOutline(serializers.Serializer[Any]):
    """One change we asked for; `lines` is the whole content as it should be, empty where units stay as they are."""

    number = serializers.IntegerField()
    kind = serializers.CharField()
    answer = serializers.ChoiceField(choices=RequestChange.Answer.choices)
    lines = serializers.SerializerMethodField()
    asked_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField()

    def get_lines(self, change: RequestChange) -> list[dict[str, Any]]:
        return [
            {"line": line, "units": units} for line, units in sorted(change.lines.items(), key=lambda of: int(of[0]))
        ]


class RequestOutline(serializers.Serializer[Any]):
    """A request as it appears in lists."""

    reference = serializers.CharField()
    order_reference = serializers.CharField(source="order.reference")
    location = serializers.CharField(source="location.code")
    purpose = serializers.CharField()
    state = serializers.ChoiceField(source="answer", choices=FulfilmentRequest.Answer.choices)
    execution = serializers.ChoiceField(choices=FulfilmentRequest.Execution.choices)
    held = serializers.BooleanField()
    reason = serializers.CharField()
    partner_reference = serializers.CharField(source="partner_ref")
    requested_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField()
    lines = LineOutline(many=True)
    changes = ChangeOutline(many=True)


class RequestDetail(RequestOutline):
    """One request with where it goes."""

    ship_to = serializers.SerializerMethodField()

    def get_ship_to(self, request: FulfilmentRequest) -> dict[str, str]:
        content = (request.ship_to or request.order.shipping).content
        return {name: content.get(name, "") for name in ADDRESS}
