"""What partners see of goods that arrive: explicit fields, nothing else."""

from typing import Any

from rest_framework import serializers

from canonical.models import InboundShipment, Return
from canonical.models.returns import CONDITIONS, DISPOSITIONS
from retailsync.partners.outlines import Taken

INBOUND_STATES = tuple(InboundShipment.State.values)
RETURN_STATES = tuple(Return.State.values)


class InboundLineOutline(serializers.Serializer[Any]):
    """Units of one SKU; what came unannounced has nothing expected."""

    sku = serializers.CharField(source="sku.code")
    name = serializers.CharField(source="sku.name")
    gtin = serializers.CharField(source="sku.gtin", help_text="What the barcode says, where we know it.")
    expected = serializers.IntegerField()
    received = serializers.IntegerField(help_text="With damaged ones.")
    damaged = serializers.IntegerField()


class ReceiptOutline(serializers.Serializer[Any]):
    """One receipt you reported, by your own name of it."""

    receipt = serializers.CharField(source="external_id")
    occurred_at = serializers.DateTimeField()


class InboundOutline(serializers.Serializer[Any]):
    """Goods that are expected at one of your locations, and what arrived of them."""

    reference = serializers.CharField()
    location = serializers.CharField(source="location.code")
    supplier = serializers.CharField()
    expected_at = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(choices=INBOUND_STATES)
    lines = InboundLineOutline(many=True)
    receipts = ReceiptOutline(many=True)


class InboundPage(serializers.Serializer[Any]):
    """A page of inbound shipments."""

    items = InboundOutline(many=True)
    next = serializers.CharField(allow_null=True)


class TakenOfInbound(Taken):
    """A receipt is stored for good, and this is where the inbound shipment stands with it."""

    reference = serializers.CharField()
    state = serializers.ChoiceField(choices=INBOUND_STATES)
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What somebody at the retailer will look at."
    )


class ReturnLineOutline(serializers.Serializer[Any]):
    """Units of one SKU; what came unannounced has nothing expected."""

    line = serializers.CharField(source="pk", help_text="Our id of the line: name it, or the SKU, in what you report.")
    sku = serializers.CharField(source="sku.code")
    name = serializers.CharField(source="sku.name")
    expected = serializers.IntegerField()
    received = serializers.IntegerField()
    inspected = serializers.IntegerField(help_text="With those found missing.")
    restocked = serializers.IntegerField(help_text="Of these, put back on the shelf: they count as stock.")


class ReturnedUnitsOutline(serializers.Serializer[Any]):
    """Units of one line in one report; of an inspection with how they were found, and what becomes of them."""

    line = serializers.CharField(source="line_id")
    units = serializers.IntegerField()
    condition = serializers.ChoiceField(choices=CONDITIONS, allow_blank=True)
    disposition = serializers.ChoiceField(choices=DISPOSITIONS, allow_blank=True)


class ReportOutline(serializers.Serializer[Any]):
    """One report you made, by your own name of it."""

    name = serializers.CharField(source="external_id")
    stage = serializers.ChoiceField(choices=("received", "inspected"))
    occurred_at = serializers.DateTimeField()
    lines = ReturnedUnitsOutline(many=True, source="units")


class ReturnOutline(serializers.Serializer[Any]):
    """Goods that come back to one of your locations, and what you found."""

    reference = serializers.CharField()
    location = serializers.CharField(source="location.code")
    order_reference = serializers.CharField()
    tracking_number = serializers.CharField(source="tracking")
    announced = serializers.BooleanField(help_text="False: you told us of it.")
    expected_at = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(choices=RETURN_STATES)
    lines = ReturnLineOutline(many=True)
    reports = ReportOutline(many=True)


class ReturnPage(serializers.Serializer[Any]):
    """A page of returns."""

    items = ReturnOutline(many=True)
    next = serializers.CharField(allow_null=True)


class TakenOfReturn(Taken):
    """What was said is stored for good, and this is where the return stands with it."""

    reference = serializers.CharField(help_text="What the return is called from now on.")
    state = serializers.ChoiceField(choices=RETURN_STATES)
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What somebody at the retailer will look at."
    )
