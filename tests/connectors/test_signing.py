"""Signatures: the published example, rotation, tolerance, and everything that must not pass."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors import signing
from connectors.base import BadSignature
from connectors.errors import Misconfigured

#: The worked example of the Standard Webhooks libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'
AT = datetime.fromtimestamp(1614265330, UTC)
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example() -> None:
    assert signing.webhook_headers(EVENT, BODY, [SECRET], AT) == {
        "webhook-id": EVENT, "webhook-timestamp": "1614265330", "webhook-signature": SIGNATURE,
    }  # fmt: skip


def test_what_we_sign_we_accept() -> None:
    assert signing.verify_webhook(signing.webhook_headers(EVENT, BODY, [SECRET], AT), BODY, [SECRET], AT) == EVENT


def test_either_side_may_rotate() -> None:
    new = signing.new_secret()
    both = signing.webhook_headers(EVENT, BODY, [new, SECRET], AT)
    assert [signing.verify_webhook(both, BODY, known, AT) for known in ([SECRET], [new], [new, SECRET])] == [EVENT] * 3
    assert signing.verify_webhook(signing.webhook_headers(EVENT, BODY, [SECRET], AT), BODY, [new, SECRET], AT) == EVENT


@pytest.mark.parametrize("skew", [-300, 300])
def test_five_minutes_of_skew_are_tolerated(skew: int) -> None:
    headers = signing.webhook_headers(EVENT, BODY, [SECRET], AT)
    assert signing.verify_webhook(headers, BODY, [SECRET], AT + timedelta(seconds=skew)) == EVENT
    with pytest.raises(BadSignature):
        signing.verify_webhook(headers, BODY, [SECRET], AT + timedelta(seconds=skew + (1 if skew > 0 else -1)))


@pytest.mark.parametrize("change", [
    {"webhook-id": "msg_other"}, {"webhook-id": ""}, {"webhook-timestamp": "1614265331"}, {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
    {"webhook-timestamp": "nan"}, {"webhook-timestamp": ""}, {"webhook-signature": ""}, {"webhook-signature": SIGNATURE[:-1]},
    {"webhook-signature": SIGNATURE.replace("v1", "v2")}, {"webhook-signature": SIGNATURE[3:]}, {"webhook-signature": "v1,é\udcff"},
])  # fmt: skip
def test_anything_changed_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        signing.verify_webhook(signing.webhook_headers(EVENT, BODY, [SECRET], AT) | change, BODY, [SECRET], AT)


def test_another_body_or_secret_is_refused() -> None:
    headers = signing.webhook_headers(EVENT, BODY, [SECRET], AT)
    for body, secrets in ((BODY + b" ", [SECRET]), (BODY, [signing.new_secret()]), (BODY, [])):
        with pytest.raises(BadSignature):
            signing.verify_webhook(headers, body, secrets, AT)


@pytest.mark.parametrize("secret", ["", "plain", "whsec_", "whsec_c2hvcnQ=", "whsec_***", "whsec_" + "A" * 200])
def test_a_useless_secret_is_named_without_being_shown(secret: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        signing.webhook_headers(EVENT, BODY, [secret], AT)
    assert "***" not in str(caught.value)


def test_without_a_secret_nothing_is_sent() -> None:
    with pytest.raises(Misconfigured):
        signing.webhook_headers(EVENT, BODY, [], AT)


def test_plain_signatures_know_several_secrets() -> None:
    signing.check_base64(signing.base64_of("old", BODY), BODY, ["new", "old"])
    signing.check_hex(signing.hex_of("new", BODY).upper(), BODY, ["new", "old"])


@pytest.mark.parametrize("secrets", [[], [""], ["other"]])
def test_plain_signatures_refuse_the_rest(secrets: list[str]) -> None:
    for check, made in ((signing.check_base64, signing.base64_of), (signing.check_hex, signing.hex_of)):
        with pytest.raises(BadSignature):
            check(made("", BODY), BODY, secrets)
