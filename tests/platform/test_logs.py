"""Log lines: JSON, one line each, nothing personal."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from retailsync.platform import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    formatter = dict(logs.configuration("INFO")["formatters"]["json"])
    handler.setFormatter(formatter.pop("()")(**formatter))
    logger = logging.getLogger("tests.logs")
    logger.setLevel("INFO")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def test_our_events_withhold_what_could_be_a_person(lines: io.StringIO) -> None:
    structlog.get_logger("tests.logs").info("read", message=17, email="ann@example.com")
    told = json.loads(lines.getvalue())
    assert (told["event"], told["message"], told["email"]) == ("read", 17, "[withheld]")


def test_a_line_break_cannot_forge_a_line(lines: io.StringIO) -> None:
    logging.getLogger("tests.logs").info('a\n{"event": "forged"}\x1b[2J')
    assert lines.getvalue().count("\n") == 1
    assert "\x1b" not in lines.getvalue()


def test_the_row_a_database_error_repeats_is_withheld(lines: io.StringIO) -> None:
    message = "duplicate key\nDETAIL:  Key (email)=(ann@example.com) already exists."
    try:
        raise ValueError(message)
    except ValueError:
        logging.getLogger("tests.logs").exception("parked")
    assert "ann@example.com" not in lines.getvalue()
    assert "duplicate key" in lines.getvalue()
