"""A missed target is said with its distance; the page keeps what was not measured again."""

from datetime import UTC, datetime

from benchmarks.house import Machine
from benchmarks.report import Claim, Section, page, percentile

MACHINE = Machine(2, "18.4", "3.11.7", "0.10 0.10 0.10")
AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_claim_is_met_or_missed_by_so_much() -> None:
    assert Claim("a ÷ b", 0.8, 0.75).verdict == "met"
    assert Claim("a ÷ b", 15.0, 30.0).verdict == "missed: 50 % below"
    assert Claim("p50", 0.2, 0.3, at_most=True).verdict == "met"
    assert Claim("p50", 0.6, 0.3, at_most=True).verdict == "missed: 100 % above"
    assert Claim("only told", 7.0).verdict == ""


def test_the_page_names_machine_command_and_ratios() -> None:
    section = Section("P1 door", "8 s.", "numbers", [Claim("a ÷ b", 0.5, 0.75)])
    text = page([section], MACHINE, "python -m benchmarks p1", AT)
    assert "2 cores, PostgreSQL 18.4" in text
    assert "`python -m benchmarks p1`" in text
    assert "| a ÷ b | 0.50 | ≥ 0.75 | missed: 33 % below |" in text


def test_what_is_measured_again_takes_the_place_of_what_was_and_the_rest_stays() -> None:
    first = [Section("P1 door", "8 s.", "old door"), Section("P9 real ERP", "", "old odoo")]
    old = page(first, MACHINE, "python -m benchmarks", AT)
    new = page(
        [Section("P1 door", "8 s.", "new door"), Section("P3 whole path", "", "path")], MACHINE, "p1 p3", AT, old
    )
    assert [line for line in new.splitlines() if line.startswith("#") or line in ("new door", "path", "old odoo")] == [
        "# Benchmarks", "## P1 door", "new door", "## P3 whole path", "path", "## P9 real ERP", "old odoo",
    ]  # fmt: skip
    assert "old door" not in new
    assert page([], MACHINE, "", AT, new) == new


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert [percentile(range(1, 101), share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 51, 100, 100]
    assert percentile([7.0], 0.99) == 7.0
