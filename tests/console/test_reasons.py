"""Whatever opens an exception has its own words: the codes are read from the source, so that a new one cannot be forgotten."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import canonical
import retailsync
from canonical.models import Hold
from retailsync.flows import holds
from retailsync.sync.models import Case
from retailsync.sync.reasons import REASONS, reason

ROOT = Path(retailsync.__file__).parent
#: Calls that take a reason, and its place among their arguments.
PLACES = {"Trouble": 3, "Next": 2, "Check": 0, "Opening": 6, "_again": 4, "failed": 3}
SQL = re.compile(r"\\breason = '(\\w+)'")
#: Said by connectors only: the default of Refused, and what a target's own state does not allow any more.
FROM_CONNECTORS = {
    "refused",
    "status_changed",
    "delivered",
    "invoiced",
    "not_cancelled",
    "empty_order",
    "terms_mapping",
    "stock_not_taken",
    "stock_not_valid",
    "product_gone",
}


def codes() -> set[str]:
    """Every reason code written out in the corridor, the flows, and what is recorded."""
    recording = Path(canonical.__file__).parent / "recording"
    floors = ("sync", "flows", "partners")
    files = [*(file for floor in floors for file in (ROOT / floor).glob("*.py")), *recording.glob("*.py")]
    return {code for file in files for node in ast.walk(ast.parse(file.read_text())) for code in _in(node)}


def _in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            place = PLACES.get(name)
            if place is not None and len(node.args) > place:
                yield from _constants(node.args[place])
            for keyword in node.keywords:
                if keyword.arg == "reason":
                    yield from _constants(keyword.value)
        case ast.Assign(targets=[ast.Name(id="reason")], value=value):
            yield from _constants(value)
        case ast.Constant(value=str(text)):
            yield from SQL.findall(text)


def _constants(node: ast.AST) -> Iterator[str]:
    """The texts an expression may be: itself, or either side of a choice."""
    match node:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _constants(body)
            yield from _constants(orelse)


def test_the_reading_finds_what_it_should() -> None:
    assert codes() >= {
        "poison",
        "unsupported",
        "locked_out",
        "unreachable",
        "feed_failed",
        "retries_exhausted",
        "sku_mapping",
    }


def test_every_reason_in_use_has_its_words_and_every_word_is_in_use() -> None:
    assert codes() | set(Hold.Reason.values) | FROM_CONNECTORS == set(REASONS)


def test_every_hold_the_flows_place_is_a_known_one() -> None:
    assert set(Hold.Reason.values) >= holds.RECHECKED | holds.OVERRULED


@pytest.mark.parametrize("code", sorted(REASONS))
def test_a_reason_says_what_and_who_and_what_to_do(code: str) -> None:
    known = REASONS[code]
    assert reason(code) is known and known.title and known.step.endswith(".") and known.who in Case.Who.values
    assert [r.title for r in REASONS.values()].count(known.title) == 1
