"""The partner API's own rows: keys, terms of a partner, answers kept for repetitions, and the events of its change feed."""

import hashlib
import secrets
from datetime import datetime, time

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

LIVE, SANDBOX = "live", "sandbox"
LONGEST_ANSWER = 10_000  # working minutes: a month

#: What a key may be used for → what it says to a person who ticks it.
SCOPES = {
    "requests:read": "see fulfilment requests",
    "requests:write": "answer, work on and ship them",
    "inventory:read": "see stock levels and SKUs",
    "inventory:write": "report stock",
    "events:read": "read the change feed",
    "webhooks:write": "set up webhooks",
}


#: A request, or kinds of changes of one → what is asked for, in words.
ASKED_FOR = {
    "request": "the request", "amend": "an amendment", "cancel": "a cancellation", "hold": "to hold it", "resume": "to go on",
}  # fmt: skip


def every_scope() -> list[str]:
    """A key without a narrower wish may do everything its partner may."""
    return list(SCOPES)


class PartnerKey(models.Model):
    """One key of one partner system. Several may be valid at a time, so that a partner can change over. Whether it is for real or for the
    sandbox follows from the system it belongs to, so that a key can never be of both."""

    system = models.ForeignKey("canonical.System", models.CASCADE, related_name="partner_keys")
    name = models.CharField(max_length=100, help_text="Who or what uses it, for people.")
    prefix = models.CharField(max_length=12, unique=True, help_text="The readable part, by which a key is found.")
    digest = models.BinaryField(help_text="SHA-256 of the whole key.")
    scopes = ArrayField(models.CharField(max_length=30), default=every_scope)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["system", "-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.start}_{self.prefix}…)"

    @property
    def environment(self) -> str:
        """`live`, or `sandbox` where the system plays another one."""
        return SANDBOX if self.system.sandbox_of_id else LIVE

    @property
    def start(self) -> str:
        """What the key's text begins with."""
        return f"rsk_{self.environment}"

    @classmethod
    def issue(
        cls, system: models.Model, name: str, *, expires_at: datetime | None = None, scopes: list[str] | None = None
    ) -> tuple["PartnerKey", str]:
        """A new key and its plain text, which cannot be had again."""
        key = cls(
            system=system, name=name, prefix=secrets.token_hex(5), expires_at=expires_at, scopes=scopes or every_scope()
        )
        text = f"{key.start}_{key.prefix}_{secrets.token_urlsafe(32)}"
        key.digest = digest(text)
        key.save()
        return key, text

    def is_valid(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def digest(text: str) -> bytes:
    """A key has 256 random bits: a plain hash is as good as a slow one, and fast."""
    return hashlib.sha256(text.encode()).digest()


class PartnerTerms(models.Model):
    """What was agreed with one partner. None: the defaults. Its time zone is the system's."""

    system = models.OneToOneField("canonical.System", models.CASCADE, related_name="partner_terms")
    calls_per_minute = models.PositiveIntegerField(
        default=1_200, validators=[MinValueValidator(1)], help_text="Calls of the partner API, all keys together."
    )
    answer_within = models.PositiveIntegerField(
        default=120,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_ANSWER)],
        help_text="Working minutes in which a request is to be answered.",
    )
    opens_at = models.TimeField(default=time(8))
    closes_at = models.TimeField(default=time(17))
    cut_off = models.TimeField(
        null=True,
        blank=True,
        help_text="What is asked after it counts from the next working day. Empty: until it closes.",
    )
    working_days = models.CharField(max_length=7, default="12345", help_text="1 is Monday, 7 is Sunday.")
    holidays = ArrayField(models.DateField(), default=list, blank=True)
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "partner terms"
        constraints = [
            models.CheckConstraint(condition=Q(opens_at__lt=F("closes_at")), name="terms_open_before_close"),
            models.CheckConstraint(condition=Q(working_days__regex="^[1-7]+$"), name="terms_some_working_day"),
            models.CheckConstraint(
                condition=Q(answer_within__gte=1, answer_within__lte=LONGEST_ANSWER), name="terms_answer_within"
            ),
        ]

    def __str__(self) -> str:
        return f"terms of {self.system}"


class Ask(models.Model):
    """Something a partner was told and has to answer: a request, or a change of one. Written when it was told, with when its answer is due
    by the terms of that moment: other terms move nothing that was asked before."""

    system = models.ForeignKey("canonical.System", models.CASCADE, db_index=False)
    request = models.ForeignKey("canonical.FulfilmentRequest", models.CASCADE, related_name="asks", db_index=False)
    change = models.OneToOneField("canonical.RequestChange", models.CASCADE, null=True, help_text="None: the request.")
    asked_at = models.DateTimeField(help_text="When the partner took it.")
    due_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, help_text="When the first word that answers it reached us.")
    minutes = models.PositiveIntegerField(null=True, help_text="Working minutes until then.")
    late = models.PositiveIntegerField(null=True, help_text="Working minutes of these after it was due; 0 in time.")
    raised = models.BooleanField(default=False, db_default=False, help_text="Somebody was told that it is overdue.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["request"], condition=Q(change=None), name="ask_once_per_request"),
            models.CheckConstraint(
                condition=Q(answered_at=None, minutes=None, late=None)
                | Q(answered_at__isnull=False, minutes__isnull=False, late__isnull=False)
                & (Q(answered_at__lte=F("due_at"), late=0) | Q(answered_at__gt=F("due_at"), late__gt=0)),
                name="ask_answered_with_its_minutes",
            ),
        ]
        indexes = [
            models.Index(
                fields=["system", "asked_at"], include=["due_at", "answered_at", "minutes", "late"], name="ask_of_time"
            ),
            models.Index(
                fields=["system", "id"], condition=Q(answered_at=None) | Q(late__gt=0), name="ask_not_in_time"
            ),
            models.Index(fields=["due_at"], condition=Q(answered_at=None, raised=False), name="ask_becoming_overdue"),
            models.Index(fields=["request"], condition=Q(answered_at=None), name="ask_open"),
        ]

    def __str__(self) -> str:
        return f"{self.request}: {self.asked_for}"

    @property
    def asked_for(self) -> str:
        """In words."""
        return ASKED_FOR[self.change.kind if self.change else "request"]


class Answered(models.Model):
    """What a POST with an idempotency key was answered, kept in the transaction that did what it asked for. Only what was done is kept:
    a refusal did nothing, and may be answered otherwise the next time."""

    system = models.ForeignKey("canonical.System", models.CASCADE)
    key = models.CharField(max_length=255)
    digest = models.BinaryField(help_text="SHA-256 of address and body.")
    status = models.PositiveSmallIntegerField(validators=[MinValueValidator(200), MaxValueValidator(299)])
    body = models.TextField(help_text="JSON, to the letter.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["system", "key"], name="answered_once_per_key")]
        indexes = [models.Index(fields=["created_at"], name="answered_age")]

    def __str__(self) -> str:
        return self.key


class Event(models.Model):
    """One change of something a partner may see, written by the transaction that changed it.

    `position` counts a partner's events 1, 2, 3 …; it is given afterwards, to what is committed, in one hand at a time (`feed.number`): so
    a reader who has seen position n will never find a smaller one later. Events of one subject keep their order.
    """

    system = models.ForeignKey("canonical.System", models.CASCADE, db_index=False)
    position = models.BigIntegerField(null=True)
    type = models.CharField(max_length=60)
    subject = models.CharField(max_length=200, help_text="What it is about, by the reference a partner knows.")
    data = models.JSONField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["system", "position"], name="event_once_per_position")]
        indexes = [
            models.Index(fields=["system", "id"], condition=Q(position=None), name="event_unnumbered"),
            models.Index(fields=["system", "subject", "position"], name="event_of_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"
