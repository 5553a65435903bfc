"""The tables both comparison designs write: a message, an order, its lines. Needs Django; the product does not know them."""

from django.db import connection, models
from django.db.models.functions import Now

from canonical import sql

MONEY = {"max_digits": 20, "decimal_places": 6}


class Message(models.Model):
    """One webhook to be worked on."""

    body = models.BinaryField()
    state = models.CharField(max_length=10, default="received")
    received_at = models.DateTimeField(db_default=Now())
    done_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "benchmarks"
        db_table = "bench_message"
        indexes = [models.Index(fields=["id"], condition=models.Q(state="received"), name="bench_message_to_claim")]


class Order(models.Model):
    """One order with its buyer in it."""

    external_id = models.CharField(max_length=50, unique=True)
    number = models.CharField(max_length=50)
    status = models.CharField(max_length=30)
    currency = models.CharField(max_length=3)
    placed_at = models.DateTimeField()
    total = models.DecimalField(**MONEY)
    total_tax = models.DecimalField(**MONEY)
    email = models.CharField(max_length=320, blank=True)
    billing = models.JSONField()
    shipping = models.JSONField()
    erp_id = models.CharField(max_length=50, blank=True, default="", db_default="")
    wms_id = models.CharField(max_length=50, blank=True, default="", db_default="")

    class Meta:
        app_label = "benchmarks"
        db_table = "bench_order"


class Line(models.Model):
    """One line."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    external_id = models.CharField(max_length=50)
    sku = models.CharField(max_length=100)
    name = models.CharField(max_length=300)
    quantity = models.IntegerField()
    subtotal = models.DecimalField(**MONEY)
    total = models.DecimalField(**MONEY)
    taxes = models.JSONField()

    class Meta:
        app_label = "benchmarks"
        db_table = "bench_line"
        constraints = [models.UniqueConstraint(fields=["order", "external_id"], name="bench_line_once")]


def create() -> None:
    """Make the tables."""
    with connection.schema_editor() as editor:
        for model in (Message, Order, Line):
            editor.create_model(model)


def claim(limit: int) -> list[tuple[int, bytes]]:
    """Take the oldest messages: (id, body)."""
    rows = sql.fetch(
        "UPDATE bench_message m SET state = 'working' FROM (SELECT id FROM bench_message WHERE state = 'received'"
        " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED) o WHERE m.id = o.id RETURNING m.id, m.body",
        (limit,),
    )
    return [(id, bytes(body)) for id, body in rows]
