"""A missed target is said with its distance."""

from datetime import UTC, datetime

from benchmarks.house import Machine
from benchmarks.report import Claim, Section, page


def test_a_claim_is_met_or_missed_by_so_much() -> None:
    assert Claim("a ÷ b", 0.8, 0.75).verdict == "met"
    assert Claim("a ÷ b", 15.0, 30.0).verdict == "missed: 50 % below"


def test_the_page_names_machine_command_and_ratios() -> None:
    section = Section("P1 door", "8 s.", "numbers", [Claim("a ÷ b", 0.5, 0.75)])
    text = page(
        [section],
        Machine(2, "18.4", "3.11.7", "0.10 0.10 0.10"),
        "python -m benchmarks p1",
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert "2 cores, PostgreSQL 18.4" in text
    assert "`python -m benchmarks p1`" in text
    assert "| a ÷ b | 0.50 | ≥ 0.75 | missed: 33 % below |" in text
