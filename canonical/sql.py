"""Set-based SQL in one place: insert, upsert and update many rows with one statement each. Knows no entity.

Every column travels as one array (`unnest`), so a statement's text does not depend on the number of rows.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import NoneType
from typing import Any

from django.db import connection

Rows = Sequence[Sequence[Any]]


def fetch(sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
    """Run one statement and return its rows (empty when it returns none). Lists travel as arrays."""
    given = {name: _param(v) for name, v in params.items()} if isinstance(params, Mapping) else [*map(_param, params)]
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        return cursor.fetchall() if cursor.description else []


def new_ids(table: str, count: int) -> list[int]:
    """Reserve `count` ids from a table's sequence, so that parents and children can be inserted without reading back."""
    if not count:
        return []
    rows = fetch("SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", (table, count))
    return [row[0] for row in rows]


def insert(table: str, columns: Mapping[str, str], rows: Rows, tail: str = "") -> list[tuple[Any, ...]]:
    """Insert rows (each in the order of `columns`, a mapping of name → SQL type). `tail` = ON CONFLICT …, RETURNING ….

    Sort rows by their unique key before calling: two transactions then never wait for each other in a circle.
    """
    if not rows:
        return []
    names = ", ".join(columns)
    if len(rows) == 1:  # a door stores one: 70 µs of the server's time less
        marks = ", ".join(f"%s::{kind}" for kind in columns.values())
        given = [value for (value,) in _arrays(columns, rows)]
        return fetch(f"INSERT INTO {table} ({names}) VALUES ({marks}) {tail}", given)
    return fetch(insertion(table, columns, tail), _arrays(columns, rows))


def insertion(table: str, columns: Mapping[str, str], tail: str = "") -> str:
    """The statement that inserts many rows; its parameters come from `arrays`."""
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {_picked(columns)} FROM {_unnest(columns)} {tail}"


def update(table: str, columns: Mapping[str, str], rows: Rows) -> None:
    """Update rows by id; the first column must be `id`."""
    if not rows:
        return
    names = [name for name in columns if name != "id"]
    assignments = ", ".join(f"{name} = v.{_cast(name, columns[name])}" for name in names)
    fetch(f"UPDATE {table} t SET {assignments} FROM {_unnest(columns)} WHERE t.id = v.id", _arrays(columns, rows))


def values(columns: Mapping[str, str]) -> str:
    """A FROM item `v(columns…)` whose parameters come from `arrays`."""
    return _unnest(columns)


def arrays(columns: Mapping[str, str], rows: Rows) -> list[list[Any]]:
    """The parameters for `values`: one list per column."""
    return _arrays(columns, rows)


def encoded(value: Any) -> str:
    """A value for a jsonb column."""
    return json.dumps(value)


def _cast(name: str, kind: str) -> str:
    return f"{name}::{kind}" if _is_text(kind) else name


def _is_text(kind: str) -> bool:
    """Whether values of this type travel as text: an array holds no arrays of different lengths, and the driver reads jsonb as text."""
    return kind == "jsonb" or kind.endswith("[]")


def _picked(columns: Mapping[str, str]) -> str:
    return ", ".join(f"v.{_cast(name, kind)}" for name, kind in columns.items())


def _unnest(columns: Mapping[str, str]) -> str:
    parts = ", ".join(f"%s::{'text' if _is_text(kind) else kind}[]" for kind in columns.values())
    return f"unnest({parts}) AS v({', '.join(columns)})"


def _arrays(columns: Mapping[str, str], rows: Rows) -> list[list[Any]]:
    turned: Iterable[Sequence[Any]] = zip(*rows, strict=True)
    return [_encoded(kind, list(column)) for kind, column in zip(columns.values(), turned, strict=True)]


def _encoded(kind: str, column: list[Any]) -> list[Any]:
    if kind == "jsonb":
        return [v if v is None or isinstance(v, str) else json.dumps(v) for v in column]
    if kind.endswith("[]"):
        return [_param(list(v)) for v in column]
    return column


def _param(value: Any) -> Any:
    """The driver writes a list as an expression of as many constants, which the server parses and plans one by one: 1.1 µs a value.
    As one constant, in the notation of arrays, it costs a third."""
    return f"{{{_written(value)}}}" if isinstance(value, list) else value


def _written(values: list[Any]) -> str:
    kinds = {*map(type, values)}
    if kinds <= _PLAIN:
        return ",".join(map(str, values))
    if kinds == {str} and not any(mark in "".join(values) for mark in '"\\'):
        return '"' + '","'.join(values) + '"'
    return ",".join([_WRITERS.get(type(v), _quoted)(v) for v in values])


def _quoted(value: Any) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


_PLAIN = {int, bool, float, Decimal}  # need no quotes
#: How a value is written in an array; any other is written as quoted text.
_WRITERS: Mapping[type, Callable[[Any], str]] = {
    **dict.fromkeys(_PLAIN, str),
    NoneType: lambda _: "NULL",
    bytes: lambda value: f'"\\\\x{value.hex()}"',
    memoryview: lambda value: f'"\\\\x{value.hex()}"',
    datetime: lambda value: f'"{value.isoformat()}"',
}  # fmt: skip
