"""The corridor's rows: what was heard (Message), what must be told (Command), what was exchanged (Attempt), and who may work now."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


def recent(field: str, name: str) -> BrinIndex:
    """An index that finds the newest rows of a table that only grows, and costs who writes next to nothing."""
    return BrinIndex(fields=[field], name=name, pages_per_range=32, autosummarize=True)


class Batch(models.Model):
    """One drain's claim on messages, committed before the work begins: an unfinished batch without a live drain is a dead one."""

    system = models.ForeignKey("canonical.System", models.CASCADE)
    worker = models.CharField(max_length=100)
    message_ids = ArrayField(models.BigIntegerField())
    started_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "batches"


class Message(models.Model):
    """One thing a system said, byte for byte. Never deleted; the corridor only moves its state."""

    class State(models.TextChoices):
        RECEIVED = "received", "received"
        WAITING = "waiting", "waits for something missing"
        DONE = "done", "done"
        PARKED = "parked", "parked"

    system = models.ForeignKey("canonical.System", models.PROTECT, related_name="messages", db_index=False)
    topic = models.CharField(max_length=60)
    dedup_key = models.BinaryField()
    about = models.CharField(
        max_length=140,
        blank=True,
        db_default="",
        help_text="What it speaks of, where the door knows: a request's reference.",
    )
    door = models.CharField(max_length=10, help_text="webhook, poll, refresh, look, partner, file or person")
    body = models.BinaryField()
    state = models.CharField(max_length=10, choices=State, default=State.RECEIVED, db_default="received")
    batch_id = models.BigIntegerField(null=True)
    alone = models.BooleanField(default=False, db_default=False, help_text="Was in a batch that died: runs by itself.")
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    not_before = models.DateTimeField(db_default=Now())
    waits_for = models.CharField(max_length=250, blank=True, db_default="")
    reason = models.CharField(max_length=30, blank=True, db_default="")
    words = models.TextField(blank=True, db_default="")
    trouble = models.TextField(blank=True, db_default="", help_text="The traceback, for a developer.")
    asked_at = models.DateTimeField(null=True)
    corrects = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        db_index=False,
        help_text="The message a person corrected, which is kept as it came.",
    )
    received_at = models.DateTimeField(db_default=Now())
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["system", "dedup_key"], name="message_once_per_delivery")]
        indexes = [
            models.Index(fields=["system", "id"], condition=Q(state="received"), name="message_to_claim"),
            models.Index(fields=["system", "not_before"], condition=Q(state="waiting"), name="message_waiting"),
            models.Index(fields=["system", "id"], condition=Q(state="received", alone=True), name="message_alone"),
            models.Index(fields=["batch_id"], condition=Q(batch_id__isnull=False), name="message_in_batch"),
            models.Index(fields=["waits_for"], condition=~Q(waits_for=""), name="message_waits_for"),
            models.Index(fields=["-id"], condition=Q(state="parked"), name="message_parked"),
            models.Index(
                fields=["system", "about", "id"],
                condition=Q(state__in=("received", "waiting", "parked")) & ~Q(about=""),
                name="message_not_recorded",
            ),
            models.Index(
                fields=["received_at"],
                include=["state", "system"],
                condition=Q(state__in=("received", "waiting", "parked")),
                name="message_standing",
            ),
            recent("received_at", "message_recent"),
            recent("done_at", "message_recently_done"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} #{self.pk}"


class Command(models.Model):
    """One outside effect to be carried out exactly once. `purpose` is its key; a target with native protection is given it."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        SENDING = "sending", "sending"
        CONFIRMED = "confirmed", "confirmed"
        PARKED = "parked", "parked"
        IN_DOUBT = "in_doubt", "in doubt"
        SUPERSEDED = "superseded", "superseded"

    #: States in which a fact-command still stands before the later ones of its subject.
    UNSETTLED = ("waiting", "sending", "parked", "in_doubt")

    system = models.ForeignKey("canonical.System", models.PROTECT, related_name="commands", db_index=False)
    kind = models.CharField(max_length=30)
    subject_kind = models.CharField(max_length=20)
    subject_key = models.CharField(max_length=200)
    purpose = models.CharField(max_length=250)
    level = models.BooleanField(default=False)
    stoppable = models.BooleanField(default=False, help_text="Does not leave while its order is on hold.")
    notice_at = models.DateTimeField(
        null=True, help_text="The moment this tells a customer of; old news waits for a person."
    )
    cleared = models.BooleanField(
        default=False, db_default=False, help_text="A person let old news go out all the same."
    )
    payload = models.JSONField()
    order_id = models.BigIntegerField(null=True, db_index=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING, db_default="waiting")
    not_before = models.DateTimeField(db_default=Now())
    waits_for = models.CharField(max_length=250, blank=True, db_default="")
    waiting_since = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    doubtful = models.BooleanField(
        default=False, db_default=False, help_text="An earlier try may have been carried out."
    )
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=30, blank=True, db_default="")
    words = models.TextField(blank=True, db_default="")
    trouble = models.TextField(blank=True, db_default="")
    evidence = models.TextField(blank=True, db_default="")
    exchanges = ArrayField(models.BigIntegerField(), default=list, db_default=[])
    cause_kind = models.CharField(max_length=12)
    cause_id = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, help_text="When the last request for it left.")
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["system", "purpose"], condition=Q(level=False), name="command_once_per_purpose"
            ),
            models.UniqueConstraint(
                fields=["system", "kind", "subject_kind", "subject_key"],
                condition=Q(level=True, state="waiting"),
                name="command_one_waiting_level",
            ),
            models.UniqueConstraint(
                fields=["system", "subject_kind", "subject_key"],
                condition=Q(state="sending"),
                name="command_one_in_flight_per_subject",
            ),
        ]
        indexes = [
            models.Index(fields=["system", "id"], condition=Q(state="waiting"), name="command_to_claim"),
            models.Index(
                fields=["system", "subject_kind", "subject_key", "id"],
                condition=Q(state__in=("waiting", "sending", "parked", "in_doubt")),
                name="command_unsettled",
            ),
            models.Index(fields=["waits_for"], condition=~Q(waits_for=""), name="command_waits_for"),
            models.Index(fields=["system"], condition=Q(state="sending"), name="command_leases"),
            models.Index(
                fields=["notice_at"],
                condition=Q(state="waiting", notice_at__isnull=False, cleared=False),
                name="command_notice",
            ),
            models.Index(
                fields=["created_at"],
                include=["kind", "state", "system"],
                condition=Q(state__in=("waiting", "sending", "parked", "in_doubt")),
                name="command_standing",
            ),
            recent("created_at", "command_recent"),
            recent("settled_at", "command_recently_settled"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class Attempt(models.Model):
    """One HTTP exchange, masked, stored once. It and the commands it carried name each other: an index of arrays would cost each
    command several times what it is asked for."""

    system = models.ForeignKey("canonical.System", models.CASCADE)
    method = models.CharField(max_length=7)
    url = models.TextField()
    status = models.PositiveSmallIntegerField(null=True)
    request = models.TextField(blank=True)
    response = models.TextField(blank=True)
    commands = ArrayField(models.BigIntegerField(), default=list, db_default=[])
    error = models.TextField(blank=True)
    started_at = models.DateTimeField()
    seconds = models.FloatField()

    class Meta:
        verbose_name = "exchange"
        indexes = [models.Index(fields=["system", "-id"]), recent("started_at", "attempt_recent")]

    def __str__(self) -> str:
        return f"{self.method} {self.url} → {self.status or self.error or '?'}"


class Cursor(models.Model):
    """How far one feed of one system was read, and when it is due again."""

    system = models.ForeignKey("canonical.System", models.CASCADE)
    feed = models.CharField(max_length=40)
    value = models.TextField(blank=True)
    every = models.PositiveIntegerField(default=60, help_text="Seconds between two polls.")
    polled_at = models.DateTimeField(null=True)
    words = models.TextField(blank=True, help_text="Why the last poll failed; empty when it went well.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["system", "feed"], name="cursor_once_per_feed")]

    def __str__(self) -> str:
        return f"{self.feed} of {self.system}"


class Lease(models.Model):
    """At most one drain per name at a time. Uses database time; the token makes a late holder harmless."""

    name = models.CharField(max_length=80, unique=True)
    token = models.UUIDField(null=True)
    until = models.DateTimeField(null=True)
    wanted = models.BooleanField(default=False, db_default=False, help_text="Somebody came while it was held.")

    def __str__(self) -> str:
        return self.name


class Gate(models.Model):
    """Whether a system may be spoken to now: circuit, pause and rate limit as columns, so that they survive Redis."""

    system = models.OneToOneField("canonical.System", models.CASCADE, related_name="gate")
    failures = models.PositiveIntegerField(default=0, db_default=0)
    open_until = models.DateTimeField(null=True, help_text="The circuit is open: nothing is sent before this.")
    paused_until = models.DateTimeField(null=True, help_text="The system asked us to wait until then.")
    allowance = models.FloatField(default=0, db_default=0, help_text="Commands the rate limit still allows.")
    allowance_at = models.DateTimeField(null=True)
    last_ok_at = models.DateTimeField(null=True)
    words = models.TextField(blank=True, db_default="")

    def __str__(self) -> str:
        return f"gate of {self.system}"
