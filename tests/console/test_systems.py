"""Set-up: settings checked in words, secrets that never come out, keys shown once, history kept."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from canonical.ledger import history
from canonical.models import Secret, Sku, Sourcing, System
from retailsync.platform.secrets import unseal
from retailsync.sync import clock
from retailsync.sync.models import Action, Case, Cursor, Gate
from tests.console.conftest import person
from tests.console.scene import Scene

PLAIN = "ck_5f2secret"


def page(system: System) -> str:
    return reverse("admin:canonical_system_change", args=[system.pk])


def save(client: Client, system: System, **changes: Any) -> Any:
    form = {
        "name": system.name, "roles": system.roles, "mode": system.mode, "settings": '{"url": "https://shop.example.com"}',
        "prefix": system.prefix, "erp": system.erp_id or "", "rate_limit": "", "timezone": "UTC",
    }  # fmt: skip
    return client.post(page(system), {**form, **changes})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ('{"url": 7}', "Expected `str`"),
        ("{}", "missing required field `url`"),
        ('{"url": "https://a.example", "colour": "red"}', "unknown field `colour`"),
        ("{oops", "valid JSON"),
    ],
)
def test_wrong_settings_are_said_in_the_form(given: str, words: str, scene: Scene, boss: Client) -> None:
    answer = save(boss, scene.shop, settings=given)
    assert answer.status_code == 200
    assert words in str(answer.context["adminform"].form.errors["settings"]).replace("&#x27;", "'")
    assert System.objects.get(pk=scene.shop.pk).settings == {"url": "https://shop.example.com"}


def test_a_role_the_connector_cannot_play(scene: Scene, boss: Client) -> None:
    assert "roles" in save(boss, scene.shop, roles=["channel", "erp"]).context["adminform"].form.errors


def test_a_zone_nobody_knows(scene: Scene, boss: Client) -> None:
    assert "timezone" in save(boss, scene.shop, timezone="Mars/Olympus").context["adminform"].form.errors


def test_pausing_is_kept_as_history(scene: Scene, boss: Client) -> None:
    answer = save(boss, scene.shop, mode="paused")
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert System.objects.get(pk=scene.shop.pk).mode == "paused"
    newest, *_ = scene.shop.history.all()
    assert (newest.mode, newest.history_user.get_username()) == ("paused", "boss")
    assert "boss" in boss.get(reverse("admin:canonical_system_history", args=[scene.shop.pk])).content.decode()


def test_secrets_go_in_and_never_come_out(scene: Scene, boss: Client) -> None:
    save(boss, scene.shop, secret_consumer_key=PLAIN)
    secret = Secret.objects.get()
    assert unseal(secret.sealed) == PLAIN and PLAIN not in secret.sealed
    shown = boss.get(page(scene.shop)).content.decode()
    assert PLAIN not in shown and secret.sealed not in shown and "consumer_key (set " in shown
    bad = save(boss, scene.shop, settings="{}", secret_consumer_key=PLAIN).content.decode()
    assert PLAIN not in bad
    assert Action.objects.values_list("who", "what").get() == ("boss", "set secret")
    assert PLAIN not in Action.objects.get().why


def test_an_empty_secret_changes_nothing(scene: Scene, boss: Client) -> None:
    save(boss, scene.shop, secret_webhook="one")
    save(boss, scene.shop)
    assert Secret.objects.filter(retired_at=None).count() == 1


WHOLE = '{"url": "https://northpick.example.com/new"}'


@pytest.mark.parametrize("change", [{"settings": WHOLE}, {"secret_webhook": "new"}], ids=["settings", "secret"])
def test_a_corrected_set_up_is_tried_at_once(change: dict[str, str], scene: Scene, boss: Client) -> None:
    case = scene.down()
    late = Cursor.objects.create(
        system=scene.warehouse, feed="x", every=3600, polled_at=clock.now(), words="Not let in."
    )
    well = Cursor.objects.create(system=scene.warehouse, feed="y", every=3600, polled_at=clock.now())
    answer = save(boss, scene.warehouse, **{"settings": json.dumps(scene.warehouse.settings), **change})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    gate = Gate.objects.get(system=scene.warehouse)
    assert (gate.failures, gate.open_until, gate.paused_until, gate.words) == (0, None, None, "")
    assert Case.objects.get(pk=case.pk).closed_by == "boss"
    assert (
        Cursor.objects.get(pk=late.pk).polled_at is None and Cursor.objects.get(pk=well.pk).polled_at == well.polled_at
    )


def test_saving_something_else_leaves_the_gate_alone(scene: Scene, boss: Client) -> None:
    scene.down()
    save(boss, scene.warehouse, settings=json.dumps(scene.warehouse.settings), name="Northpick BV")
    assert System.objects.get(pk=scene.warehouse.pk).name == "Northpick BV"
    assert Gate.objects.get(system=scene.warehouse).failures == 4 and Case.objects.get().closed_at is None


def test_a_system_shows_its_exceptions_and_those_of_its_feeds(scene: Scene, boss: Client) -> None:
    for case in (scene.unread(), scene.down()):
        link = reverse("admin:sync_case_change", args=[case.pk])
        assert link in boss.get(page(case.system)).content.decode()
    assert link not in person("narrow", "view_system").get(page(scene.warehouse)).content.decode()


def test_two_secrets_are_valid_while_changing_over(scene: Scene, boss: Client) -> None:
    def valid() -> list[str]:
        return [unseal(s.sealed) for s in Secret.objects.filter(retired_at=None).order_by("-pk")]

    for value in ("one", "two", "three"):
        save(boss, scene.shop, secret_webhook=value)
    assert valid() == ["three", "two"]
    save(boss, scene.shop, retire_webhook="on")
    assert valid() == ["three"]


def test_a_viewer_sees_no_secret_fields_and_changes_nothing(scene: Scene, viewer: Client) -> None:
    assert "secret_webhook" not in viewer.get(page(scene.shop)).content.decode()
    assert save(viewer, scene.shop, mode="paused").status_code == 403


def test_adding_a_system(boss: Client) -> None:
    form = {
        "slug": "new",
        "name": "New",
        "connector": "woocommerce",
        "roles": ["channel"],
        "mode": "live",
        "timezone": "UTC",
    }
    add = reverse("admin:canonical_system_add")
    assert "settings" in boss.post(add, {**form, "settings": "{}"}).context["adminform"].form.errors
    answer = boss.post(add, {**form, "settings": '{"url": "https://new.example.com"}'})
    assert answer.url == page(System.objects.get(slug="new"))


def test_sourcing_is_edited_with_history(scene: Scene, boss: Client) -> None:
    step = Sourcing.objects.get()
    url = reverse("admin:canonical_sourcing_change", args=[step.pk])
    form = {"channel": scene.shop.pk, "sku": "", "location": step.location_id, "rank": 5}
    assert boss.post(url, form).status_code == 302
    assert Sourcing.objects.get().rank == 5 and Sourcing.history.first().history_user.get_username() == "boss"


def test_who_speaks_for_a_sku_is_an_entry(scene: Scene, boss: Client) -> None:
    sku = Sku.objects.get(code="POSTER")
    parts = {"components-TOTAL_FORMS": "0", "components-INITIAL_FORMS": "0"}
    form = {"authority": scene.erp.pk, "code": "HACKED", **parts}
    boss.post(reverse("admin:canonical_sku_change", args=[sku.pk]), form)
    sku.refresh_from_db()
    assert (sku.code, sku.authority) == ("POSTER", scene.erp)
    newest = history("sku", sku.pk)[-1]
    assert newest.state["authority_id"] == scene.erp.pk
    assert (newest.cause_kind, newest.cause_id) == ("action", Action.objects.get().pk)
