"""What an older release calls otherwise, both ways."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from connectors.odoo.releases import Release

LOAD = {
    "fields": ["id", "note", "order_line/id", "order_line/tax_ids/.id", "order_line/price_unit"],
    "data": [["x.1", "a &amp; b<br/>c", "x.2", "1,2", "1.00"], ["", "", "x.3", "", "2.00"]],
}
NEW: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "load": ("sale.order", LOAD),
    "write lines": ("sale.order", {"ids": [1], "vals": {"order_line": [[1, 2, {"tax_ids": [[6, 0, [1]]]}], [2, 3]]}}),
    "ship": ("stock.picking", {"ids": [4], "vals": {"move_ids": [[1, 5, {"quantity": 2, "picked": True}], [1, 6, {"picked": False}]]}}),
    "mark": ("stock.picking", {"ids": [4], "vals": {"note": "<p>Call &lt;first&gt;</p><p>shop.shipment_1: PostNL</p>"}}),
    "search": ("sale.order.line", {"domain": ["|", ["tax_ids", "=", 1], ["order_id.name", "=", "S1"]], "fields": ["tax_ids", "name"]}),
    "create": ("sale.order.line", {"vals_list": [{"tax_ids": []}, {"name": "x"}]}),
}  # fmt: skip
OLD: Mapping[str, Mapping[str, Any]] = {
    "load": {
        "fields": ["id", "note", "order_line/id", "order_line/tax_id/.id", "order_line/price_unit"],
        "data": [["x.1", "a & b\nc", "x.2", "1,2", "1.00"], ["", "", "x.3", "", "2.00"]],
    },
    "write lines": {"ids": [1], "vals": {"order_line": [[1, 2, {"tax_id": [[6, 0, [1]]]}], [2, 3]]}},
    "ship": {"ids": [4], "vals": {"move_lines": [[1, 5, {"quantity_done": 2}], [1, 6, {"quantity_done": 0}]]}},
    "mark": {"ids": [4], "vals": {"note": "Call <first>\nshop.shipment_1: PostNL"}},
    "search": {"domain": ["|", ["tax_id", "=", 1], ["order_id.name", "=", "S1"]], "fields": ["tax_id", "name"]},
    "create": {"vals_list": [{"tax_id": []}, {"name": "x"}]},
}


@pytest.mark.parametrize("case", NEW)
def test_the_oldest_release_is_asked_in_its_words(case: str) -> None:
    assert Release(14).told(*NEW[case]) == OLD[case]


@pytest.mark.parametrize("case", NEW)
def test_the_newest_is_asked_as_it_is(case: str) -> None:
    model, arguments = NEW[case]
    assert Release(19).told(model, arguments) == arguments


def test_each_word_changes_with_its_own_release() -> None:
    ship = NEW["ship"]
    said = {number: Release(number).told(*ship)["vals"] for number in range(14, 20)}
    done, left = {"quantity_done": 2}, {"quantity_done": 0}
    old, new = [[1, 5, done], [1, 6, left]], ship[1]["vals"]["move_ids"]
    assert said == {
        14: {"move_lines": old}, 15: {"move_lines": old}, 16: {"move_ids": old},
        17: {"move_ids": new}, 18: {"move_ids": new}, 19: {"move_ids": new},
    }  # fmt: skip


READ = (
    ("stock.move", ["product_uom_qty", "picked"], b'[{"id":1,"product_uom_qty":1.10,"quantity_done":0.0}]',
     [{"id": 1, "product_uom_qty": 1.1, "picked": False}]),
    ("stock.move", ["quantity", "picked"], b'[{"id":1,"quantity_done":2.0}]', [{"id": 1, "quantity": 2.0, "picked": True}]),
    ("sale.order", ["state", "locked"], b'[{"id":1,"state":"done"}]', [{"id": 1, "state": "done", "locked": True}]),
    ("sale.order.line", ["tax_ids"], b'[{"id":1,"tax_id":[3]}]', [{"id": 1, "tax_ids": [3]}]),
    ("stock.picking", ["note"], b'[{"id":1,"note":"a & b\\nc"},{"id":2,"note":false}]',
     [{"id": 1, "note": "<p>a &amp; b</p><p>c</p>"}, {"id": 2, "note": False}]),
)  # fmt: skip


@pytest.mark.parametrize(("model", "fields", "said", "heard"), READ)
def test_its_answers_are_heard_in_ours(model: str, fields: list[str], said: bytes, heard: Any) -> None:
    result = Release(14).heard(model, "search_read", {"fields": fields}, said)
    assert msgspec.json.decode(result) == heard


def test_what_is_asked_twice_in_one_old_word_is_asked_once() -> None:
    assert Release(16).told("stock.move", {"fields": ["quantity", "picked"]}) == {"fields": ["quantity_done"]}


def test_definitions_of_fields_are_heard_by_our_names() -> None:
    said = Release(16).heard(
        "sale.order.line", "fields_get", {"allfields": ["tax_ids"]}, b'{"tax_id":{"type":"many2many"}}'
    )
    assert msgspec.json.decode(said) == {"tax_ids": {"type": "many2many"}}


def test_an_answer_of_another_shape_is_not_understood() -> None:
    with pytest.raises(msgspec.ValidationError):
        Release(16).heard("sale.order.line", "search_read", {"fields": ["tax_ids"]}, b'{"tax_id":1}')


@pytest.mark.parametrize(
    ("version", "number"), [("16.0", 16), ("saas~17.4", 17), ("19.1a1+e", 19), ("18.0-20250101", 18), ("master", 19)]
)
def test_a_release_is_named_by_its_version(version: str, number: int) -> None:
    assert Release.named(version) == Release(number)
