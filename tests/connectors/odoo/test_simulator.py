"""The simulator answers as a real Odoo 19 did, and keeps what it said it kept."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from connectors.odoo.simulator import Odoo
from tests.connectors.odoo.conftest import Desk, customer, order, recorded


def post(odoo: Odoo, path: str, body: Any) -> Any:
    """One call as any client would make it."""
    request = urllib.request.Request(f"{odoo.url}/json/2/{path}", json.dumps(body).encode(), method="POST")  # noqa: S310
    request.add_header("Authorization", "bearer odoo-key")
    request.add_header("X-Odoo-Database", "odoo")
    with urllib.request.urlopen(request) as response:  # noqa: S310
        return json.load(response)


def loaded(odoo: Odoo, name: str) -> Any:
    """Replay a recorded load; the partner and products it names exist here under other ids."""
    body = recorded(name)["request"]
    ids = {"21": "1", "14": "1", "15": "3"}
    data = [[ids.get(cell, cell) if i in (1, 4) else cell for i, cell in enumerate(row)] for row in body["data"]]
    return post(odoo, "sale.order/load", {**body, "data": data})


def test_load_answers_as_recorded(desk: Desk) -> None:
    first, again = loaded(desk.odoo, "load_first"), loaded(desk.odoo, "load_first")
    two = loaded(desk.odoo, "load_two_lines")
    assert first == again == {"ids": [1], "messages": [], "nextrow": 0}
    assert two == {**recorded("load_two_lines")["body"], "ids": [2]}
    assert [[n["sku"] for n in o["lines"]] for o in desk.orders()] == [["W1-MUG-BLUE"], ["W1-MUG-BLUE", "W1-PLATE-S"]]


def test_a_bad_load_names_what_is_wrong_as_recorded(desk: Desk) -> None:
    said, real = loaded(desk.odoo, "load_bad"), recorded("load_bad")["body"]
    for message in real["messages"]:
        message.pop("moreinfo", None)
    key = ("record", "field", "message", "rows", "type")
    assert said["ids"] is False
    assert [{k: m[k] for k in key} for m in said["messages"]] == [{k: m[k] for k in key} for m in real["messages"]]
    assert desk.orders() == []


def test_a_line_stated_without_taxes_gets_the_default_one(desk: Desk) -> None:
    loaded(desk.odoo, "load_first")
    assert [n["taxes"] for n in desk.orders()[0]["lines"]] == [[21.0]]


TOTALS = recorded("totals")


@pytest.mark.parametrize("number", range(len(TOTALS)))
def test_totals_are_those_a_real_odoo_computed(desk: Desk, number: int) -> None:
    made = TOTALS[number]
    tax = desk.odoo.records.create("account.tax", {"amount": 8.875, "type_tax_use": "sale", "amount_type": "percent"})
    ids = {"21.0": 1, "9.0": 2, "15.0": 3, "19.0": 4, "7.0": 5, "0.0": 6, "8.875": tax}
    cells = [
        [f"1.{i}", "1", str(units), price, ",".join(str(ids[r]) for r in rates)]
        for i, (units, price, rates) in enumerate(made["lines"])
    ]
    fields = [
        "id",
        "partner_id/.id",
        *(f"order_line/{f}" for f in ("id", "product_id/.id", "product_uom_qty", "price_unit", "tax_ids/.id")),
    ]
    data = [[*(("x.1", "1") if i == 0 else ("", "")), *line] for i, line in enumerate(cells)]
    [id] = post(desk.odoo, "sale.order/load", {"fields": fields, "data": data})["ids"]
    order = desk.odoo.store.table("sale.order")[id]
    assert [order[f"amount_{what}"] for what in ("untaxed", "tax", "total")] == [
        made["untaxed"],
        made["tax"],
        made["total"],
    ]


def test_a_short_transfer_asks_about_a_backorder(desk: Desk) -> None:
    desk.confirmed(order())
    post(
        desk.odoo, "stock.picking/write", {"ids": [1], "vals": {"move_ids": [[1, 1, {"quantity": 1, "picked": True}]]}}
    )
    said = post(desk.odoo, "stock.picking/button_validate", {"ids": [1]})
    real = recorded("validate_question")["body"]
    assert {k: said[k] for k in ("name", "type", "res_model")} == {k: real[k] for k in ("name", "type", "res_model")}
    assert [p["state"] for p in desk.orders()[0]["pickings"]] == ["assigned"]


@pytest.mark.parametrize(
    ("path", "body", "status", "name"),
    [
        ("sale.order/action_confirm", {"ids": [1]}, 422, "odoo.exceptions.UserError"),
        ("sale.order/write", {"ids": [9], "vals": {"origin": "x"}}, 404, "odoo.exceptions.MissingError"),
        ("sale.order/write", {"ids": [1], "vals": {"nosuch": 1}}, 500, "builtins.ValueError"),
        ("no.such/read", {}, 404, "werkzeug.exceptions.NotFound"),
        ("sale.order/no_such", {}, 404, "werkzeug.exceptions.NotFound"),
    ],
)
def test_errors_have_odoos_names(desk: Desk, path: str, body: Any, status: int, name: str) -> None:
    desk.confirmed(order())
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(desk.odoo, path, body)
    assert (caught.value.code, json.load(caught.value)["name"]) == (status, name)


def mugs(desk: Desk) -> tuple[float, float]:
    """On hand and reserved in WH."""
    figures: dict[str, tuple[float, float]] = desk.odoo.state()["stock"]["WH"]
    return figures.get("W1-MUG-BLUE", (0, 0))


def reserved(desk: Desk) -> list[tuple[float, str]]:
    """What the orders' deliveries have got of mugs."""
    moves = [m for o in desk.orders() for m in o["pickings"][0]["moves"]]
    return [(m["quantity"], m["state"]) for m in moves if m["sku"] == "W1-MUG-BLUE"]


def test_an_order_reserves_its_delivery_takes_away_its_cancellation_lets_go(desk: Desk) -> None:
    desk.odoo.set_stock("W1-MUG-BLUE", "WH", 10)
    desk.confirmed(order(1), order(2))
    assert mugs(desk) == (10, 6)
    post(
        desk.odoo, "stock.picking/write", {"ids": [1], "vals": {"move_ids": [[1, 2, {"quantity": 1, "picked": True}]]}}
    )
    post(desk.odoo, "stock.picking/button_validate", {"ids": [1], "context": {"skip_backorder": True}})
    assert mugs(desk) == (9, 5)
    desk.by_hand(1, "cancel")
    assert mugs(desk) == (9, 3)


def test_it_reserves_no_more_than_there_is(desk: Desk) -> None:
    desk.odoo.set_stock("W1-MUG-BLUE", "WH", 4)
    desk.confirmed(order(1), order(2))
    assert mugs(desk) == (4, 4)
    assert reserved(desk) == [(3, "assigned"), (1, "partially_available")]
    assert [o["pickings"][0]["state"] for o in desk.orders()] == ["assigned"] * 2


def test_what_left_is_taken_back_from_the_latest_and_what_comes_goes_to_who_waits(desk: Desk) -> None:
    """As seen on Odoo 19.0."""
    desk.odoo.set_stock("W1-MUG-BLUE", "WH", 6)
    desk.confirmed(order(1), order(2))
    desk.odoo.set_stock("W1-MUG-BLUE", "WH", 4)
    assert mugs(desk) == (4, 4)
    assert reserved(desk) == [(3, "assigned"), (1, "partially_available")]
    desk.odoo.receive("W1-MUG-BLUE", "WH", 10)
    assert mugs(desk) == (14, 6)
    assert reserved(desk) == [(3, "assigned"), (3, "assigned")]


def test_people_count_receive_and_promise(desk: Desk) -> None:
    def do(action: str, **body: Any) -> Any:
        body |= {} if action == "let_go" else {"sku": "W1-MUG-BLUE", "warehouse": "WH"}
        request = urllib.request.Request(  # noqa: S310
            f"{desk.odoo.url}/_sim/stock/{action}", json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return json.load(response)["answer"], mugs(desk)

    assert do("set_stock", quantity=5) == (None, (5, 0))
    assert do("receive", units=2) == (None, (7, 0))
    promise, after = do("reserve_for_somebody_else", units=3)
    assert after == (7, 3)
    assert do("let_go", promise=promise) == (None, (7, 0))
    assert do("set_stock", quantity=0) == (None, (0, 0))
    assert "W1-MUG-BLUE" not in desk.odoo.state()["stock"]["WH"]


def test_what_it_said_survives_its_end(tmp_path: Path) -> None:
    with Odoo(store=tmp_path) as odoo:
        desk = Desk(odoo)
        desk.send(customer())
        desk.confirmed(order())
        before = odoo.state()
    with Odoo(store=tmp_path) as again:
        assert again.state() == before
        assert Desk(again).send(customer())[0].external_id == "1"
