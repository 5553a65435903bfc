"""What partners see of their webhooks and deliveries: explicit fields, nothing else."""

from typing import Any

from rest_framework import serializers

from retailsync.partners.webhooks.rows import Delivery, Subscription


class WebhookOutline(serializers.Serializer[Any]):
    """One webhook: where events are sent, which, and whether they arrive."""

    id = serializers.CharField(source="pk")
    url = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField(), help_text="Types of events it hears of; empty: all.")
    state = serializers.ChoiceField(choices=Subscription.State.choices)
    disabled_at = serializers.DateTimeField(source="off_at", allow_null=True)
    disabled_because = serializers.CharField(
        source="off_why",
        help_text="gone: it answered 410. failing: nothing arrived for five days. Empty while it is on.",
    )
    failing_since = serializers.DateTimeField(allow_null=True, help_text="Since when no try has gone well.")
    trouble = serializers.CharField(source="words", help_text="Why the last try failed; empty where it went well.")
    delivered_at = serializers.DateTimeField(allow_null=True, help_text="When an event was taken the last time.")
    position = serializers.IntegerField(help_text="Events up to this position of the feed were put out to it.")
    older_secret_until = serializers.DateTimeField(
        source="before_until", allow_null=True, help_text="So long the secret before also signs."
    )
    created_at = serializers.DateTimeField()


class WebhookWithSecret(WebhookOutline):
    """One webhook with its new secret: shown in this answer only."""

    secret = serializers.CharField(help_text="`whsec_` and 32 bytes in base64. Keep it: it cannot be had again.")


class WebhookPage(serializers.Serializer[Any]):
    """A page of the partner's webhooks, in the order they were made; `next` is null on the last one."""

    items = WebhookOutline(many=True)
    next = serializers.CharField(allow_null=True)


class Deleted(serializers.Serializer[Any]):
    """It is gone."""

    id = serializers.CharField()
    deleted = serializers.BooleanField()


class Tested(serializers.Serializer[Any]):
    """What came back for a signed `ping`."""

    delivered = serializers.BooleanField(help_text="It was answered with 2xx.")
    status = serializers.IntegerField(allow_null=True, help_text="The status of the answer; null where none came.")
    milliseconds = serializers.IntegerField()
    words = serializers.CharField(help_text="What went wrong; empty where nothing did.")


class DeliveryOutline(serializers.Serializer[Any]):
    """One event on its way to one webhook."""

    id = serializers.CharField(source="pk")
    event = serializers.CharField(source="event_id", help_text="The event's `id`, sent as `webhook-id`.")
    position = serializers.IntegerField()
    type = serializers.CharField(source="event.type")
    subject = serializers.CharField()
    state = serializers.ChoiceField(choices=Delivery.State.choices)
    attempts = serializers.IntegerField(help_text="Tries so far, since it was asked for the last time.")
    next_attempt_at = serializers.SerializerMethodField(help_text="Not before then; null unless it waits.")
    attempted_at = serializers.DateTimeField(source="tried_at", allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    status = serializers.IntegerField(allow_null=True, help_text="Of the last answer.")
    milliseconds = serializers.SerializerMethodField()
    words = serializers.CharField(help_text="Why the last try failed.")

    def get_next_attempt_at(self, row: Delivery) -> str | None:
        waits = row.state == Delivery.State.WAITING
        return serializers.DateTimeField().to_representation(row.next_at) if waits else None

    def get_milliseconds(self, row: Delivery) -> int | None:
        return None if row.seconds is None else round(row.seconds * 1000)


class DeliveryPage(serializers.Serializer[Any]):
    """A page of the delivery log, the newest first; `next` is null on the last one."""

    items = DeliveryOutline(many=True)
    next = serializers.CharField(allow_null=True)


class Redelivered(serializers.Serializer[Any]):
    """How many events are sent again, and where there are more than may be asked for at once, the position to go on from."""

    deliveries = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
