"""What partners see of stock: explicit fields, nothing else."""

from typing import Any

from rest_framework import serializers

SNAPSHOT_STATES = ("gathering", "applied", "parked", "discarded")
DISAGREEMENTS = ("doubted", "differs")


class LevelOutline(serializers.Serializer[Any]):
    """What lies at one of your locations of one SKU, as we hold it."""

    sku = serializers.CharField(source="sku.code")
    location = serializers.CharField(source="location.code")
    on_hand = serializers.IntegerField(help_text="Everything that lies there, with damaged units and those on hold.")
    allocated = serializers.IntegerField(help_text="Of these, what you said you have allocated.")
    damaged = serializers.IntegerField()
    quality_hold = serializers.IntegerField()
    incoming = serializers.IntegerField()
    in_transit = serializers.IntegerField()
    promised = serializers.IntegerField(
        help_text="Units of our requests to this location that are still to be shipped."
    )
    counted_at = serializers.DateTimeField(
        allow_null=True, help_text="Of when the count is that the figure rests on; null: nobody ever counted."
    )


class LevelPage(serializers.Serializer[Any]):
    """A page of levels."""

    items = LevelOutline(many=True)
    next = serializers.CharField(allow_null=True)


class DisagreementOutline(serializers.Serializer[Any]):
    """A figure somebody told us that is not the one we hold."""

    sku = serializers.CharField(source="sku.code")
    location = serializers.CharField(source="source.location.code")
    kind = serializers.ChoiceField(
        choices=DISAGREEMENTS,
        help_text="doubted: it waits until a person at the retailer believes it; differs: it is information only.",
    )
    told_by = serializers.ChoiceField(choices=("you", "another"))
    says = serializers.IntegerField(source="on_hand", help_text="Units on hand by this figure.")
    held = serializers.IntegerField(help_text="Units on hand as we hold them.")
    observed_at = serializers.DateTimeField(help_text="Of when the figure is.")
    reason = serializers.CharField(source="doubt", help_text="Why it is doubted; else empty.")


class DisagreementPage(serializers.Serializer[Any]):
    """A page of disagreements."""

    items = DisagreementOutline(many=True)
    next = serializers.CharField(allow_null=True)


class ComponentOutline(serializers.Serializer[Any]):
    """So many units of another SKU that make one unit of a kit."""

    sku = serializers.CharField(source="component.code")
    units = serializers.IntegerField()


class SkuOutline(serializers.Serializer[Any]):
    """A SKU that may be asked of one of your locations."""

    sku = serializers.CharField(source="code")
    name = serializers.CharField()
    gtin = serializers.CharField(help_text="What the barcode says, where we know it.")
    category = serializers.CharField()
    active = serializers.BooleanField(help_text="False: it is not sold any more.")
    components = ComponentOutline(many=True, help_text="What a kit is made of; else empty.")


class SkuPage(serializers.Serializer[Any]):
    """A page of SKUs."""

    items = SkuOutline(many=True)
    next = serializers.CharField(allow_null=True)


class SnapshotOutline(serializers.Serializer[Any]):
    """A whole count you sent in parts, and how far it is."""

    run = serializers.CharField()
    location = serializers.CharField(source="source.location.code")
    state = serializers.ChoiceField(
        choices=SNAPSHOT_STATES,
        help_text="gathering: parts, or the word that it is whole, are awaited; parked: a person at the retailer looks at it.",
    )
    observed_at = serializers.DateTimeField()
    parts = serializers.IntegerField(allow_null=True, help_text="As you said when it was complete.")
    parts_received = serializers.IntegerField(source="parts_got")
    missing = serializers.ListField(child=serializers.IntegerField(), help_text="Numbers of parts that are awaited.")
    items = serializers.IntegerField(allow_null=True, source="rows", help_text="As you said when it was complete.")
    items_received = serializers.IntegerField(source="rows_got")
    items_unknown = serializers.IntegerField(source="unknown", help_text="Items about SKUs we do not know.")
    words = serializers.CharField(help_text="Why it is parked; else empty.")


class SnapshotPage(serializers.Serializer[Any]):
    """A page of snapshots, the newest first."""

    items = SnapshotOutline(many=True)
    next = serializers.CharField(allow_null=True)
