"""A partner's page: how soon it answers, by the numbers it sees itself; its terms with their history; its keys, each shown once."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from canonical.models import FulfilmentRequest, System
from retailsync.partners import asks, authentication
from retailsync.partners.models import SCOPES, Ask, PartnerKey, PartnerTerms
from retailsync.sync import clock
from retailsync.sync.models import Action, Case, Group
from tests.console.conftest import person
from tests.console.scene import Scene

NOW = datetime(2026, 5, 8, 12, tzinfo=UTC)  # a Friday


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    authentication.forget()


def page(system: System, name: str = "partner", **more: int) -> str:
    return reverse(f"admin:canonical_system_{name}", kwargs={"pk": system.pk, **more})


def told(scene: Scene, number: int, ago: timedelta, took: int | None = None) -> Ask:
    """A request for an order, taken so long ago; `took`: answered after so many minutes of the two hours agreed."""
    request = FulfilmentRequest.objects.get(order=scene.order(number))
    at = NOW - ago
    answer = (
        {}
        if took is None
        else {"answered_at": at + timedelta(minutes=took), "minutes": took, "late": max(0, took - 120)}
    )
    return Ask.objects.create(
        system=scene.warehouse, request=request, asked_at=at, due_at=at + timedelta(minutes=120), **answer
    )


@pytest.fixture
def month(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """In time, late, overdue and open within a week; one late before; one long ago."""
    told(scene, 1, timedelta(days=1), 30)
    told(scene, 2, timedelta(days=2), 150)
    told(scene, 3, timedelta(hours=3))
    told(scene, 4, timedelta(minutes=10))
    told(scene, 5, timedelta(days=20), 500)
    told(scene, 6, timedelta(days=40), 500)
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return scene


# ---- how soon it answers ----------------------------------------------------------------------------------------------------
def test_partner_and_staff_see_the_same_numbers(month: Scene, boss: Client) -> None:
    shown = boss.get(page(month.warehouse)).context["spans"]
    _, text = PartnerKey.issue(month.warehouse, "WMS")
    for name, days in (("7 days", 7), ("30 days", 30)):
        query = {"from": (NOW - timedelta(days=days)).isoformat(), "until": NOW.isoformat()}
        ask = {"headers": {"Authorization": f"Bearer {text}"}}
        said = Client().get("/api/v1/acknowledgements", query, **ask).json()
        assert shown[name]._asdict() == {field: said[field] for field in shown[name]._asdict()}
        listed = Client().get("/api/v1/acknowledgements/breaches", query, **ask).json()["items"]
        assert len(listed) == shown[name].breaches
    assert shown["7 days"] == (4, 1, 1, 1, 1, 30, 150) and shown["30 days"] == (5, 1, 2, 1, 1, 150, 500)


def test_what_was_not_in_time_leads_to_its_orders(month: Scene, boss: Client) -> None:
    answer = boss.get(page(month.warehouse))
    rows = answer.context["breaches"]
    assert [(row.minutes_late, row.answered_at is None) for row in rows] == [(380, False), (60, True), (30, False)]
    text = answer.content.decode()
    for row in rows:
        assert f'href="{reverse("admin:canonical_order_change", args=[row.order_id])}">{row.reference}</a>' in text
    assert "did not answer 3 of 5 in time" in text and "1 is overdue now" in text.replace("<strong>", "")


def test_a_long_list_goes_on_with_the_older_ones(month: Scene, boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retailsync.console.partner.MOST", 2)
    first = boss.get(page(month.warehouse)).context
    second = boss.get(page(month.warehouse), {"before": first["older"]}).context
    assert [len(first["breaches"]), len(second["breaches"]), second["older"]] == [2, 1, None]
    for wrong in ("x", "-1", "9" * 30, "²"):
        assert boss.get(page(month.warehouse), {"before": wrong}).status_code == 200


def test_the_plot_has_each_day_and_says_what_it_shows(month: Scene, boss: Client) -> None:
    context = boss.get(page(month.warehouse)).context
    assert len(context["days"]) == 31 and context["days"][-1].words == "Fri 08 May: 2 asked, 1 not in time"
    assert context["plot"].words == "Asked in 30 days: 5, at most 2 on one day. Not answered in time: 3, on 3 days."


def test_of_whom_nothing_was_asked_the_page_says_so(scene: Scene, boss: Client) -> None:
    text = boss.get(page(scene.warehouse)).content.decode()
    assert "Nothing was asked of Northpick in 30 days." in text and "Figures appear here once" in text
    assert "Not answered in time" not in text and "this partner cannot use the API yet" in text
    assert "These are the defaults" in text


def test_only_a_partner_of_the_api_has_such_a_page(scene: Scene, boss: Client) -> None:
    assert boss.get(page(scene.shop)).status_code == 404
    assert (
        page(scene.warehouse)
        in boss.get(reverse("admin:canonical_system_change", args=[scene.warehouse.pk])).content.decode()
    )
    assert (
        "As a partner" not in boss.get(reverse("admin:canonical_system_change", args=[scene.shop.pk])).content.decode()
    )


def test_the_page_takes_as_many_queries_however_much_there_is(scene: Scene, boss: Client, queries: Any) -> None:
    counts = []
    for number in range(1, 4):
        told(scene, number, NOW - clock.now() + timedelta(days=2), 500)
        PartnerKey.issue(scene.warehouse, f"key {number}")
        PartnerTerms.objects.update_or_create(system=scene.warehouse, defaults={"answer_within": number})
        counts.append(queries(boss, page(scene.warehouse)))
    assert len(set(counts)) == 1


def test_an_exception_shows_what_was_asked_and_is_closed_with_a_reason(month: Scene, boss: Client) -> None:
    assert asks.raise_overdue(NOW) == 1
    case = Case.objects.get(reason="not_answered")
    url = reverse("admin:sync_case_change", args=[case.pk])
    text = boss.get(url).content.decode()
    request = FulfilmentRequest.objects.get(pk=case.target_id)
    assert request.reference in text and "What the warehouse was asked" in text and "not yet" in text
    assert "nobody is reminded of it again" in text and reverse("admin:sync_case_release", args=[case.pk]) not in text
    assert case.words in boss.get(reverse("admin:canonical_order_change", args=[request.order_id])).content.decode()
    group = Group.objects.get(cause=case.cause)
    assert (
        "The warehouse does not answer in time"
        in boss.get(reverse("admin:sync_group_change", args=[group.pk])).content.decode()
    )
    boss.post(reverse("admin:sync_case_close", args=[case.pk]), {"why": "called them"})
    case.refresh_from_db()
    assert case.closed_by == "boss" and asks.raise_overdue(NOW + timedelta(days=1)) == 1, (
        "only the one that was open then"
    )


# ---- terms ------------------------------------------------------------------------------------------------------------------
def agree(client: Client, system: System, **changes: Any) -> Any:
    form = {
        "answer_within": "120", "opens_at": "08:00", "closes_at": "17:00", "cut_off": "", "working_days": list("12345"), "holidays": "",
        "calls_per_minute": "1200",
    }  # fmt: skip
    return client.post(page(system, "terms"), {**form, **changes})


def test_terms_are_agreed_with_their_history(scene: Scene, boss: Client) -> None:
    assert agree(boss, scene.warehouse, answer_within="60", holidays="2026-12-26\n2026-12-25").url == page(
        scene.warehouse
    )
    assert (
        agree(boss, scene.warehouse, answer_within="45", cut_off="15:00", working_days=list("123456")).status_code
        == 302
    )
    terms = PartnerTerms.objects.get()
    assert (terms.answer_within, terms.cut_off, terms.working_days, terms.holidays) == (45, time(15), "123456", [])
    answer = boss.get(page(scene.warehouse))
    assert [(v.who, v.changes) for v in answer.context["versions"]] == [
        (
            "boss",
            [
                "Minutes to answer: 60 → 45", "Cut-off: none → 15:00",
                "Working days: Mon Tue Wed Thu Fri → Mon Tue Wed Thu Fri Sat", "Holidays: 2026-12-25, 2026-12-26 → none",
            ],
        ),
        ("boss", ["Minutes to answer: 120 → 60", "Holidays: none → 2026-12-25, 2026-12-26"]),
    ]  # fmt: skip
    assert "after 15:00 counts from the next working day" in answer.content.decode()
    assert list(Action.objects.values_list("who", "what")) == [("boss", "set terms")] * 2


def test_saving_what_is_agreed_already_is_no_new_version(scene: Scene, boss: Client) -> None:
    agree(boss, scene.warehouse, holidays="2026-12-25\n2026-12-26", cut_off="15:00")
    text = boss.get(page(scene.warehouse)).content.decode()
    assert "2026-12-25\n2026-12-26</textarea>" in text
    agree(boss, scene.warehouse, holidays=" 2026-12-26 2026-12-25", cut_off="15:00")
    assert PartnerTerms.history.count() == 1 and PartnerTerms.objects.get().holidays == [
        date(2026, 12, 25),
        date(2026, 12, 26),
    ]


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"working_days": []}, "working_days", "This field is required."),
        ({"working_days": ["8"]}, "working_days", "Select a valid choice. 8 is not one of the available choices."),
        ({"closes_at": "08:00"}, "closes_at", "It must close after it opens, on the same day."),
        ({"cut_off": "17:01"}, "cut_off", "It must lie between opening and closing."),
        ({"answer_within": "0"}, "answer_within", "Ensure this value is greater than or equal to 1."),
        ({"answer_within": "10001"}, "answer_within", "Ensure this value is less than or equal to 10000."),
        ({"holidays": "2026-12-25\n25.12.2026"}, "holidays", "“25.12.2026” is no date; write it like 2026-12-25."),
        ({"calls_per_minute": "0"}, "calls_per_minute", "Ensure this value is greater than or equal to 1."),
    ],
)
def test_wrong_terms_are_said_at_their_field(
    scene: Scene, boss: Client, wrong: dict[str, Any], field: str, words: str
) -> None:
    answer = agree(boss, scene.warehouse, **wrong)
    assert answer.status_code == 200 and answer.context["terms"].errors[field] == [words]
    assert not PartnerTerms.objects.exists() and not PartnerTerms.history.exists()


def test_who_may_not_agree_reads_the_terms(scene: Scene) -> None:
    looker = person("looker", "view_system", "view_partnerterms")
    text = looker.get(page(scene.warehouse)).content.decode()
    assert "An answer is due within 120 working minutes: Mon Tue Wed Thu Fri, 08:00 to 17:00 in UTC." in text
    assert "Save the terms" not in text and "API keys" not in text
    assert agree(looker, scene.warehouse, answer_within="1").status_code == 403 and not PartnerTerms.objects.exists()


# ---- keys -------------------------------------------------------------------------------------------------------------------
def issue(client: Client, of: System, **form: Any) -> Any:
    return client.post(page(of, "issue_key"), {"name": "Northpick WMS", "scopes": list(SCOPES), **form})


def works(text: str) -> bool:
    answer = Client().get("/api/v1/fulfilment-requests", headers={"Authorization": f"Bearer {text}"})
    return int(answer.status_code) == 200


def test_a_key_is_shown_once(scene: Scene, boss: Client) -> None:
    answer = issue(boss, scene.warehouse)
    text = answer.context["text"]
    assert text.startswith("rsk_live_") and "no-store" in answer.headers["Cache-Control"] and works(text)
    assert text not in boss.get(page(scene.warehouse)).content.decode()
    key = PartnerKey.objects.get()
    assert (key.name, key.scopes, key.expires_at) == ("Northpick WMS", list(SCOPES), None)
    assert boss.post(page(scene.warehouse, "revoke_key", key=key.pk)).url == page(scene.warehouse)
    authentication.forget()
    assert not works(text)
    assert [a.what for a in Action.objects.order_by("pk")] == ["issue key", "revoke key"]


def test_a_key_is_for_what_was_ticked_and_for_so_long(scene: Scene, boss: Client) -> None:
    issue(boss, scene.warehouse, scopes=["events:read"], days="30")
    key = PartnerKey.objects.get()
    assert key.scopes == ["events:read"] and key.expires_at
    assert timedelta(days=29) < key.expires_at - clock.now() <= timedelta(days=30)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": " "}, "name"), ({"name": "a\0b"}, "name"), ({"scopes": []}, "scopes"), ({"scopes": ["all"]}, "scopes"),
        ({"days": "0"}, "days"),
    ],
)  # fmt: skip
def test_a_wrong_wish_issues_none(scene: Scene, boss: Client, form: dict[str, Any], field: str) -> None:
    answer = issue(boss, scene.warehouse, **form)
    assert answer.status_code == 200 and field in answer.context["issue"].errors and not PartnerKey.objects.exists()


def test_a_key_is_changed_over_while_both_are_accepted(scene: Scene, boss: Client) -> None:
    old, text = PartnerKey.issue(scene.warehouse, "WMS", scopes=["requests:read"])
    answer = boss.post(page(scene.warehouse, "rotate_key", key=old.pk), {"hours": "48"})
    fresh = answer.context["text"]
    assert works(text) and works(fresh) and fresh != text and "both are accepted until then" in answer.content.decode()
    old.refresh_from_db()
    new = PartnerKey.objects.exclude(pk=old.pk).get()
    assert old.expires_at and timedelta(hours=47) < old.expires_at - clock.now() <= timedelta(hours=48)
    assert (new.name, new.scopes, new.expires_at) == ("WMS", ["requests:read"], None)
    PartnerKey.objects.filter(pk=old.pk).update(expires_at=clock.now())
    authentication.forget()
    assert not works(text) and works(fresh)
    assert Action.objects.get().what == "rotate key"


def test_rotating_lengthens_no_life(scene: Scene, boss: Client) -> None:
    ends = clock.now() + timedelta(hours=2)
    old, _ = PartnerKey.issue(scene.warehouse, "WMS", expires_at=ends)
    boss.post(page(scene.warehouse, "rotate_key", key=old.pk), {"hours": "48", "days": "90"})
    old.refresh_from_db()
    assert old.expires_at == ends


@pytest.mark.parametrize("form", [{}, {"hours": "0"}, {"hours": "9999"}, {"hours": "24", "days": "x"}])
def test_a_wrong_overlap_changes_nothing(scene: Scene, boss: Client, form: dict[str, str]) -> None:
    old, _ = PartnerKey.issue(scene.warehouse, "WMS")
    assert boss.post(page(scene.warehouse, "rotate_key", key=old.pk), form).url == page(scene.warehouse)
    old.refresh_from_db()
    assert PartnerKey.objects.count() == 1 and old.expires_at is None


@pytest.mark.parametrize("ended", [{"revoked_at": NOW}, {"expires_at": NOW}])
def test_what_has_ended_is_not_changed_over(scene: Scene, boss: Client, ended: dict[str, Any]) -> None:
    old, _ = PartnerKey.issue(scene.warehouse, "WMS")
    PartnerKey.objects.update(**ended)
    answer = boss.post(page(scene.warehouse, "rotate_key", key=old.pk), {"hours": "48"}, follow=True)
    assert "is not valid any more" in answer.content.decode() and PartnerKey.objects.count() == 1
    assert f"rotate-key/{old.pk}/" not in boss.get(page(scene.warehouse)).content.decode()


def test_another_partners_key_is_not_there(scene: Scene, boss: Client) -> None:
    other = System.objects.create(slug="other", name="Other", connector="partner", roles=["3pl"])
    key, _ = PartnerKey.issue(other, "theirs")
    for name in ("rotate_key", "revoke_key"):
        assert boss.post(page(scene.warehouse, name, key=key.pk), {"hours": "1"}).status_code == 404
    key.refresh_from_db()
    assert key.is_valid(clock.now())


def test_a_sandboxs_keys_stand_beside_the_live_ones(scene: Scene, boss: Client) -> None:
    assert "system" not in boss.get(page(scene.warehouse)).context["issue"].fields
    twin = System.objects.create(
        slug="np-sandbox", name="Northpick (played)", connector="partner", roles=["3pl"], sandbox_of=scene.warehouse
    )
    live, played = issue(boss, scene.warehouse, system=scene.warehouse.pk), issue(boss, scene.warehouse, system=twin.pk)
    assert (live.context["text"][:9], played.context["text"][:12]) == ("rsk_live_", "rsk_sandbox_")
    shown = boss.get(page(scene.warehouse))
    assert [key["row"].environment for key in shown.context["keys"]] == ["sandbox", "live"]
    assert issue(boss, scene.warehouse, system=scene.shop.pk).context["issue"].errors["system"]
    key = PartnerKey.objects.get(system=twin)
    assert (
        boss.post(page(scene.warehouse, "rotate_key", key=key.pk), {"hours": "1"})
        .context["text"]
        .startswith("rsk_sandbox_")
    )


def test_keys_need_their_own_permissions(scene: Scene) -> None:
    key, _ = PartnerKey.issue(scene.warehouse, "WMS")
    editor = person("editor", "view_system", "change_system", "view_partnerterms", "view_partnerkey")
    text = editor.get(page(scene.warehouse)).content.decode()
    assert key.prefix in text and "Rotate" not in text and "Revoke" not in text and "Issue a key" not in text
    issuer, ender = person("issuer", "add_partnerkey"), person("ender", "change_partnerkey")
    assert issue(editor, scene.warehouse).status_code == issue(ender, scene.warehouse).status_code == 403
    for client in (editor, issuer, ender):
        assert client.post(page(scene.warehouse, "rotate_key", key=key.pk), {"hours": "1"}).status_code == 403
    for client in (editor, issuer):
        assert client.post(page(scene.warehouse, "revoke_key", key=key.pk)).status_code == 403
    key.refresh_from_db()
    assert key.is_valid(clock.now()) and PartnerKey.objects.count() == 1
