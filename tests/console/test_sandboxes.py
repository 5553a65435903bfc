"""What partners play: their certifications can be looked at, and no number of real work counts any of it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from canonical.models import System
from canonical.types import Units
from retailsync.console import connected, late
from retailsync.console.numbers import listed
from retailsync.console.pulses import last_hour
from retailsync.partners import certifying, sandbox
from retailsync.partners.models import PartnerKey
from retailsync.partners.sandbox_models import Certification
from retailsync.sync import clock, inbox
from retailsync.sync.models import Message
from tests.console.scene import Scene, morning


@pytest.fixture
def scene(db: None) -> Scene:
    return morning()


@pytest.fixture
def boss(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client


def stages(client: Client) -> list[tuple[int, str]]:
    page = client.get(reverse("admin:index"))
    return [(row["count"], row["url"]) for row in page.context["stages"]]


def test_a_certification_is_read_clause_by_clause(scene: Scene, boss: Client) -> None:
    run = certifying.start(sandbox.ensure(scene.warehouse).twin.pk)
    assert run
    certifying.finish(Certification.objects.get())
    listed_ = boss.get(reverse("admin:partners_certification_changelist")).content.decode()
    assert "failed" in listed_ and "0/28" in listed_ and scene.warehouse.name in listed_
    page = boss.get(reverse("admin:partners_certification_change", args=[run.pk])).content.decode()
    for words in (
        "ONCE-1",
        "Nothing leaves beyond what is asked for.",
        "Not seen before the run was finished",
        run.contract,
    ):
        assert words in page


def test_a_sandbox_key_is_issued_beside_the_live_ones(scene: Scene, boss: Client) -> None:
    url = reverse("admin:canonical_system_issue_key", args=[scene.warehouse.pk])
    answer = boss.post(url, {"name": "testers", "sandbox": "on", "scopes": ["sandbox:write"]})
    assert answer.context["text"].startswith("rsk_sandbox_")
    twin = System.objects.get(sandbox_of=scene.warehouse, connector="partner")
    assert PartnerKey.objects.get().system == twin
    for system, offered in ((scene.warehouse, True), (twin, False)):
        page = boss.get(reverse("admin:canonical_system_partner", args=[system.pk])).content.decode()
        assert "rsk_sandbox_" in page and ("For its sandbox" in page) == offered


def test_nobody_adds_a_sandbox_by_hand(boss: Client) -> None:
    assert "Sandbox of a warehouse partner" not in boss.get(reverse("admin:canonical_system_add")).content.decode()


def test_what_is_played_is_not_counted_among_todays_orders(scene: Scene, boss: Client) -> None:
    before = stages(boss)
    own = sandbox.ensure(scene.warehouse)
    order = sandbox.place(own.twin.pk, [Units(sku="SBX-APPLE", units=1)])
    inbox.drain(own.shop.pk)
    assert [count for count, _ in stages(boss)] == [count for count, _ in before]
    for count, url in stages(boss):
        assert boss.get(url).context["cl"].result_count == count
    assert order.reference in boss.get(listed("canonical_order", played="yes")).content.decode()


def test_what_is_played_is_never_late_and_no_system_of_ours(scene: Scene) -> None:
    own = sandbox.ensure(scene.warehouse)
    sandbox.place(own.twin.pk, [Units(sku="SBX-APPLE", units=1)])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sync_message SET received_at = now() - interval '1 day' WHERE system_id = %s", [own.shop.pk]
        )
    played = set(Message.objects.filter(system=own.shop).values_list("pk", flat=True))
    assert played and not played & {
        row.id for row in late.rows(clock.now() + timedelta(hours=1)) if row.what == "message"
    }
    window, hours = last_hour(clock.now())
    names = {row["name"] for row in connected.connected(window, hours, [])}
    assert scene.warehouse.name in names and not names & {own.twin.name, own.shop.name}
