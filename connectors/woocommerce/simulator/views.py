"""How a WordPress site shows its records: errors, single records, filtered and paged collections. Knows no particular record."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from connectors.simulation import Answer, Request, Stop

API = "/wp-json/wc/v3"
SITE = timezone(timedelta(hours=1))  # the site's clock; dates without `_gmt` are in it
Record = dict[str, Any]


def failure(status: int, code: str, message: str) -> Stop:
    """WordPress's error object."""
    return Stop(status, {"code": code, "message": message, "data": {"status": status}})


def invalid(parameter: str, words: str, detail: Mapping[str, Any] | None = None) -> Stop:
    """WordPress's answer to a parameter it does not accept."""
    body = {"code": "rest_invalid_param", "message": f"Invalid parameter(s): {parameter}"}
    details = {"details": {parameter: detail}} if detail else {}
    return Stop(400, {**body, "data": {"status": 400, "params": {parameter: words}, **details}})


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def found(table: dict[int, Record], given: str, code: str, words: str = "Invalid ID.", status: int = 404) -> Record:
    record = table.get(int(given)) if given.isdigit() else None
    if record is None:
        raise failure(status, code, words)
    return record


def visible(record: Record) -> Record:
    """A record without what is not the API's to show."""
    shown = {key: value for key, value in record.items() if key not in ("_sim", "secret", "failure_count")}
    for kind in ("line_items", "shipping_lines", "fee_lines"):
        if kind in shown:
            shown[kind] = [{key: value for key, value in item.items() if key != "_sim"} for item in shown[kind]]
    return shown


def shown(record: Record, request: Request) -> Record:
    """A record as this request wants it: `_fields` names the top-level fields."""
    shown = visible(record)
    if fields := request.query.get("_fields"):
        wanted = {field.split(".")[0] for field in fields.split(",")}
        return {key: value for key, value in shown.items() if key in wanted}
    return shown


def listed(
    request: Request,
    rows: Iterable[Record],
    query: Mapping[str, str] | None = None,
    see: Callable[[Record], Record] = lambda row: row,
) -> Answer:
    """One page of a collection with WordPress's filters, order and headers. Newest first unless asked otherwise; `query` in place
    of the request's for a collection that understands other parameters; `see` makes of a record what the API shows."""
    query = request.query if query is None else query
    chosen = [row for row in rows if _passes(row, query)]
    field = {"id": "id", "modified": "date_modified_gmt"}.get(query.get("orderby", ""), "date_created_gmt")
    chosen.sort(
        key=lambda row: (row.get(field) or row["date_created_gmt"] or "", row["id"]) if field != "id" else row["id"],
        reverse=query.get("order") != "asc",
    )
    size = number(query, "per_page", 10)
    if not 1 <= size <= 100:
        raise invalid("per_page", "per_page must be between 1 (inclusive) and 100 (inclusive)")
    begin = number(query, "offset", 0) or (number(query, "page", 1) - 1) * size
    page = chosen[begin : begin + size]
    total = len(chosen) if page or begin == 0 else 0  # an orders page past the end reports 0
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(-(-total // size))}
    return Answer(200, [shown(see(row), request) for row in page], headers)


def number(query: Mapping[str, str], name: str, otherwise: int) -> int:
    given = query.get(name, str(otherwise))
    if not given.isdigit():
        raise invalid(name, f"{name} is not of type integer.")
    return int(given)


def _passes(row: Record, query: Mapping[str, str]) -> bool:
    """after, before, modified_after and _before (all exclusive, 1 s), include, exclude. A refund is modified when it is made."""
    created = row.get("date_created_gmt") or ""
    modified = row.get("date_modified_gmt") or created
    if (after := query.get("after")) and created <= _bound(after, query, "after"):
        return False
    if (before := query.get("before")) and created >= _bound(before, query, "before"):
        return False
    if (after := query.get("modified_after")) and modified <= _bound(after, query, "modified_after"):
        return False
    if (before := query.get("modified_before")) and modified >= _bound(before, query, "modified_before"):
        return False
    if (exclude := query.get("exclude")) and str(row["id"]) in exclude.split(","):
        return False
    return not (include := query.get("include")) or str(row["id"]) in include.split(",")


def _bound(given: str, query: Mapping[str, str], name: str) -> str:
    """A date parameter as GMT text: the site's time unless it has an offset or `dates_are_gmt=true`."""
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise invalid(name, "Invalid date.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC if query.get("dates_are_gmt") == "true" else SITE)
    return stamp(moment.astimezone(UTC))
