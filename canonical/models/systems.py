"""Who we speak with: systems, their sealed secrets, the locations they run, and the links between their ids and ours."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords


class System(models.Model):
    """One shop, ERP or warehouse partner. `settings` is decoded strictly by its connector."""

    class Mode(models.TextChoices):
        LIVE = "live", "live"
        PAUSED = "paused", "paused"

    slug = models.SlugField(unique=True, help_text="Short name used in addresses and logs; never changes.")
    name = models.CharField(max_length=100)
    connector = models.CharField(max_length=30)
    roles = ArrayField(models.CharField(max_length=10), default=list)
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.LIVE)
    settings = models.JSONField(default=dict, blank=True)
    prefix = models.CharField(
        max_length=10,
        blank=True,
        help_text="Put before this shop's order numbers to make them unique everywhere, e.g. WEB-.",
    )
    erp = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="channels",
        help_text="The ERP that books this shop's orders.",
    )
    rate_limit = models.FloatField(
        null=True, blank=True, help_text="Commands per second we may send; empty means no limit."
    )
    limits = models.JSONField(
        default=dict,
        blank=True,
        db_default={},
        help_text="What this system cannot take, e.g. longest reference or name; checked before anything is sent to it.",
    )
    timezone = models.CharField(max_length=40, default="UTC")
    sandbox_of = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="sandboxes", editable=False,
        help_text="The partner this one is played for: nothing of it is real.",
    )  # fmt: skip
    created_at = models.DateTimeField(db_default=Now())
    history = HistoricalRecords()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name


class Secret(models.Model):
    """One sealed secret of a system. Several of one name may be active while rotating. The ground floor never opens it."""

    system = models.ForeignKey(System, models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=40)
    sealed = models.TextField(help_text="Key id and ciphertext; opened by the top floor.")
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["system", "name", "-id"]

    def __str__(self) -> str:
        return f"{self.name} of {self.system}"


class Location(models.Model):
    """Where goods lie. `executor` is the system asked to ship from here."""

    class Kind(models.TextChoices):
        WAREHOUSE = "warehouse", "warehouse"
        STORE = "store", "store"
        THIRD_PARTY = "3pl", "third-party warehouse"
        VIRTUAL = "virtual", "virtual"

    code = models.CharField(max_length=30, unique=True)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.THIRD_PARTY)
    executor = models.ForeignKey(System, models.PROTECT, related_name="locations")
    told = models.ForeignKey(
        System,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="told_locations",
        help_text="The ERP that is told of receipts and corrections the warehouse reports. A stock source of the ERP says what it calls"
        " this location.",
    )
    timezone = models.CharField(max_length=40, default="UTC", db_default="UTC")
    working_days = models.CharField(
        max_length=7, default="12345", db_default="12345", help_text="Days goods leave: 1 is Monday, 7 is Sunday."
    )
    cut_off = models.TimeField(
        null=True, blank=True, help_text="Orders routed before this leave the same day. Empty: always."
    )
    active = models.BooleanField(default=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


class Link(models.Model):
    """One external id of one system ↔ one id of ours. Unique both ways, so that neither side can be told twice apart.

    `version`, `read_at` and `digest` describe the last snapshot of the subject that was applied from this system.
    """

    system = models.ForeignKey(System, models.CASCADE)
    entity = models.CharField(max_length=20)
    external_id = models.CharField(max_length=200)
    our_id = models.BigIntegerField()
    version = models.BigIntegerField(default=0, db_default=0)
    read_at = models.DateTimeField(null=True, blank=True)
    digest = models.BinaryField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["system", "entity", "external_id"], name="link_one_ours_per_external"),
            models.UniqueConstraint(fields=["system", "entity", "our_id"], name="link_one_external_per_ours"),
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.our_id} = {self.external_id}"
