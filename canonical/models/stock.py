"""Stock: where figures come from, counts and movements, the level they add up to, rules, and what a shop may sell of it."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

BACKORDERS = [("no", "no"), ("notify", "yes, and the customer is told"), ("yes", "yes")]


class StockSource(models.Model):
    """What one system's figures about one location are worth. At most one source per location sets levels, and at most one moves them;
    what others say is kept as information and compared."""

    class Authority(models.TextChoices):
        LEVELS = "levels", "its counts are the level"
        MOVEMENTS = "movements", "its movements change the level"
        INFORMATION = "information", "information only"

    class Figure(models.TextChoices):
        GROSS = "gross", "everything that lies there"
        NET_ALLOCATED = "net_allocated", "less what the source has allocated"
        NET_ORDERS = "net_orders", "less the orders the source was sent"

    system = models.ForeignKey("canonical.System", models.CASCADE, related_name="stock_sources")
    location = models.ForeignKey("canonical.Location", models.CASCADE, related_name="stock_sources")
    external_id = models.CharField(
        max_length=100, help_text="The location as this system names it: a warehouse's code, a location of a file."
    )
    authority = models.CharField(max_length=12, choices=Authority, default=Authority.LEVELS)
    figure = models.CharField(max_length=14, choices=Figure, default=Figure.GROSS)
    stale_minutes = models.PositiveIntegerField(
        null=True, blank=True, help_text="Older figures are not believed any more. Empty: believed for ever."
    )
    floor_percent = models.PositiveSmallIntegerField(
        default=0, help_text="What is believed of a figure that is too old, in percent."
    )
    jump_percent = models.PositiveIntegerField(
        default=80,
        help_text="A count that differs by more than this, and by more units than below, waits for a person.",
    )
    jump_units = models.PositiveIntegerField(default=100)
    shrink_percent = models.PositiveSmallIntegerField(
        default=50, help_text="A snapshot that lists this much less than the one before waits for a person."
    )
    heard_at = models.DateTimeField(null=True, blank=True, help_text="The newest instant it told us about.")
    stale_since = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords(excluded_fields=["heard_at", "stale_since"])

    class Meta:
        ordering = ["location", "system"]
        constraints = [
            models.UniqueConstraint(fields=["system", "location"], name="source_once_per_location"),
            models.UniqueConstraint(fields=["system", "external_id"], name="source_once_per_reference"),
            models.UniqueConstraint(
                fields=["location"], condition=Q(authority="levels"), name="source_one_sets_levels"
            ),
            models.UniqueConstraint(
                fields=["location"], condition=Q(authority="movements"), name="source_one_moves_levels"
            ),
            models.CheckConstraint(condition=Q(floor_percent__lte=100), name="source_floor_is_a_share"),
            models.CheckConstraint(condition=Q(shrink_percent__lte=100), name="source_shrink_is_a_share"),
        ]

    def __str__(self) -> str:
        return f"{self.system} about {self.location}"


class StockCount(models.Model):
    """The latest count of one SKU by one source: `accepted` where it sets the level (by the source's authority, or a person's word). One
    that is not is information, or it has a `doubt` and waits for a person beside the one before."""

    source = models.ForeignKey(StockSource, models.CASCADE, related_name="counts")
    sku = models.ForeignKey("canonical.Sku", models.CASCADE, related_name="+")
    accepted = models.BooleanField(default=True)
    on_hand = models.IntegerField()
    allocated = models.IntegerField(default=0, db_default=0)
    damaged = models.IntegerField(default=0, db_default=0)
    quality_hold = models.IntegerField(default=0, db_default=0)
    incoming = models.IntegerField(default=0, db_default=0)
    in_transit = models.IntegerField(default=0, db_default=0)
    observed_at = models.DateTimeField()
    cause_kind = models.CharField(max_length=12)
    cause_id = models.BigIntegerField()
    doubt = models.CharField(
        max_length=200, blank=True, db_default="", help_text="Why it is not believed without a person; empty: it is."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "sku", "accepted"], name="count_latest_per_source_and_sku")
        ]
        indexes = [models.Index(fields=["sku"], name="count_of_sku")]


class StockSnapshot(models.Model):
    """One whole counting of a location by a source, gathered from its parts and applied together, or parked."""

    class State(models.TextChoices):
        OPEN = "open", "parts are missing"
        APPLIED = "applied", "applied"
        PARKED = "parked", "parked"
        DISCARDED = "discarded", "discarded"

    source = models.ForeignKey(StockSource, models.CASCADE, related_name="snapshots")
    run = models.CharField(max_length=140)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN, db_default="open")
    observed_at = models.DateTimeField()
    lists_all = models.BooleanField(default=True, db_default=True)
    parts = models.IntegerField(null=True, help_text="How many it has, once it is said to be whole.")
    rows = models.IntegerField(null=True)
    parts_got = models.IntegerField(default=0, db_default=0)
    rows_got = models.IntegerField(default=0, db_default=0)
    unknown = models.IntegerField(default=0, db_default=0, help_text="Rows about things we do not know.")
    words = models.TextField(blank=True, db_default="")
    cause_kind = models.CharField(max_length=12)
    cause_id = models.BigIntegerField()
    began_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["source", "run"], name="snapshot_once_per_run")]
        indexes = [models.Index(fields=["began_at"], condition=Q(state="open"), name="snapshot_open")]

    def __str__(self) -> str:
        return f"{self.source}: {self.run}"


class SnapshotPart(models.Model):
    """One part of a snapshot that is not whole yet; gone once it was applied."""

    snapshot = models.ForeignKey(StockSnapshot, models.CASCADE, related_name="gathered")
    part = models.IntegerField()
    observed_at = models.DateTimeField()
    rows = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["snapshot", "part"], name="part_once_per_snapshot")]


class StockMovement(models.Model):
    """Units that came to or left a location. Append-only. `source` is empty for what our own orders shipped.

    `counted_since`: from when on a count of the location's authority contains it; empty: none does yet. `held_since`: from when on that
    source had the units allocated or promised (shipments only).
    """

    source = models.ForeignKey(StockSource, models.CASCADE, null=True, blank=True, related_name="movements")
    external_id = models.CharField(max_length=200)
    sku = models.ForeignKey("canonical.Sku", models.PROTECT, related_name="movements", db_constraint=False)
    location = models.ForeignKey("canonical.Location", models.PROTECT, related_name="movements")
    bucket = models.CharField(max_length=12, default="on_hand", db_default="on_hand")
    units = models.IntegerField()
    kind = models.CharField(max_length=12)
    reason = models.CharField(max_length=300, blank=True, db_default="")
    document = models.CharField(max_length=200, blank=True, db_default="")
    occurred_at = models.DateTimeField()
    counted_since = models.DateTimeField(null=True, blank=True)
    held_since = models.DateTimeField(null=True, blank=True)
    applies = models.BooleanField(default=True, help_text="Whether its source may move the level.")
    shipment_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    line_id = models.BigIntegerField(null=True, blank=True)
    ledger_version = models.IntegerField(default=0, db_default=0)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id"], nulls_distinct=False, name="movement_once_per_source_id"
            ),
            models.CheckConstraint(
                condition=Q(bucket__in=("on_hand", "damaged", "quality_hold")), name="movement_bucket_known"
            ),
        ]
        indexes = [models.Index(fields=["sku", "location", "counted_since"], name="movement_of_level")]

    def __str__(self) -> str:
        return f"{self.units:+d} {self.sku} at {self.location}"


class StockLevel(models.Model):
    """What lies at a location of one SKU, as far as we know: the latest accepted count, and what moved later. Rebuilt from both."""

    sku = models.ForeignKey("canonical.Sku", models.CASCADE, related_name="levels")
    location = models.ForeignKey("canonical.Location", models.CASCADE, related_name="levels")
    on_hand = models.IntegerField(default=0)
    allocated = models.IntegerField(default=0, db_default=0)
    damaged = models.IntegerField(default=0, db_default=0)
    quality_hold = models.IntegerField(default=0, db_default=0)
    incoming = models.IntegerField(default=0, db_default=0)
    in_transit = models.IntegerField(default=0, db_default=0)
    counted = models.IntegerField(null=True, help_text="What the count it rests on said; empty: nobody ever counted.")
    counted_at = models.DateTimeField(null=True)
    counted_by = models.ForeignKey(StockSource, models.SET_NULL, null=True, related_name="+", db_constraint=False)
    doubted = models.IntegerField(
        null=True, help_text="A newer count that waits for a person; until then the lower figure is published."
    )
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sku", "location"], name="level_once_per_place")]
        indexes = [models.Index(fields=["location", "sku"], name="level_at_location")]

    def __str__(self) -> str:
        return f"{self.on_hand} × {self.sku} at {self.location}"


class KitComponent(models.Model):
    """What a kit is made of; also a case of twelve (one component, twelve units) or a variation sold from its parent's stock. A component
    is no kit itself: the database refuses that (migration 0006)."""

    kit = models.ForeignKey("canonical.Sku", models.CASCADE, related_name="components")
    component = models.ForeignKey("canonical.Sku", models.PROTECT, related_name="kits")
    units = models.PositiveIntegerField(default=1)
    history = HistoricalRecords()

    class Meta:
        ordering = ["kit", "component"]
        constraints = [
            models.UniqueConstraint(fields=["kit", "component"], name="component_once_per_kit"),
            models.CheckConstraint(condition=Q(units__gte=1), name="component_units"),
            models.CheckConstraint(condition=~Q(kit=F("component")), name="component_is_another"),
        ]

    def __str__(self) -> str:
        return f"{self.units} × {self.component} in {self.kit}"


class LineComponent(models.Model):
    """What one unit of an order line takes from stock, where the line is a kit; as it was when the order was recorded."""

    line = models.ForeignKey("canonical.OrderLine", models.CASCADE, related_name="components")
    sku = models.ForeignKey("canonical.Sku", models.PROTECT, related_name="+", db_constraint=False)
    units = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["line", "sku"], name="line_component_once")]
        indexes = [models.Index(fields=["sku"], name="line_component_of_sku")]


class AvailabilityRule(models.Model):
    """How much of the stock may be sold. Every field stands for itself: an empty one is not stated here, and the next rule decides.

    A rule about a SKU comes before one about a category, before one about everything; then one about a location before one about all;
    then one about a shop before one about all; then the higher priority, then the older rule.
    """

    sku = models.ForeignKey("canonical.Sku", models.CASCADE, null=True, blank=True, related_name="rules")
    category = models.CharField(max_length=100, blank=True, db_default="")
    location = models.ForeignKey("canonical.Location", models.CASCADE, null=True, blank=True, related_name="rules")
    channel = models.ForeignKey("canonical.System", models.CASCADE, null=True, blank=True, related_name="rules")
    safety_units = models.PositiveIntegerField(null=True, blank=True, help_text="Kept back at each location.")
    safety_percent = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Kept back at each location, in percent of what is free there (rounded up)."
    )
    threshold = models.PositiveIntegerField(null=True, blank=True, help_text="Kept back from the whole network.")
    cap = models.PositiveIntegerField(null=True, blank=True, help_text="The shop shows at most so many.")
    pool = models.PositiveIntegerField(
        null=True, blank=True, help_text="So many units are this shop's alone, and it may sell no more than these."
    )
    backorders = models.CharField(max_length=10, blank=True, db_default="", choices=BACKORDERS)
    backorder_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="At most so many units on backorder."
    )
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    priority = models.SmallIntegerField(default=0, help_text="The higher one decides between equals.")
    note = models.CharField(max_length=200, blank=True, db_default="", help_text="Why, for whoever reads it next year.")
    in_force = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="Whether the effective terms follow it just now."
    )
    created_at = models.DateTimeField(db_default=Now())
    history = HistoricalRecords(excluded_fields=["in_force"])

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(sku=None) | Q(category=""), name="rule_sku_or_category"),
            models.CheckConstraint(
                condition=Q(safety_percent=None) | Q(safety_percent__lte=100), name="rule_percent_is_a_share"
            ),
            models.CheckConstraint(
                condition=Q(pool=None) | Q(channel__isnull=False), name="rule_pool_belongs_to_a_shop"
            ),
            models.CheckConstraint(
                condition=Q(valid_from=None) | Q(valid_until=None) | Q(valid_from__lt=F("valid_until")),
                name="rule_ends_after_it_begins",
            ),
        ]

    def __str__(self) -> str:
        about = self.sku or self.category or "everything"
        return f"rule {self.pk} about {about}"


class Offer(models.Model):
    """What one shop may sell of one SKU, and the terms it follows from; `threshold` to `rules` are the rules' effective terms."""

    channel = models.ForeignKey("canonical.System", models.CASCADE, related_name="offers")
    sku = models.ForeignKey("canonical.Sku", models.CASCADE, related_name="offers")
    listing = models.ForeignKey("canonical.Listing", models.SET_NULL, null=True, related_name="offers")
    sellable = models.IntegerField(null=True, help_text="Empty: not reckoned yet.")
    backorders = models.CharField(max_length=10, default="no", db_default="no")
    terms = models.JSONField(default=dict, db_default={})
    threshold = models.IntegerField(default=0, db_default=0)
    cap = models.IntegerField(null=True)
    pool = models.IntegerField(null=True)
    pool_since = models.DateTimeField(null=True)
    backorder_limit = models.IntegerField(null=True)
    rules = models.JSONField(default=dict, db_default={}, help_text="Field → the rule that decides it.")
    mark = models.BigIntegerField(null=True, help_text="Of the figure and its terms, to see whether they changed.")
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "sku"], name="offer_once_per_channel")]
        indexes = [
            models.Index(fields=["sku"], name="offer_of_sku"),
            models.Index(fields=["listing"], name="offer_on_listing"),
            models.Index(fields=["sku"], condition=Q(pool__isnull=False), name="offer_with_pool"),
        ]

    def __str__(self) -> str:
        return f"{self.sku} in {self.channel}"


class Eligibility(models.Model):
    """An effective term: this location may serve this SKU in this shop, in this order, and keeps so much back. Follows from sourcing and
    rules; made anew when either changes."""

    channel = models.ForeignKey("canonical.System", models.CASCADE, related_name="+")
    sku = models.ForeignKey("canonical.Sku", models.CASCADE, related_name="+")
    location = models.ForeignKey("canonical.Location", models.CASCADE, related_name="+")
    rank = models.PositiveSmallIntegerField()
    safety_units = models.IntegerField(default=0, db_default=0)
    safety_percent = models.SmallIntegerField(default=0, db_default=0)
    rules = models.JSONField(default=dict, db_default={})

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sku", "channel", "location"], name="eligible_once")]


class Listing(models.Model):
    """One figure a shop holds: of one thing it sells, or of several that share it. `expected` is what it should show by now: what we read
    or wrote last, less what it took off for its own sales since; empty: not known for sure."""

    channel = models.ForeignKey("canonical.System", models.CASCADE, related_name="listings")
    external_id = models.CharField(max_length=100)
    target = models.IntegerField(null=True)
    target_backorders = models.CharField(max_length=10, default="no", db_default="no")
    expected = models.IntegerField(null=True)
    backorders = models.CharField(max_length=10, default="no", db_default="no")
    managed = models.BooleanField(default=True)
    quantity = models.IntegerField(null=True, help_text="What the shop said last.")
    read_at = models.DateTimeField(null=True, help_text="When we asked for it, by our clock.")
    shop_since = models.DateTimeField(null=True, help_text="When it was asked, by the shop's clock.")
    shop_at = models.DateTimeField(null=True, help_text="When it answered, by the shop's clock.")
    hint = models.IntegerField(null=True, help_text="What a push said since, of unknown age.")
    hint_at = models.DateTimeField(null=True)
    sold_at = models.DateTimeField(null=True, help_text="The newest of its sales we know of, by the shop's clock.")
    told = models.IntegerField(null=True, help_text="What we wrote last.")
    told_at = models.DateTimeField(null=True)
    verify = models.BooleanField(default=False, db_default=False, help_text="Written, and to be read once more.")
    tries = models.SmallIntegerField(default=0, db_default=0, help_text="Readings in a row that told nothing for sure.")
    confirmed = models.IntegerField(null=True, help_text="What we wrote and the shop then showed.")
    confirmed_at = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True)
    ledger_version = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "external_id"], name="listing_once_per_shop")]

    def __str__(self) -> str:
        return f"{self.external_id} in {self.channel}"


class StockTouch(models.Model):
    """A SKU (empty: all) whose sellable figure has to be reckoned again; perhaps because a shop took `reduced` more units off its own
    stock, between `after` and `until` by its clock; perhaps because its `terms` changed, which the database notes by itself (migration
    0006). Append-only, and gone once reckoned: recording an order locks no SKU."""

    sku = models.ForeignKey(
        "canonical.Sku", models.CASCADE, null=True, related_name="+", db_index=False, db_constraint=False
    )
    terms = models.BooleanField(default=False, db_default=False)
    channel_id = models.BigIntegerField(null=True)
    reduced = models.IntegerField(default=0, db_default=0)
    after = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    cause_kind = models.CharField(max_length=12, db_default="")
    cause_id = models.BigIntegerField(db_default=0)
    at = models.DateTimeField(db_default=Now())


class Publication(models.Model):
    """One run that brings a shop's figures in line: what it had to do, and how far it is."""

    class Kind(models.TextChoices):
        FULL = "full", "read everything, write what differs"
        DELTA = "delta", "what changed"

    channel = models.ForeignKey("canonical.System", models.CASCADE, related_name="publications")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.FULL)
    by = models.CharField(max_length=150, blank=True, db_default="", help_text="A person's name, or empty.")
    total = models.IntegerField(default=0, db_default=0)
    read = models.IntegerField(default=0, db_default=0)
    after = models.BigIntegerField(default=0, db_default=0, help_text="Listings up to this one were read.")
    differing = models.IntegerField(
        default=0, db_default=0, help_text="How many showed another figure than they should."
    )
    words = models.TextField(blank=True, db_default="")
    began_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["channel"], condition=Q(ended_at=None), name="publication_one_at_a_time")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} in {self.channel}"


class Oversell(models.Model):
    """Units a shop sold that were not there, and why, as far as the ledger tells."""

    class Verdict(models.TextChoices):
        IN_FLIGHT = "in_flight", "in flight between poll and write"
        STALE = "stale", "a source told us too late"
        SHOP = "shop", "the shop sold below what it showed"
        LATER = "later", "the stock went away after the sale"
        RULES = "rules", "our own figure was too high"

    order = models.ForeignKey("canonical.Order", models.CASCADE, related_name="oversells")
    line = models.ForeignKey("canonical.OrderLine", models.CASCADE, related_name="+")
    sku = models.ForeignKey("canonical.Sku", models.CASCADE, related_name="oversells")
    channel = models.ForeignKey("canonical.System", models.CASCADE, related_name="+")
    units = models.IntegerField()
    verdict = models.CharField(max_length=10, choices=Verdict)
    words = models.TextField()
    facts = models.JSONField(default=dict)
    found_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["line", "sku"], name="oversell_once_per_line")]

    def __str__(self) -> str:
        return f"{self.units} × {self.sku} ({self.get_verdict_display()})"
