"""Files that cannot be taken: nothing of them is said, they lie in `error/` with a note, and the next good file is taken."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.errors import Misconfigured
from connectors.files.settings import Settings

from .house import NAME, PROFILE, House

Make = Callable[..., House]
NEXT = "stock_20260201T0600.csv"
DONE = {"complete": "done"}
FULL: dict[str, Any] = {
    "complete": "done", "location": "",
    "columns": {"sku": "SKU", "on_hand": "Units", "damaged": "Bad", "location": "Place", "units_per_pack": "Pack"},
}  # fmt: skip
HEAD = b"SKU;Units;Bad;Place;Pack\n"


def refused(acme: House, name: str = NAME) -> str:
    """What is said of a file; nothing else came of it, and the next file was taken all the same."""
    acme.writer.drop(NEXT, {"Z": 1} if acme.settings.columns.location == "" else HEAD + b"Z;1;0;W1;1\n")
    words = acme.poll()
    held = acme.held()
    assert {f.occurred_at.day for f in acme.facts()} == {1}
    assert (NEXT in held["archive"], held[""], f"{name}.why.txt" in held["error"]) == (True, [], True)
    assert acme.notes() == [f"{words}\n"]
    return words.removeprefix(f"{name}: ")


@pytest.mark.parametrize(
    ("profile", "raw", "words"),
    [
        (DONE, b"", "The file is empty."),
        (DONE, b"SKU;Units\n", "It has no rows. An empty warehouse lists its SKUs with 0."),
        (DONE, b"SKU;Units\nA;1", "line 2: has no line end: the file is cut off."),
        (DONE, b"SKU;Units\nA;1\nB", "line 3: has 1 columns, not 2. The file ends in the middle of this line."),
        (DONE, b"SKU;Units\nA;1\nB\n", "line 3: has 1 columns, not 2."),
        (DONE, b"SKU;Units\nA;1;2\n", "line 2: has 3 columns, not 2."),
        (DONE, b"SKU,Units\nA,1\n", "line 1: the column “SKU” is not there; the headings are SKU,Units."),
        (DONE, b"sku;Qty;Units\n", "line 1: the column “SKU” is not there; the headings are sku, Qty, Units."),
        (DONE, b"SKU;Units;Units\n", "line 1: the column “Units” is twice; the headings are SKU, Units, Units."),
        (DONE, b"SKU;Units\nA;\n", "line 2: “Units” must be a whole number, not “”."),
        (DONE, b"SKU;Units\nA;few\n", "line 2: “Units” must be a whole number, not “few”."),
        (DONE, b"SKU;Units\nA;1.5\n", "line 2: “Units” must be a whole number, not “1.5”."),
        (DONE, b"SKU;Units\nA;1,000\n", "line 2: “Units” must be a whole number, not “1,000”."),
        (DONE, b"SKU;Units\nA;1e3\n", "line 2: “Units” must be a whole number, not “1e3”."),
        ({**DONE, "decimal": ","}, b"SKU;Units\nA;1.000\n", "line 2: “Units” must be a whole number, not “1.000”."),
        (DONE, b"SKU;Units\nA;9999999999\n", "line 2: “Units” cannot be 9999999999."),
        (DONE, "SKU;Units\nA;١\n".encode(), "line 2: “Units” must be a whole number, not “١”."),
        (DONE, b"SKU;Units\n;1\n", "line 2: “SKU” is empty."),
        (DONE, b"SKU;Units\n%b;1\n" % (b"x" * 101), "line 2: “SKU” is longer than 100 characters."),
        (DONE, b"SKU;Units\nA;1\nB;1\nA;1\n", "line 4: names A again; add up what lies in several places."),
        (DONE, b"SKU;Units\nA;1\n\xc4;1\n", "line 3: is not utf-8 (byte 1 of the line)."),
        ({**DONE, "encoding": "cp1252"}, b"SKU;Units\nA\x81;1\n", "line 2: is not cp1252 (byte 2 of the line)."),
        (DONE, b"SKU;Units\nA;1\0\n", "line 2: has a NUL byte."),
        (DONE, b'SKU;Units\nA;1\n"B;1\nC;1\n', "line 3: is not CSV: unexpected end of data."),
        (DONE, b'SKU;Units\n"A"x;1\n', "line 2: is not CSV: ';' expected after '\"'."),
        (DONE, b"SKU;Units\n%b;1\n" % (b"x" * 70_000), "line 2: is longer than 65536 bytes."),
        (FULL, HEAD + b"A;1;-1;W1;1\n", "line 2: “Bad” cannot be -1."),
        (FULL, HEAD + b"A;1;0;W1;0\n", "line 2: “Pack” must be at least 1."),
        (FULL, HEAD + b"A;1;0;;1\n", "line 2: “Place” is empty."),
        (FULL, HEAD + b"A;999999999;0;W1;2\n", "line 2: “Units” cannot be 1999999998."),
        (FULL, HEAD + b"A;1;0;W1;1\nA;1;0;W2;1\nA;1;0;W1;1\n", "line 4: names A again; add up what lies in several places."),
        ({}, b"SKU;Units\nA;1\n", "The file is cut off: its last row does not begin with “END” (line 2)."),
        ({}, b"SKU;Units\nA;1\nEND;2;1\n", "line 3: says 2 rows, but there are 1."),
        ({}, b"SKU;Units\nA;1\nEND;1;7\n", "line 3: says 7 units in total, but there are 1."),
        ({}, b"SKU;Units\nA;1\nEND;1\n", "line 3: is the trailer and has 2 columns, not 3."),
        ({}, b"SKU;Units\nA;1\nEND;x;1\n", "line 3: says x rows, but there are 1."),
        ({}, b"SKU;Units\nA;1\nEND;1;1\nB;1\n", "line 4: comes after the trailer in line 3."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(house: Make, profile: dict[str, Any], raw: bytes, words: str) -> None:
    acme = house(**profile)
    acme.writer.drop(NAME, raw)
    assert refused(acme) == words


@pytest.mark.parametrize("complete", ["trailer", "sha256", "done"])
def test_a_file_cut_anywhere_is_never_taken_for_less_stock(house: Make, complete: str) -> None:
    """A marker that was written all the same cannot show a cut at the end of a line: only the two other proofs can."""
    acme = house(complete=complete)
    whole = acme.writer.content({f"S{n}": n for n in range(1, 40)})
    cuts = [cut for cut in range(len(whole) - 2) if complete != "done" or whole[cut - 1 : cut] != b"\n"]
    for cut in cuts[:: 1 if complete != "sha256" else 7]:
        acme.writer.drop(NAME, whole, cut=cut)
        assert acme.step().heard == ()
        assert acme.cursor == "", cut
    assert len(acme.notes()) == len(acme.held()["error"]) // (2 if complete == "trailer" else 3)
    acme.writer.drop(NAME, whole)
    acme.poll()
    assert len(acme.facts()) == 2


def test_a_file_that_is_not_what_its_hash_says_is_not_taken(house: Make) -> None:
    acme = house(complete="sha256")
    acme.writer.drop(NAME, {"A": 1})
    acme.writer.mark(NAME, b"something else")
    assert "it is cut off or was changed." in refused(acme)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stock_yesterday.csv", "“yesterday” is not a time with day and hour as the settings expect it."),
        ("stock_20260131.csv", "“20260131” is not a time with day and hour as the settings expect it."),
        ("stock_2026-01-31.csv", "“2026-01-31” is not a time with day and hour as the settings expect it."),
        ("stock_29990131T0600.csv", "It is of 2999-01-31 06:00+00:00, which lies in the future or before the year 2000."),
        ("stock_00010101T0000+1400.csv", "It is of 0001-01-01 00:00+14:00, which lies in the future or before the year 2000."),
        ("stock_a\nb.csv", "Its name has characters we do not write, or is too long."),
        (f"stock_{'x' * 200}.csv", "Its name has characters we do not write, or is too long."),
    ],
)  # fmt: skip
def test_a_name_that_says_no_time_is_not_taken(house: Make, name: str, words: str) -> None:
    acme = house()
    acme.writer.drop(name, {"A": 1})
    assert refused(acme, name.replace("\n", "_")[:150]) == words


def test_rows_of_different_times_are_no_count(house: Make) -> None:
    acme = house(files="stock*.csv", complete="done", columns={"sku": "SKU", "on_hand": "Units", "observed_at": "At"})
    acme.writer.drop("stock.csv", b"SKU;Units;At\nA;1;2026-01-31T06:00\nB;1;2026-01-31T07:00\n")
    assert acme.poll() == "stock.csv: line 3: is of 2026-01-31T07:00, the rows before it of 2026-01-31T06:00."


def test_what_is_wrong_is_told_until_somebody_takes_the_note_away(house: Make) -> None:
    acme = house()
    for n in range(1, 6):
        acme.writer.drop(f"stock_{n}.csv", {"A": n}, cut=3)
    words = acme.poll()
    assert (words.count("cut off") + words.count("not there"), words.endswith(" And 2 more.")) == (3, True)
    assert acme.poll() == words
    for note in (acme.folder / "error").glob("*.why.txt"):
        note.unlink()
    assert (acme.poll(), len(acme.held()["error"])) == ("", 5)


# ---- what is none of our business -------------------------------------------------------------------------------------------
def test_a_link_is_not_followed(house: Make, tmp_path: Path) -> None:
    acme = house(complete="done")
    outside = tmp_path / "outside.csv"
    outside.write_bytes(b"SKU;Units\nA;1\n")
    (acme.folder / NAME).symlink_to(outside)
    os.utime(acme.folder / NAME, (1_700_000_000,) * 2, follow_symlinks=False)
    acme.writer.mark(NAME, b"")
    assert refused(acme).startswith("It is a link, or may not be read")
    assert outside.exists()


def test_a_pipe_keeps_nobody_waiting(house: Make) -> None:
    acme = house()
    os.mkfifo(acme.folder / NAME)
    os.utime(acme.folder / NAME, (1_700_000_000,) * 2)
    assert refused(acme) == "It is no plain file, or larger than 500 MB."


def test_a_file_that_is_too_large_is_not_read(house: Make) -> None:
    acme = house()
    acme.writer.drop(NAME, {"A": 1})
    os.truncate(acme.folder / NAME, 500_000_001)
    os.utime(acme.folder / NAME, (1_700_000_000,) * 2)
    assert refused(acme) == "It is no plain file, or larger than 500 MB."


@pytest.mark.parametrize("folder", ["/etc", "{root}", "{root}/../other", "{root}/missing", "{root}/link"])
def test_only_folders_below_the_root_are_looked_into(house: Make, root: Path, folder: str) -> None:
    root.mkdir()
    (root.parent / "other").mkdir()
    (root / "link").symlink_to(root.parent / "other")
    acme = house()
    acme.settings = msgspec.convert({**PROFILE, "folder": folder.format(root=root)}, Settings)
    with pytest.raises(Misconfigured) as caught:
        acme.poll()
    assert caught.value.words.startswith(f"The folder {folder.format(root=root)} is not ")


@pytest.mark.parametrize("name", ["archive", "error"])
def test_files_are_not_put_away_through_a_link(house: Make, tmp_path: Path, name: str) -> None:
    acme = house()
    (acme.folder / name).symlink_to(tmp_path)
    with pytest.raises(Misconfigured, match="must be a folder of its own"):
        acme.poll()


@pytest.mark.parametrize(
    "change",
    [
        {"folder": "acme"}, {"files": "../*.csv"}, {"files": ""}, {"files": "{time}{time}.csv"}, {"location": ""}, {"done": ""},
        {"columns": {"sku": "S", "on_hand": "U", "location": "L"}}, {"columns": {"sku": "S", "on_hand": "U", "observed_at": "T"}},
        {"timezone": "Nowhere"}, {"timezone": "../etc/passwd"}, {"time_format": "%Y%m%d"}, {"settle": -1}, {"delimiter": '"'},
        {"encoding": "utf-16"}, {"trailer": {"rows": 1}}, {"colums": {}},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    msgspec.convert({**PROFILE, "folder": "/srv/x"}, Settings)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**PROFILE, "folder": "/srv/x", **change}, Settings)
