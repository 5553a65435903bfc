"""One box finds what people are asked about: by anybody's number, and only what the person may see."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from canonical.models import Booking, FulfilmentRequest, Link, Order, Posting, Shipment, Sku, System
from retailsync.sync import clock
from retailsync.sync.models import Command, Message
from tests.console.conftest import person
from tests.console.scene import HOSTILE, Scene


@pytest.fixture
def sold(scene: Scene) -> Scene:
    """Two orders; the first is shipped and known to the ERP."""
    scene.order(1042), scene.order(1043, name="Ada")
    scene.shipped(scene.orders[0])
    booking = Booking.objects.get(order=scene.orders[0])
    Link.objects.create(system=scene.erp, entity="booking", external_id="S00042", our_id=booking.pk)
    Sku.objects.filter(code="POSTER").update(gtin="4006381333931")
    return scene


def ask(client: Client, term: str) -> Any:
    return client.get(reverse("search"), {"q": term})


@pytest.mark.parametrize(
    "term", ["WEB-1042", "web-1042", " 1042 ", "TESTA@example.com", "3SABCD1234567", "3sabcd1234567", "S00042"]
)
def test_one_order_is_shown_at_once(term: str, sold: Scene, viewer: Client) -> None:
    assert ask(viewer, term).url == reverse("admin:canonical_order_change", args=[sold.orders[0].pk])


def test_by_the_request_a_warehouse_was_sent(sold: Scene, viewer: Client) -> None:
    order = sold.orders[1]
    assert ask(viewer, order.requests.get().reference).url == reverse("admin:canonical_order_change", args=[order.pk])


def posted(scene: Scene, order: Order, kind: str, external_id: str, system: System | None = None) -> None:
    """A system confirmed that it holds something of an order."""
    Posting.objects.create(
        system=system or scene.erp, kind=kind, subject_kind="order", subject_id=order.pk, order=order, state="done",
        external_id=external_id, occurred_at=clock.now(),
    )  # fmt: skip


@pytest.mark.parametrize("term", ["8811", "WH/OUT/00017", "wh/out/00017", "NP-7781"])
def test_by_the_numbers_documents_have_elsewhere(term: str, sold: Scene, viewer: Client) -> None:
    order = sold.orders[0]
    posted(sold, order, "sales_order", "8811"), posted(sold, order, "goods_issue", "WH/OUT/00017")
    posted(sold, sold.orders[1], "customer", "8811"), posted(sold, sold.orders[1], "completion", "8811", sold.shop)
    assert ask(viewer, term).url == reverse("admin:canonical_order_change", args=[order.pk])
    assert ask(person("narrow", "view_sku"), term).context["found"] == {}


def test_an_order_comes_before_a_document_of_its_number(sold: Scene, viewer: Client) -> None:
    posted(sold, sold.orders[1], "goods_issue", "1042")
    assert ask(viewer, "1042").url == reverse("admin:canonical_order_change", args=[sold.orders[0].pk])


def test_documents_say_what_they_are(sold: Scene, viewer: Client) -> None:
    for order in sold.orders:
        posted(sold, order, "goods_issue", "8811")
    FulfilmentRequest.objects.filter(order=sold.orders[1]).update(partner_ref="8811")
    (hits,) = ask(viewer, "8811").context["found"].values()
    request = sold.orders[1].requests.get()
    assert [(hit.name, hit.line) for hit in hits] == [
        ("WEB-1043", f"goods issue in Odoo, request {request.reference} at Northpick"), ("WEB-1042", "goods issue in Odoo"),
    ]  # fmt: skip


def test_documents_are_found_by_index(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    for rows, index in (
        (Posting.objects.filter(external_id__in=["8811"]), "posting_by_external_id"),
        (FulfilmentRequest.objects.filter(partner_ref__in=["8811", "8812"]), "request_by_partner_ref"),
    ):
        assert index in rows.explain(), index


@pytest.mark.parametrize(("term", "code"), [("poster", "POSTER"), ("4006381333931", "POSTER"), ("TEE-L", "TEE-L")])
def test_a_sku(term: str, code: str, sold: Scene, viewer: Client) -> None:
    assert ask(viewer, term).url == reverse("admin:canonical_sku_change", args=[Sku.objects.get(code=code).pk])


def test_several_are_listed_with_a_line_that_helps(sold: Scene, viewer: Client) -> None:
    sold.order(1050)
    answer = ask(viewer, "testa@example.com")
    found = {title: [hit.name for hit in hits] for title, hits in answer.context["found"].items()}
    assert found == {"Orders": ["WEB-1050", "WEB-1042"], "Customers": ["testa@example.com"]}
    assert "Web shop, 28.50 EUR, released" in answer.content.decode()


def test_our_own_numbers(sold: Scene, viewer: Client) -> None:
    command = Command.objects.latest("pk")
    Message.objects.all().delete()
    assert ask(viewer, f"#{command.pk}").url == reverse("admin:sync_command_change", args=[command.pk])


def test_nothing_says_what_may_be_asked(sold: Scene, viewer: Client) -> None:
    for term in ("nothing-like-this", "", HOSTILE, "%", "9" * 40):
        page = ask(viewer, term).content.decode()
        assert "an e-mail address, a tracking number" in page, term
        assert "<script>alert" not in page, term


def test_only_what_one_may_see_is_found(sold: Scene, client: Client, stranger: Client) -> None:
    assert client.get(reverse("search")).url.startswith("/admin/login/")
    assert ask(stranger, "1042").status_code == 403
    narrow = person("narrow", "view_sku")
    assert "Nothing is known by" in ask(narrow, "WEB-1042").content.decode()
    assert ask(narrow, "testa@example.com").context["found"] == {}


def test_lists_find_the_same(sold: Scene, viewer: Client) -> None:
    order, shipment = sold.orders[0], Shipment.objects.get()
    for term in ("WEB-1042", "web-1042", "1042", "testa@example.com"):
        assert [o.pk for o in viewer.get("/admin/canonical/order/", {"q": term}).context["cl"].result_list] == [
            order.pk
        ], term
    for term in ("3SABCD1234567", shipment.external_id, "WEB-1042"):
        assert [s.pk for s in viewer.get("/admin/canonical/shipment/", {"q": term}).context["cl"].result_list] == [
            shipment.pk
        ], term
    message = Message.objects.latest("pk")
    for term, found in ((f"#{message.pk}", [message.pk]), ("x", []), ("9" * 40, [])):
        assert [m.pk for m in viewer.get("/admin/sync/message/", {"q": term}).context["cl"].result_list] == found, term


def test_the_price_does_not_grow(scene: Scene, viewer: Client, queries: Callable[[Client, str], int]) -> None:
    scene.order(1), scene.order(2)
    url = reverse("search") + "?q=testa@example.com"
    few = queries(viewer, url)
    for number in range(3, 9):
        scene.order(number)
    assert queries(viewer, url) == few <= 22 and Order.objects.count() == 8


def test_the_box_is_on_every_page(sold: Scene, viewer: Client) -> None:
    for url in ("/admin/", "/admin/sync/group/", reverse("admin:canonical_order_change", args=[sold.orders[0].pk])):
        assert viewer.get(url).content.decode().count("data-rs-search") == 1, url
