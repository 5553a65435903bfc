"""The naive design: one task per webhook, a serializer, ORM upserts, `requests.post` per push. `python -m benchmarks.naive ERP WMS`.

It does: claim one message, parse and validate it with DRF serializers, `update_or_create` order and lines in one transaction, post
the order to the ERP and the warehouse and save what each answered, mark the message done.
It does not: retry, lease, order, record why, keep exchanges, ask customers or SKUs to be known, hold anything back. Its task is called
inline: a broker would cost it another millisecond per order, so this is in its favour.
"""

import json
import sys
from typing import Any

import django
import requests

from benchmarks import turns


def main(erp: str, wms: str) -> None:
    """Work on one message per turn."""
    django.setup()
    from django.db import transaction
    from rest_framework import serializers

    from benchmarks.tables import Line, Message, Order, claim

    class AddressSerializer(serializers.Serializer):  # type: ignore[type-arg]
        first_name = serializers.CharField(allow_blank=True)
        last_name = serializers.CharField(allow_blank=True)
        company = serializers.CharField(allow_blank=True, required=False)
        address_1 = serializers.CharField(allow_blank=True)
        address_2 = serializers.CharField(allow_blank=True, required=False)
        city = serializers.CharField(allow_blank=True)
        state = serializers.CharField(allow_blank=True, required=False)
        postcode = serializers.CharField(allow_blank=True)
        country = serializers.CharField(max_length=2)
        email = serializers.EmailField(allow_blank=True, required=False)
        phone = serializers.CharField(allow_blank=True, required=False)

    class TaxSerializer(serializers.Serializer):  # type: ignore[type-arg]
        id = serializers.IntegerField()
        total = serializers.CharField(allow_blank=True)

    class LineSerializer(serializers.Serializer):  # type: ignore[type-arg]
        id = serializers.IntegerField()
        sku = serializers.CharField(max_length=100)
        name = serializers.CharField(max_length=300)
        quantity = serializers.IntegerField(min_value=0)
        subtotal = serializers.DecimalField(max_digits=20, decimal_places=6)
        total = serializers.DecimalField(max_digits=20, decimal_places=6)
        taxes = TaxSerializer(many=True)

    class OrderSerializer(serializers.Serializer):  # type: ignore[type-arg]
        id = serializers.IntegerField()
        number = serializers.CharField(max_length=50)
        status = serializers.CharField(max_length=30)
        currency = serializers.CharField(max_length=3)
        date_created_gmt = serializers.DateTimeField()
        total = serializers.DecimalField(max_digits=20, decimal_places=6)
        total_tax = serializers.DecimalField(max_digits=20, decimal_places=6)
        customer_id = serializers.IntegerField()
        billing = AddressSerializer()
        shipping = AddressSerializer()
        line_items = LineSerializer(many=True)

    def push(url: str, order: Order, lines: list[dict[str, Any]], what: str) -> str:
        content = {
            "reference": order.number, "total": str(order.total), "billing": order.billing, "shipping": order.shipping,
            "lines": [{"sku": x["sku"], "units": x["quantity"], "total": str(x["total"])} for x in lines],
        }  # fmt: skip
        answer = requests.post(url, json=content, headers={"Idempotency-Key": f"{what}:{order.pk}"}, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def process(message: int) -> None:
        row = Message.objects.get(pk=message)
        serializer = OrderSerializer(data=json.loads(bytes(row.body)))
        serializer.is_valid(raise_exception=True)
        said = serializer.validated_data
        with transaction.atomic():
            order, _ = Order.objects.update_or_create(
                external_id=str(said["id"]),
                defaults={
                    "number": said["number"], "status": said["status"], "currency": said["currency"],
                    "placed_at": said["date_created_gmt"], "total": said["total"], "total_tax": said["total_tax"],
                    "email": said["billing"].get("email", ""), "billing": said["billing"], "shipping": said["shipping"],
                },
            )  # fmt: skip
            for line in said["line_items"]:
                Line.objects.update_or_create(
                    order=order,
                    external_id=str(line["id"]),
                    defaults={key: line[key] for key in ("sku", "name", "quantity", "subtotal", "total", "taxes")},
                )
        order.erp_id = push(erp, order, said["line_items"], "order")
        order.save(update_fields=["erp_id"])
        order.wms_id = push(wms, order, said["line_items"], "shipment")
        order.save(update_fields=["wms_id"])
        row.state, row.done_at = "done", Now()
        row.save(update_fields=["state", "done_at"])

    from django.db.models.functions import Now

    def turn() -> int:
        claimed = claim(1)
        for message, _ in claimed:
            process(message)
        return len(claimed)

    turn()
    turns.serve(turn)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
