"""Rows of outgoing webhooks: where a partner wants to hear of its events (Subscription), and each event on its way there (Delivery)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from connectors.masking import Mask

MOST = 10  # subscriptions of one partner


class Subscription(models.Model):
    """One address of a partner's that hears of its events. Each has a place of its own, so that there are never more than `MOST`.

    `secret` signs, and while it lasts `before` does, too. Events up to `position` are put out as deliveries. While `failing_since` is set
    the newest tries failed: nothing goes out before `not_before`, and then one delivery at a time.
    """

    class State(models.TextChoices):
        ON = "on", "on"
        OFF = "off", "switched off"

    class Why(models.TextChoices):
        GONE = "gone", "it answered that it is gone"
        FAILING = "failing", "nothing arrived there for five days"

    system = models.ForeignKey("canonical.System", models.CASCADE, related_name="subscriptions", db_index=False)
    place = models.PositiveSmallIntegerField()
    url = models.CharField(max_length=500)
    types = ArrayField(models.CharField(max_length=60), default=list, help_text="Types of events; none: all.")
    secret = models.TextField(help_text="Sealed.")
    before = models.TextField(blank=True, default="", help_text="Sealed: the one that signs beside it while rotating.")
    before_until = models.DateTimeField(null=True)
    state = models.CharField(max_length=3, choices=State, default=State.ON)
    off_at = models.DateTimeField(null=True)
    off_why = models.CharField(max_length=7, choices=Why, blank=True, default="")
    position = models.BigIntegerField()
    failing_since = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    words = models.TextField(
        blank=True, default="", help_text="Why the newest try failed; empty after one that went well."
    )
    delivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "webhook"
        constraints = [
            models.UniqueConstraint(fields=["system", "place"], name="subscription_once_per_place"),
            models.CheckConstraint(condition=Q(place__range=(1, MOST)), name="subscription_places"),
            models.CheckConstraint(
                condition=Q(state="on", off_at=None, off_why="")
                | (Q(state="off", off_at__isnull=False) & ~Q(off_why="")),
                name="subscription_off_since_and_why",
            ),
            models.CheckConstraint(
                condition=Q(before="", before_until=None) | (~Q(before="") & Q(before_until__isnull=False)),
                name="subscription_older_secret_ends",
            ),
        ]

    def __str__(self) -> str:
        return self.shown

    @property
    def shown(self) -> str:
        """Its address as people may see it: partners put keys into them."""
        return Mask().url(self.url)


class Delivery(models.Model):
    """One event on its way to one address. Those of one subject go one after the other; `attempts` counts the tries that began."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        SENDING = "sending", "sending"
        DELIVERED = "delivered", "delivered"
        GIVEN_UP = "given_up", "given up"
        CANCELLED = "cancelled", "cancelled"

    #: States in which a delivery still stands before the later ones of its subject.
    UNSETTLED = ("waiting", "sending")

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="deliveries", db_index=False)
    event = models.ForeignKey("partners.Event", models.CASCADE, related_name="+", db_index=False)
    position = models.BigIntegerField(help_text="The event's.")
    subject = models.CharField(max_length=200, help_text="The event's.")
    state = models.CharField(max_length=9, choices=State, db_default="waiting")
    attempts = models.PositiveSmallIntegerField(db_default=0)
    next_at = models.DateTimeField(db_default=Now())
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    seconds = models.FloatField(null=True)
    words = models.TextField(blank=True, db_default="")
    exchanges = ArrayField(models.BigIntegerField(), db_default=[])

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["event", "subscription"], name="delivery_once_per_event"),
            models.UniqueConstraint(
                fields=["subscription", "subject"],
                condition=Q(state="sending"),
                name="delivery_one_in_flight_per_subject",
            ),
            models.CheckConstraint(
                condition=Q(state="sending", lease_token__isnull=False, lease_until__isnull=False)
                | (~Q(state="sending") & Q(lease_token=None, lease_until=None)),
                name="delivery_sent_under_a_lease",
            ),
        ]
        indexes = [
            models.Index(
                fields=["subscription", "attempts", "position"], condition=Q(state="waiting"), name="delivery_to_claim"
            ),
            models.Index(
                fields=["subscription", "subject", "position"],
                condition=Q(state__in=("waiting", "sending")),
                name="delivery_unsettled",
            ),
            models.Index(fields=["subscription", "state", "-id"], name="delivery_by_state"),
            models.Index(fields=["subscription", "-id"], name="delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"event {self.position} to {self.subscription}"
