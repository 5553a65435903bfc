"""Keys: shown once, kept as a hash, found fast, gone when they are gone."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from canonical.models import System
from retailsync.partners import authentication, keys
from retailsync.partners.models import SCOPES, PartnerKey

from .conftest import ROOT, Partner


def status(authorization: str) -> int:
    return int(Client().get(ROOT, headers={"Authorization": authorization}).status_code)


def test_the_key_itself_is_not_kept(partner: Partner) -> None:
    assert partner.text.startswith(f"rsk_live_{partner.key.prefix}_")
    with connection.cursor() as cursor:
        cursor.execute("SELECT k::text FROM partners_partnerkey k")
        assert partner.text.split("_", 3)[3] not in cursor.fetchone()[0]


def test_a_partner_may_have_two_keys(partner: Partner) -> None:
    _, second = PartnerKey.issue(partner.system, "the next one")
    assert [status(f"Bearer {text}") for text in (partner.text, second)] == [200, 200]


def test_whatever_is_not_a_valid_key_is_answered_alike(partner: Partner, other: Partner) -> None:
    prefix, secret = partner.key.prefix, other.text.split("_", 3)[3]
    wrong = [
        "", "Bearer", "Bearer x", f"Basic {partner.text}", f"Bearer {partner.text}x", f"Bearer {partner.text[:-1]}",
        f"Bearer rsk_live_{prefix}_", f"Bearer rsk_live_{prefix}_{secret}", f"Bearer rsk_test_{prefix}_{secret}",
        "Bearer rsk_live_unknown_x", "Bearer rsk_live_\x00_x", "Bearer rsk_live_é_é",
    ]  # fmt: skip
    assert [status(one) for one in wrong] == [401] * len(wrong)
    answer = Client().get(ROOT)
    assert (answer["Content-Type"], answer["WWW-Authenticate"]) == ("application/problem+json", "Bearer")


@pytest.mark.parametrize(
    "change", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(seconds=1)}]
)
def test_a_revoked_or_expired_key_is_no_key(partner: Partner, change: dict[str, Any]) -> None:
    PartnerKey.objects.update(**change)
    assert status(f"Bearer {partner.text}") == 401


def test_a_revocation_is_noticed_within_seconds(partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert status(f"Bearer {partner.text}") == 200
    PartnerKey.objects.update(revoked_at=timezone.now())
    assert status(f"Bearer {partner.text}") == 200
    monkeypatch.setattr(authentication, "KEPT", 0.0)
    assert status(f"Bearer {partner.text}") == 401


def test_a_known_key_expires_on_time(partner: Partner) -> None:
    assert status(f"Bearer {partner.text}") == 200
    authentication._known[partner.key.prefix][1].expires_at = timezone.now()
    assert status(f"Bearer {partner.text}") == 401


def test_its_last_use_is_noted_once_a_minute(partner: Partner) -> None:
    status(f"Bearer {partner.text}")
    first = PartnerKey.objects.get().last_used_at
    assert first
    status(f"Bearer {partner.text}")
    assert PartnerKey.objects.get().last_used_at == first
    PartnerKey.objects.update(last_used_at=first - timedelta(minutes=2))
    authentication.forget()
    status(f"Bearer {partner.text}")
    latest = PartnerKey.objects.get().last_used_at
    assert latest and latest > first


def test_a_key_is_issued_on_the_command_line(partner: Partner, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("issue_partner_key", partner.system.slug, "scanner", "--days", "30")
    assert status(f"Bearer {capsys.readouterr().out.strip()}") == 200
    assert PartnerKey.objects.get(name="scanner").expires_at > timezone.now() + timedelta(days=29)  # type: ignore[operator]
    with pytest.raises(CommandError):
        call_command("issue_partner_key", "nobody", "scanner")


def issued(capsys: pytest.CaptureFixture[str], *args: str) -> PartnerKey:
    call_command("issue_partner_key", *args)
    return PartnerKey.objects.get(prefix=capsys.readouterr().out.split("_")[2])


def test_a_key_issued_on_the_command_line_may_do_what_was_said(
    partner: Partner, capsys: pytest.CaptureFixture[str]
) -> None:
    few = issued(capsys, partner.system.slug, "feed", "--scopes", "events:read", "requests:read")
    assert (few.scopes, few.expires_at) == (["events:read", "requests:read"], None)
    assert issued(capsys, partner.system.slug, "all of it").scopes == list(SCOPES)
    for wrong in (["--scopes", "everything"], ["--scopes"], ["--days", "0"], ["--days", "999999999999"], ["--sandbox"]):
        with pytest.raises(CommandError):
            call_command("issue_partner_key", partner.system.slug, "wrong", *wrong)
    assert not PartnerKey.objects.filter(name="wrong").exists()


def test_a_key_of_the_sandbox_is_issued_by_either_name(partner: Partner, capsys: pytest.CaptureFixture[str]) -> None:
    twin = System.objects.create(
        slug="w1-played", name="w1", connector="partner", roles=["3pl"], sandbox_of=partner.system
    )
    shop = System.objects.create(
        slug="w1-shop", name="shop", connector="sandbox", roles=["channel"], sandbox_of=partner.system
    )
    for args in (("w1", "--sandbox"), ("w1-played",), ("w1-played", "--sandbox")):
        key = issued(capsys, args[0], "try out", *args[1:])
        assert (key.system, key.environment) == (twin, "sandbox")
    assert issued(capsys, "w1", "really").environment == "live"
    with pytest.raises(CommandError, match="There is no partner called w1-shop"):
        call_command("issue_partner_key", shop.slug, "wrong")


# ---- changed over -----------------------------------------------------------------------------------------------------------
def test_a_key_is_changed_over(partner: Partner) -> None:
    now = timezone.now()
    key, text = keys.rotate(partner.key, now, timedelta(hours=24), now + timedelta(days=90))
    assert [status(f"Bearer {one}") for one in (partner.text, text)] == [200, 200]
    partner.key.refresh_from_db()
    assert (partner.key.expires_at, key.expires_at) == (now + timedelta(hours=24), now + timedelta(days=90))
    with pytest.raises(keys.Ended):
        keys.rotate(partner.key, now + timedelta(hours=24), timedelta(hours=24))


def test_a_key_revoked_while_it_is_changed_over_stays_revoked(partner: Partner) -> None:
    PartnerKey.objects.update(revoked_at=timezone.now())
    with pytest.raises(keys.Ended):
        keys.rotate(partner.key, timezone.now(), timedelta(hours=24))
    assert PartnerKey.objects.count() == 1
