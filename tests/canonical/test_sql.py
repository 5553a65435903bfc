"""What travels to the database as an array arrives as it was."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from canonical import sql

pytestmark = pytest.mark.django_db

VALUES = {
    "text": ["", "NULL", 'a "quoted" one', "back\\slash \\n", "{curly, with comma}", " space ", "line\nbreak",
             "Straße 東京", "%s 100%", None],
    "bigint": [0, -1, 9_223_372_036_854_775_807, None],
    "numeric": [Decimal("12.50"), Decimal("-0.000001"), Decimal("1E+3"), None],
    "boolean": [True, False, None],
    "bytea": [b"", b"\x00\xff\\\"", None],
    "timestamptz": [datetime(2026, 3, 29, 1, 30, 0, 123456, UTC), datetime(1, 1, 1, tzinfo=UTC), None],
    "double precision": [0.1, -1e300, None],
    "uuid": [UUID(int=7), None],
}  # fmt: skip


@pytest.mark.parametrize("kind", VALUES)
def test_arrays_arrive_as_they_were(kind):
    rows = sql.fetch(f"SELECT v FROM unnest(%s::{kind}[]) WITH ORDINALITY AS x(v, n) ORDER BY n", (VALUES[kind],))
    arrived = [bytes(v) if isinstance(v, memoryview) else v for (v,) in rows]
    assert arrived == VALUES[kind]


def test_a_column_may_hold_arrays_of_any_length():
    columns = {"n": "bigint", "ids": "bigint[]"}
    sql.fetch("CREATE TEMPORARY TABLE given (n bigint, ids bigint[]) ON COMMIT DROP")
    for rows in ([(1, [7, 8]), (2, ())], [(3, [9])]):
        sql.insert("given", columns, rows)
    assert sql.fetch("SELECT ids FROM given ORDER BY n") == [([7, 8],), ([],), ([9],)]


def test_an_empty_array_is_empty():
    assert sql.fetch("SELECT 1 WHERE 1 = ANY(%(none)s)", {"none": []}) == []
