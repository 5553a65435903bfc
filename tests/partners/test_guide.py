"""The guide cannot go stale: each of its calls is made in order, and its answers are compared. `GUIDE=write` writes them anew.

What is different each time (references, ids, times) counts as equal when its kind is.
"""

import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.test import Client

from retailsync.partners import clauses
from retailsync.partners.problems import CODES

from .conftest import make_partner
from .playing import Player, player

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "partner-guide" / "README.md"
CALL = re.compile(r"```sh\n(curl .*?)\n```\n(?:```json\n(.*?)\n```)?", re.DOTALL)
TABLE = re.compile(r"<!-- clauses -->\n(.*)<!-- /clauses -->", re.DOTALL)
#: What differs each time.
CHANGES = (
    "order",
    "reference",
    "order_reference",
    "subject",
    "line",
    "id",
    "at",
    "certification",
    "contract",
    "warnings",
    "secret",
    "return",
)


class Call(NamedTuple):
    """One curl of the guide and the answer beside it; where that stands in the text."""

    method: str
    path: str
    headers: dict[str, str]
    body: str
    answer: Any
    place: tuple[int, int]


def calls(text: str, known: dict[str, str]) -> Iterator[Call]:
    """Every call, read as it is reached: what was answered before stands for $REQUEST, $ORDER and $RETURN."""
    for found in CALL.finditer(text):
        words = shlex.split(found[1].replace("\\\n", " "))
        words = [re.sub(r"\$(\w+)", lambda name: known.get(name[1], name[0]), word) for word in words]
        headers = dict(words[n + 1].split(": ", 1) for n, word in enumerate(words) if word == "-H")
        body = next((words[n + 1] for n, word in enumerate(words) if word == "-d"), "")
        url = next(word for word in words if word.startswith("/"))
        method = "POST" if "POST" in words else "GET"
        yield Call(method, url, headers, body, json.loads(found[2] or "null"), found.span(2))


def made(at_play: Player, call: Call) -> Any:
    """What is answered now."""
    headers = {**call.headers, "Authorization": f"Bearer {at_play.text}"}
    kind = headers.pop("Content-Type", "application/json")
    if call.method == "GET":
        return Client().get(call.path, headers=headers).json()
    return Client().post(call.path, call.body, content_type=kind, headers=headers).json()


def alike(value: Any, name: str = "") -> Any:
    """The same for what differs each time."""
    if isinstance(value, dict):
        return {key: alike(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [alike(one, name) for one in value]
    changes = isinstance(value, str | int) and (name in CHANGES or name.endswith("_at") or name == "detail")
    return f"some {name}" if changes else value


def remember(known: dict[str, str], answer: Any) -> None:
    if "return" in answer:
        known["RETURN"] = answer["return"]
    if "order" in answer:
        known["ORDER"] = answer["order"]
    if answer.get("items") and "reference" in answer["items"][0]:
        known["REQUEST"] = answer["items"][0]["reference"]


def table() -> str:
    rows = [
        f"| {name if not n else ''} | `{demand.name}` | {demand.words} |\n"
        for name, scenario in clauses.SCENARIOS.items()
        for n, demand in enumerate(scenario.demands)
    ]
    return "| scenario | clause | asks for |\n|---|---|---|\n" + "".join(rows)


@pytest.mark.django_db
@pytest.mark.usefixtures("no_look_ups")
def test_every_call_of_the_guide_is_answered_as_it_says() -> None:
    at_play, text, written, end = player(make_partner("w1")), GUIDE.read_text(encoding="utf-8"), [], 0
    known = {"URL": "/api/v1"}
    for call in calls(text, known):
        answer = made(at_play, call)
        at_play.settle()
        remember(known, answer)
        if call.answer is None:
            continue
        if os.environ.get("GUIDE") == "write":
            written += [text[end : call.place[0]], json.dumps(answer, indent=2)]
            end = call.place[1]
        else:
            assert alike(answer) == alike(call.answer), call.path
    if written:
        GUIDE.write_text("".join([*written, text[end:]]), encoding="utf-8")


def test_the_guide_names_every_clause() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    if os.environ.get("GUIDE") == "write":
        text = TABLE.sub(lambda _: f"<!-- clauses -->\n{table()}<!-- /clauses -->", text)
        GUIDE.write_text(text, encoding="utf-8")
    found = TABLE.search(text)
    assert found and found[1] == table()


def test_the_guide_names_codes_there_are() -> None:
    said = re.findall(r"(\d{3}) ((?:`\w+`(?:, )?)+)", GUIDE.read_text(encoding="utf-8"))
    named = {code: int(status) for status, words in said for code in re.findall(r"\w+", words)}
    assert named == {code: CODES[code].status for code in named} and len(named) > 8
