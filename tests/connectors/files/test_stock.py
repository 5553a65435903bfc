"""A warehouse drops files, the poll takes them: what is said then, and where the files lie afterwards."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canonical.facts import CountsCompleted, CountsStated
from canonical.types import Counted
from connectors.base import Session
from connectors.files import polling
from connectors.files.polling import probe

from .house import AT, NAME, House

Make = Callable[..., House]


def run_of(house: House, name: str = NAME) -> str:
    (run,) = {f.run for f in house.facts() if f.run.startswith(name)}  # type: ignore[attr-defined]
    return str(run)


@pytest.mark.parametrize(
    ("complete", "beside"), [("trailer", []), ("done", [f"{NAME}.done"]), ("sha256", [f"{NAME}.sha256"])]
)
def test_a_complete_file_is_taken_and_archived(house: Make, complete: str, beside: list[str]) -> None:
    acme = house(complete=complete)
    acme.writer.drop(NAME, {"A": 3, "B": -1})
    assert acme.poll() == ""
    run = run_of(acme)
    assert acme.facts() == [
        CountsStated(
            occurred_at=AT, location="W1", run=run, part=1, rows=(Counted(sku="A", on_hand=3), Counted(sku="B", on_hand=-1))
        ),
        CountsCompleted(occurred_at=AT, location="W1", run=run, parts=1, rows=2, full=True),
    ]  # fmt: skip
    assert acme.held() == {"": [], "archive": ["processed.txt", NAME, *beside], "error": []}
    assert (acme.cursor, acme.poll()) == ("", "")


def test_every_figure_has_its_column_and_the_rest_is_passed_over(house: Make) -> None:
    """As a German warehouse writes them from its spreadsheet: cp1252, decimal commas, packs, two locations in any order."""
    acme = house(
        files="Bestand*.csv", encoding="cp1252", decimal=",", location="", full=False, complete="done", done=".fertig",
        timezone="Europe/Berlin", time_format="%d.%m.%Y %H:%M",
        columns={
            "sku": "Artikelnr.", "location": "Lager", "on_hand": "Bestand", "allocated": "Zugeteilt", "damaged": "Beschädigt",
            "quality_hold": "Gesperrt", "incoming": "Zulauf", "in_transit": "Unterwegs", "units_per_pack": "VE",
            "observed_at": "Stand",
        },
    )  # fmt: skip
    heading = "Artikelnr.;Bezeichnung;Lager;Bestand;Zugeteilt;Beschädigt;Gesperrt;Zulauf;Unterwegs;VE;Stand\r\n"
    rows = (
        '007;"Öl; 5 l\n""fein""";Nord;-1,00;0;;0;0;0;6;31.01.2026 06:00\r\n'
        " Ä1 ;Rohr 5;Süd;4;1;1;1;10;2,0;1;31.01.2026 06:00\r\n"
        "\r\n"
        "Ä1;Rohr 5;Nord;2;0;0;0;0;0;1;31.01.2026 06:00\r\n"
    )
    acme.writer.drop("Bestand.csv", (heading + rows).encode("cp1252"))
    assert acme.poll() == ""
    at, run = datetime(2026, 1, 31, 5, tzinfo=UTC), run_of(acme, "Bestand.csv")
    north = (Counted(sku="007", on_hand=-6), Counted(sku="Ä1", on_hand=2))
    south = (Counted(sku="Ä1", on_hand=4, allocated=1, damaged=1, quality_hold=1, incoming=10, in_transit=2),)
    assert sorted(acme.facts(), key=lambda f: (type(f).__name__, f.location)) == [  # type: ignore[attr-defined]
        CountsCompleted(occurred_at=at, location="Nord", run=run, parts=1, rows=2, full=False),
        CountsCompleted(occurred_at=at, location="Süd", run=run, parts=1, rows=1, full=False),
        CountsStated(occurred_at=at, location="Nord", run=run, part=1, rows=north),
        CountsStated(occurred_at=at, location="Süd", run=run, part=1, rows=south),
    ]


def test_a_byte_order_mark_is_no_part_of_a_heading(house: Make) -> None:
    acme = house(complete="done")
    acme.writer.drop(NAME, b"\xef\xbb\xbfSKU;Units\nA;1\n")
    assert (acme.poll(), len(acme.facts())) == ("", 2)


@pytest.mark.parametrize(
    ("profile", "name", "at"),
    [
        ({}, "stock_2026-01-31 0600.csv", AT),
        ({"timezone": "America/New_York"}, NAME, datetime(2026, 1, 31, 11, tzinfo=UTC)),
        ({}, "stock_20260131T0600+0100.csv", datetime(2026, 1, 31, 5, tzinfo=UTC)),
        ({"time_format": "%y%j-%H"}, "stock_26031-06.csv", AT),
        ({"files": "*_{time}_*.csv"}, "acme_20260131T0600_7.csv", AT),
        ({"files": "*.csv"}, NAME, datetime(2026, 1, 30, tzinfo=UTC)),
    ],
)
def test_a_name_or_the_time_of_writing_says_when_it_was_so(
    house: Make, profile: dict[str, Any], name: str, at: datetime
) -> None:
    acme = house(**profile)
    acme.writer.drop(name, {"A": 1})
    os.utime(acme.folder / name, (datetime(2026, 1, 30, tzinfo=UTC).timestamp(),) * 2)
    assert acme.poll() == ""
    assert {fact.occurred_at for fact in acme.facts()} == {at}


# ---- which, and when --------------------------------------------------------------------------------------------------------
def test_only_files_of_this_name_are_ours(house: Make) -> None:
    acme = house(complete="done")
    for name in ("orders_1.csv", "stock_1.csv.tmp", ".stock_1.csv", "Stock_1.csv", "stock_.csv"):
        acme.writer.drop(name, {"A": 1})
    assert (acme.poll(), acme.heard, len(acme.held()[""])) == ("", {}, 10)


@pytest.mark.parametrize("complete", ["trailer", "done", "sha256"])
def test_a_file_that_still_grows_is_not_taken(house: Make, complete: str) -> None:
    acme = house(complete=complete)
    whole = acme.writer.content({"A": 3})
    acme.writer.drop(NAME, whole, cut=12)
    acme.age(NAME, timedelta(seconds=5))
    assert (acme.poll(), acme.heard, NAME in acme.held()[""]) == ("", {}, True)
    acme.writer.drop(NAME, whole)
    assert (acme.poll(), len(acme.facts()), NAME in acme.held()["archive"]) == ("", 2, True)


@pytest.mark.parametrize("complete", ["done", "sha256"])
def test_a_file_waits_for_what_says_that_it_is_complete_but_not_in_silence(house: Make, complete: str) -> None:
    acme = house(complete=complete)
    acme.writer.drop(NAME, {"A": 3}, marked=False)
    assert (acme.poll(), acme.heard) == ("", {})
    acme.age(NAME, timedelta(minutes=61))
    assert acme.poll() == f"{NAME}: It has been there for 61 minutes without {NAME}.{complete}."
    acme.writer.mark(NAME, acme.writer.content({"A": 3}))
    assert (acme.poll(), len(acme.facts())) == ("", 2)


def test_files_are_taken_in_the_order_they_were_written(house: Make) -> None:
    acme = house()
    for hours, name in ((1, "stock_20260131T0800.csv"), (3, "stock_20260131T0600.csv"), (2, "stock_20260131T0700.csv")):
        acme.writer.drop(name, {"A": hours})
        acme.age(name, timedelta(hours=hours))
    list(acme.pages())
    assert [h.body.split(b"_20260131T0")[1][:3] for h in acme.heard.values()] == [b"600"] * 2 + [b"700"] * 2 + [
        b"800"
    ] * 2


# ---- again ------------------------------------------------------------------------------------------------------------------
def test_the_same_file_again_is_a_duplicate(house: Make) -> None:
    acme = house(files="stock*.csv")
    for name in ("stock.csv", "stock.csv", "stock-again.csv"):
        acme.writer.drop(name, {"A": 1})
        assert acme.poll() == ""
    assert len(acme.heard) == 2
    assert acme.held()["archive"] == [
        "processed.txt",
        "stock-again.csv.duplicate",
        "stock.csv",
        "stock.csv.duplicate",
    ]


def test_the_same_figures_at_another_time_are_no_duplicate(house: Make) -> None:
    acme = house()
    for name in (NAME, "stock_20260201T0600.csv", NAME):
        acme.writer.drop(name, {"A": 1})
        assert acme.poll() == ""
    assert sorted({f.occurred_at.day for f in acme.facts()}) == [1, 31]
    assert acme.held()["archive"] == [
        "processed.txt",
        "stock_20260131T0600.csv",
        f"{NAME}.duplicate",
        "stock_20260201T0600.csv",
    ]


def test_other_figures_under_the_same_name_are_another_file(house: Make) -> None:
    acme = house(files="stock.csv")
    for units in (1, 2):
        acme.writer.drop("stock.csv", {"A": units})
        assert acme.poll() == ""
    assert (len(acme.facts()), acme.held()["archive"]) == (4, ["processed.txt", "stock.csv", "stock.csv.2"])


# ---- page by page -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of two rows, pages of five."""
    monkeypatch.setattr(polling, "PART", 2)
    monkeypatch.setattr(polling, "ROWS", 5)


STOCK = {f"S{n}": n for n in range(12)}


def skus(house: House) -> list[str]:
    return [row.sku for f in house.facts() if isinstance(f, CountsStated) for row in f.rows]


def test_a_page_is_a_few_parts_and_nothing_is_whole_before_the_last(house: Make, small: None) -> None:
    acme = house()
    acme.writer.drop(NAME, STOCK)
    said = [[h.topic.removeprefix("counts.") for h in page.heard] for page in acme.pages()]
    assert said == [[], ["part"] * 3, ["part"] * 3, ["part", "done"], [], []]
    assert sorted(skus(acme)) == sorted(STOCK)


@pytest.mark.parametrize("dies_after", range(5))
def test_a_poll_that_dies_goes_on_where_it_was_stored(house: Make, small: None, dies_after: int) -> None:
    """What was done to the files and what was said in the step that died is done and said again, and counts once."""
    acme = house()
    acme.writer.drop(NAME, STOCK)
    for _ in range(dies_after):
        acme.step()
    stored = acme.cursor, dict(acme.heard)
    acme.step()
    acme.cursor, acme.heard = stored
    assert acme.poll() == ""
    assert (sorted(skus(acme)), len(acme.heard)) == (sorted(STOCK), 8)
    assert (acme.held()[""], NAME in acme.held()["archive"]) == ([], True)


@pytest.mark.parametrize("cursor", ["", "x", '{"name":"../../x"}'])
def test_a_cursor_that_was_lost_or_written_by_hand_begins_anew_and_says_nothing_twice(
    house: Make, small: None, cursor: str
) -> None:
    acme = house()
    acme.writer.drop(NAME, STOCK)
    for _ in range(3):
        acme.step()
    acme.cursor = cursor
    assert (acme.poll(), len(acme.heard), sorted(skus(acme))) == ("", 8, sorted(STOCK))


def test_a_cursor_does_not_lead_out_of_the_folder(house: Make) -> None:
    acme = house()
    acme.writer.drop(NAME, STOCK)
    acme.step()
    outside = acme.folder.parent / "secret.csv"
    outside.write_bytes(acme.writer.content(STOCK))
    for name in ("../secret.csv", str(outside), "..", ""):
        acme.cursor = acme.cursor.replace(NAME, name).replace('"done":false', '"done":true')
        assert (acme.poll(), outside.exists()) == ("", True)


def test_a_file_that_is_changed_between_two_pages_is_read_anew(house: Make, small: None) -> None:
    """The parts handed out belong to a run that never becomes whole."""
    acme = house()
    acme.writer.drop(NAME, STOCK)
    acme.step(), acme.step()
    acme.writer.drop(NAME, {**STOCK, "S1": 100})
    assert acme.poll() == ""
    whole = [f for f in acme.facts() if isinstance(f, CountsCompleted)]
    runs = {f.run for f in acme.facts()}  # type: ignore[attr-defined]
    assert (len(whole), len(runs), whole[0].rows) == (1, 2, 12)
    assert sum(len(f.rows) for f in acme.facts() if isinstance(f, CountsStated) and f.run == whole[0].run) == 12


def test_a_file_that_grows_while_it_is_checked_is_left_alone(house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = house(complete="done")
    acme.writer.drop(NAME, {"A": 1})
    check = polling._check

    def slow_check(settings: Any, table: Any) -> str:
        with (acme.folder / NAME).open("ab") as late:
            late.write(b"B;1\r\n")
        return check(settings, table)

    monkeypatch.setattr(polling, "_check", slow_check)
    assert (acme.poll(), acme.heard, NAME in acme.held()[""]) == ("", {}, True)


def test_a_probe_says_what_waits(house: Make) -> None:
    acme = house()
    acme.writer.drop(NAME, STOCK)
    session = Session("acme", acme.settings, {}, None, acme.clock)  # type: ignore[arg-type]
    assert probe(session) == f"{acme.folder} is there: 1 waiting, 0 with errors."
