"""Stock figures on their way to a shop, and what its answer makes of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from canonical.commands import PublishStock
from canonical.facts import Fact, ListingStated
from connectors.base import Envelope, Heard, Job, Receipt, Response, Session
from connectors.errors import Misconfigured, Refused, Retry
from connectors.woocommerce import connector
from connectors.woocommerce.client import Settings
from tests.connectors.woocommerce.conftest import recorded
from tests.connectors.woocommerce.test_reading import NOW

DATE = "Mon, 23 Nov 2026 04:26:23 GMT"


class Scripted:
    """A way out that gives each address its answers (a list: one after the other), and keeps what was sent."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {path: said if isinstance(said, list) else [said] for path, said in answers.items()}
        self.sent: list[tuple[str, Any]] = []

    def request(self, method: str, url: str, *, body: bytes | None = None, **more: Any) -> Response:
        path = url.partition("/wp-json/wc/v3/")[2].partition("?")[0]
        self.sent.append((path, json.loads(body or b"null")))
        said = self.answers[path].pop(0)
        if isinstance(said, Exception):
            raise said
        status, raw = (200, said) if isinstance(said, bytes) else said
        return Response(status, {"date": DATE}, raw)


def session(http: Scripted) -> Session:
    return Session(
        "shop",
        Settings(url="https://shop.example"),
        {"consumer_key": ["k"], "consumer_secret": ["s"]},
        http,
        lambda: NOW,
    )  # type: ignore[arg-type]


def publish(http: Scripted, *commands: PublishStock) -> list[Receipt]:
    jobs = [Job(number, f"stock:{number}", command) for number, command in enumerate(commands)]
    receipts = connector.sends[PublishStock].send(session(http), jobs)
    assert sorted(receipt.job for receipt in receipts) == [job.id for job in jobs]
    return sorted(receipts, key=lambda receipt: receipt.job)


def of(ref: str, quantity: Any = 5, **more: Any) -> PublishStock:
    return PublishStock(listing_id=1, ref=ref, sku=f"S-{ref}", quantity=quantity, **more)


def row(id: int, quantity: Any = 5, **more: Any) -> dict[str, Any]:
    plain = {"id": id, "type": "simple", "status": "publish", "manage_stock": True, "stock_quantity": quantity}
    return {**plain, "backorders": "no", "stock_status": "instock", **more}


def batch(*rows: Mapping[str, Any]) -> bytes:
    return json.dumps({"update": rows}).encode()


def outcome(receipt: Receipt) -> str:
    """`done`, or how it failed."""
    match receipt.error:
        case None:
            return receipt.state
        case Refused(reason=reason):
            return reason
        case Retry(unknown=unknown):
            return "unknown" if unknown else "later"
        case error:
            return type(error).__name__


def facts(heard: Sequence[Heard]) -> list[Fact]:
    return [
        fact for one in heard for fact in connector.reads[one.topic](Envelope(one.topic, one.body, NOW, one.asked_at))
    ]


# ---- what leaves
def test_products_leave_together_and_variations_by_parent() -> None:
    http = Scripted(
        **{
            "products/batch": batch(row(10), row(11, 7, backorders="yes")),
            "products/12/variations/batch": batch(row(13), row(14, 0)),
            "products/20/variations/batch": batch(row(21, -3)),
        }
    )
    told = publish(http, of("10"), of("12:13"), of("11", 7, backorders="yes"), of("20:21", -3), of("12:14", 0))
    assert [outcome(receipt) for receipt in told] == ["done"] * 5
    assert dict(http.sent) == {
        "products/batch": {
            "update": [
                {"id": 10, "stock_quantity": 5, "backorders": "no"},
                {"id": 11, "stock_quantity": 7, "backorders": "yes"},
            ]
        },
        "products/12/variations/batch": {
            "update": [
                {"id": 13, "stock_quantity": 5, "backorders": "no"},
                {"id": 14, "stock_quantity": 0, "backorders": "no"},
            ]
        },
        "products/20/variations/batch": {"update": [{"id": 21, "stock_quantity": -3, "backorders": "no"}]},
    }


def test_no_request_has_more_than_a_hundred_items_or_one_of_them_twice() -> None:
    rows = [row(id) for id in range(1, 151)]
    http = Scripted(**{"products/batch": [batch(*rows[:100]), batch(*rows[100:]), batch(row(150, 6))]})
    told = publish(http, *(of(str(id)) for id in range(1, 151)), of("150", 6))
    assert {outcome(receipt) for receipt in told} == {"done"}
    assert [len(said["update"]) for _, said in http.sent] == [100, 50, 1]


@pytest.mark.parametrize(
    "wrong",
    [of("10", "5"), of("10", 2.5), of("10", True), of("10", 2**40), of("x"), of(""), of("10", backorders="some")],
)
def test_what_is_no_figure_never_leaves(wrong: PublishStock) -> None:
    http = Scripted(**{"products/batch": batch(row(11))})
    assert [outcome(receipt) for receipt in publish(http, wrong, of("11"))] == ["stock_not_valid", "done"]
    assert [len(said["update"]) for _, said in http.sent] == [1]


# ---- what comes back
def test_a_recorded_answer_confirms_each_variation() -> None:
    http = Scripted(**{"products/12/variations/batch": recorded("variations_batch_update_stock")})
    told = publish(http, *(of(f"12:{id}", quantity) for id, quantity in ((13, 5), (14, 6), (15, 7), (16, 8))))
    assert [(one.state, one.external_id) for one in told] == [("done", f"12:{id}") for id in (13, 14, 15, 16)]
    assert told[0].evidence == "SKU S-12:13: the shop shows 5, backorders no"


def test_a_confirmed_figure_is_heard_like_what_was_looked_at() -> None:
    http = Scripted(**{"products/12/variations/batch": recorded("variations_batch_update_stock")})
    (receipt,) = publish(http, of("12:13"))
    (heard,) = receipt.heard
    assert heard.asked_at == NOW and len(heard.body) < 500
    (fact,) = facts(receipt.heard)
    assert isinstance(fact, ListingStated) and fact.shop_at
    assert (fact.ref, fact.holder, fact.quantity, fact.read_at) == ("13", "12:13", 5, NOW)
    assert fact.shop_at.isoformat() == "2026-11-23T04:26:23+00:00"


def test_recorded_errors_inside_a_200_concern_their_own_items() -> None:
    http = Scripted(**{"products/batch": recorded("products_batch_mixed_errors")})
    told = publish(http, of("136", 77), of("999999"), of("135"), of("4"))
    assert [outcome(receipt) for receipt in told] == ["done", "product_gone", "product_invalid_sku", "unknown"]
    words = [receipt.error.words for receipt in told[1:] if receipt.error]
    assert words == [
        "The shop no longer has SKU S-999999 where we know it.",
        "The shop refused the stock of SKU S-135: Invalid or duplicated SKU.",
        "The shop's answer says nothing of SKU S-4.",
    ]


def test_a_recorded_answer_under_the_wrong_parent() -> None:
    http = Scripted(**{"products/10/variations/batch": recorded("variations_batch_wrong_parent")})
    assert [outcome(receipt) for receipt in publish(http, of("10:13", 1))] == ["product_gone"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (row(10, "5.0"), "done"),
        (row(10, None, manage_stock=False), "stock_not_managed"),
        (row(10, 5, manage_stock="parent"), "stock_not_managed"),
        (row(10, 6), "stock_not_taken"),
        (row(10, None), "stock_not_taken"),
        (row(10, 5, backorders="notify"), "stock_not_taken"),
        (row(10, 4), "unknown"),
        (row(10, status="trash"), "product_gone"),
        ({"id": "10", "error": {"code": "woocommerce_rest_invalid_product_id"}}, "product_gone"),
        ({"id": [10]}, "unknown"),
    ],
)
def test_the_answer_tells_what_became_of_a_figure(said: dict[str, Any], expected: str) -> None:
    http = Scripted(**{"products/batch": batch(said, row(11))})
    assert [outcome(receipt) for receipt in publish(http, of("10"), of("11"))] == [expected, "done"]


def test_the_words_say_what_to_do_in_the_shop() -> None:
    http = Scripted(**{"products/batch": batch(row(10, None, manage_stock=False))})
    (receipt,) = publish(http, of("10"))
    assert receipt.error and receipt.error.words == (
        "The shop does not track the stock of SKU S-10. Switch on “Track stock quantity” on the product's Inventory tab in the "
        "shop, or stop publishing it."
    )


def test_an_answer_emptied_by_somebody_tells_nothing() -> None:
    http = Scripted(**{"products/batch": recorded("products_batch_update_stock_100")})
    assert [outcome(receipt) for receipt in publish(http, of("136", 55))] == ["unknown"]


# ---- whole requests
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((500, b'{"code":"internal_server_error"}'), ["unknown", "done"]),
        ((413, recorded("products_batch_over_limit_error")), ["woocommerce_rest_request_entity_too_large", "done"]),
        ((503, b"<html>"), ["later", "later"]),
        ((502, b"<html>"), ["unknown", "later"]),
        (Retry("refused", down=True), ["later", "later"]),
        ((401, b'{"code":"woocommerce_rest_cannot_batch"}'), ["Misconfigured", "Misconfigured"]),
        ((404, b'{"code":"rest_no_route"}'), ["Misconfigured", "Misconfigured"]),
    ],
)
def test_a_request_that_fails_concerns_its_own_figures_or_the_whole_shop(said: Any, expected: list[str]) -> None:
    http = Scripted(**{"products/batch": said, "products/12/variations/batch": batch(row(13))})
    told = publish(http, of("10"), of("12:13"))
    assert [outcome(receipt) for receipt in told] == expected
    assert len(http.sent) == (2 if "done" in expected else 1)
    assert isinstance(told[1].error, Misconfigured) == (expected[1] == "Misconfigured")
