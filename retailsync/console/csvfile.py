"""A list as a CSV file: what it shows, narrowed as it is, in batches however long it is. Safe to open in a spreadsheet."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from html import unescape
from itertools import chain
from typing import Any

from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.html import strip_tags

from retailsync.console.zones import zone

BATCH = 1_000  # rows read by one query
MOST = 100_000  # rows of one file
_WHEN = re.compile(r'<time[^>]* datetime="([^"]+)"')
_NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?%?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def download(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]], where: tzinfo) -> StreamingHttpResponse:
    """A file of these rows, sent as they come. Values are what a page shows."""
    file = f"{name.replace(' ', '-')}-{timezone.now().astimezone(where):%Y-%m-%d}.csv"
    lines = ([cell(value, where) for value in row] for row in chain([header], rows))
    answer = StreamingHttpResponse(_lines(lines), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{file}"'
    return answer


class _Echo:
    """A file that gives back what is written."""

    def write(self, text: str) -> str:
        return text


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    writer = csv.writer(_Echo())
    yield "\ufeff".encode()  # spreadsheets take it as UTF-8 then
    for row in rows:
        yield writer.writerow(row).encode("utf-8", "backslashreplace")


def cell(value: Any, where: tzinfo) -> str:
    """A value as text: moments in the reader's zone, no HTML, and nothing a spreadsheet would carry out."""
    if isinstance(value, datetime):
        return value.astimezone(where).isoformat(timespec="seconds")
    text = "" if value is None else str(value)
    if hasattr(value, "__html__"):
        if found := _WHEN.search(text):
            return datetime.fromisoformat(found[1]).astimezone(where).isoformat(timespec="seconds")
        text = unescape(" ".join(strip_tags(text).split()))
    text = "" if text == "–" else text
    return f"'{text}" if text.lstrip(" \n").startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def of_list(request: HttpRequest, changelist: ChangeList) -> StreamingHttpResponse:
    """What a list shows as it is narrowed, page after page, the newest first; where it is cut, its last line says so."""
    admin = changelist.model_admin
    columns = [column for column in changelist.list_display if column != "action_checkbox"]
    header = [str(label_for_field(column, changelist.model, admin)).capitalize() for column in columns]
    name = str(changelist.opts.verbose_name_plural)
    return download(name, header, _cells(changelist, columns), zone(request))


def _cells(changelist: ChangeList, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
    for count, row in enumerate(_rows(changelist)):
        if count == MOST:
            yield [f"Only the newest {MOST:,} rows are here: narrow the list to see others."]
            return
        yield [_value(column, row, changelist.model_admin) for column in columns]


def _rows(changelist: ChangeList) -> Iterator[Model]:
    """In batches by key: no query passes over what was read before."""
    rows, last = changelist.queryset.order_by("-pk"), None
    while batch := list((rows.filter(pk__lt=last) if last else rows)[:BATCH]):
        changelist.model_admin.complete(batch)
        yield from batch
        last = batch[-1].pk


def _value(column: str, row: Model, admin: Any) -> Any:
    try:
        field, _, value = lookup_field(column, row, admin)
    except ObjectDoesNotExist:
        return ""
    return getattr(row, f"get_{field.name}_display")() if field is not None and field.choices else value
