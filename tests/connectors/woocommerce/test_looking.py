"""Looking at what a shop shows of its stock."""

import json
from typing import Any

import pytest

from canonical.commands import Refresh
from canonical.facts import Gone, ListingStated
from connectors.base import Heard, Job
from connectors.errors import Misconfigured, Retry
from connectors.woocommerce import connector
from tests.connectors.woocommerce.conftest import recorded
from tests.connectors.woocommerce.test_publishing import Scripted, facts, row, session

GONE = (404, recorded("order_get_404"))


def look(http: Scripted, *holders: str) -> list[Heard]:
    return list(connector.looks_up["listing"](session(http), holders))


def listed(*rows: Any) -> bytes:
    return json.dumps(rows).encode()


def test_one_request_for_products_and_one_for_each_parent() -> None:
    http = Scripted(
        **{
            "products": listed(row(10, 4), row(11, None, manage_stock=False)),
            "products/12/variations": listed(row(13, 7), row(14, 9, manage_stock="parent")),
        }
    )
    told = look(http, "10", "12:13", "11", "12:14", "10")
    assert [(one.topic, one.asked_at is not None) for one in told] == [("stock.read", True)] * 4
    assert len({one.key for one in told}) == 4
    shown = {
        fact.ref: (fact.holder, fact.managed, fact.quantity) for fact in facts(told) if isinstance(fact, ListingStated)
    }
    assert shown == {"10": ("10", True, 4), "11": ("11", False, 0), "13": ("12:13", True, 7), "14": ("12", True, 9)}
    assert [path for path, _ in http.sent] == ["products", "products/12/variations"]


def test_a_list_is_asked_a_hundred_at_a_time() -> None:
    http = Scripted(products=[listed(*(row(id) for id in range(1, 101))), listed(row(101))])
    assert len(look(http, *(str(id) for id in range(1, 102)))) == 101
    assert len(http.sent) == 2


def test_what_a_list_does_not_show_is_asked_for_by_itself() -> None:
    http = Scripted(
        **{
            "products": listed(),
            "products/10": json.dumps(row(10)).encode(),
            "products/11": GONE,
            "products/14": json.dumps(row(14, status="trash")).encode(),
        }
    )
    told = look(http, "10", "11", "14")
    assert [one.topic for one in told] == ["stock.read", "stock.missing", "stock.missing"]
    assert [(fact.entity, fact.ref, fact.version) for fact in facts(told) if isinstance(fact, Gone)] == [
        ("listing", "11", 1795407983), ("listing", "14", 1795407983),
    ]  # fmt: skip


def test_a_parent_that_is_gone_takes_its_variations_along() -> None:
    told = look(Scripted(**{"products/12/variations": GONE}), "12:13", "12:14")
    assert [(one.topic, json.loads(one.body)["id"]) for one in told] == [
        ("stock.missing", "12:13"), ("stock.missing", "12:14"),
    ]  # fmt: skip


def test_what_is_no_address_is_missing_without_asking() -> None:
    http = Scripted()
    assert [one.topic for one in look(http, "ten", "1:2:3", "")] == ["stock.missing"] * 3 and not http.sent


@pytest.mark.parametrize(
    ("said", "error"), [((503, b""), Retry), ((404, b'{"code":"rest_no_route"}'), Misconfigured), (b"{}", Retry)]
)
@pytest.mark.parametrize("holder", ["10", "12:13"])
def test_trouble_fails_the_whole_look(said: Any, error: type[Exception], holder: str) -> None:
    with pytest.raises(error):
        look(Scripted(**{"products": said, "products/12/variations": said}), holder, "11")


def test_a_listing_can_be_refreshed_by_its_address() -> None:
    http = Scripted(**{"products/12/variations": listed(row(13, 7))})
    job = Job(1, "key", Refresh(entity="listing", external_id="12:13"))
    (receipt,) = connector.sends[Refresh].send(session(http), [job])
    (fact,) = facts(receipt.heard)
    assert isinstance(fact, ListingStated)
    assert (receipt.external_id, fact.holder, fact.quantity) == ("12:13", "12:13", 7)
