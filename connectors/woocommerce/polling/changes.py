"""Asking a shop what was modified: the feeds `orders`, `products` and `refunds`.

**Why nothing is skipped while data moves.** Page numbers shift when rows enter or leave, so none are used: every request asks for
the first page of what is left, ordered by modification. `modified_after` is strictly greater at 1 s resolution, so we ask
from one second before the last row and `exclude` the ids already heard with that very second. A row modified meanwhile moves to
the end and is met there, or, where we had just excluded it, by the next run: a run's successor begins `overlap` seconds before
the *shop's* clock at this run's first answer, so neither our clock nor a slow commit matters.
More than `CROWD` rows with one second (a bulk import) are walked by id with an offset inside that second alone.
`status=any` does not contain the trash: an orders run has a second pass for it.
What the shop does not mark as modified (line edits on some versions, force-deleted orders) no such poll finds: products are therefore
read in full every `sweep_hours`, and orders are swept.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from connectors.base import Heard, Page, Session
from connectors.errors import Retry
from connectors.woocommerce.client import MAX_PAGE, Answer, Settings, ask
from connectors.woocommerce.polling.rows import EPOCH, Item, heard, items
from connectors.woocommerce.wire import refund_of

CROWD = 200  # ids excluded in one request; more would make the address too long
FAMILIES = 10  # variable products whose variations are read in one page: each is a request of its own
SECOND = timedelta(seconds=1)


class Cursor(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a run stands. Stored as JSON; a bare ISO instant (a system's creation) starts the first run there."""

    since: datetime  # rows modified at or after this second are still to be heard
    heard: list[int] = []  # ids of that very second that were heard
    crowd: int = 0  # heard by offset inside that second, when there are too many to exclude
    trash: bool = False  # the second pass of an orders run
    began: datetime | None = None  # where this run began; its trash pass begins there too
    run: str = ""  # names this run in dedup keys; empty = the next call begins a new one
    next: datetime | None = None  # where the next run begins
    swept: datetime | None = None  # when the last full reading began, products only


_CURSOR = msgspec.json.Decoder(Cursor)


# ---- the feeds --------------------------------------------------------------------------------------------------------------
def poll_orders(session: Session, cursor: str) -> Page:
    """Orders by modification, then those in the trash. Each is heard as `order.read`."""
    at = _begun(session, _start(session, cursor))
    answer = _page(session, "/orders", at, "trash" if at.trash else "any")
    rows = items(answer)
    told = [heard("order", at.run, item, answer) for item in rows]
    return _turned(session, at, rows, answer, told, passes=1 if at.trash else 2)


def poll_refunds(session: Session, cursor: str) -> Page:
    """Refunds as they are made, each as `refund.read` with its order. They are never edited; a deleted one is missed by its order.

    `GET /refunds` is WooCommerce 9.0's (class-wc-rest-refunds-controller.php). An older shop has nothing to say here: its orders name their
    refunds, and those we do not know are read one by one.
    """
    at = _begun(session, _start(session, cursor))
    answer = _page(session, "/refunds", at, "any")
    if answer.status == 404:
        return Page((), cursor, more=False)
    rows = items(answer)
    told = [heard("refund", at.run, item, answer, refund_of(str(item.row.parent_id), item.raw)) for item in rows]
    return _turned(session, at, rows, answer, told, passes=1)


def poll_products(session: Session, cursor: str) -> Page:
    """Products by modification, in full on the first run and every `sweep_hours`. Each, and each variation, as `product.read`."""
    at = _begun(session, _swept(session, _start(session, cursor, full=True)))
    answer = _page(session, "/products", at, "any")
    rows = items(answer)
    told: list[Heard] = []
    families = 0
    for position, item in enumerate(rows):
        if item.row.type.startswith("variable"):
            if (families := families + 1) > FAMILIES:
                return _turned(session, at, rows[:position], answer, told, passes=1, cut=True)
            told += _variations(session, at, item.row.id)
        told.append(heard("product", at.run, item, answer))
    return _turned(session, at, rows, answer, told, passes=1)


def _variations(session: Session, at: Cursor, parent: int) -> list[Heard]:
    """All variations of one product. `?include=` does not find them; they are few and move little, so pages by id will do."""
    told: list[Heard] = []
    page = 1
    while True:
        query: dict[str, str | int] = {
            "per_page": MAX_PAGE,
            "page": page,
            "orderby": "id",
            "order": "asc",
            "status": "any",
        }
        answer = ask(session, "GET", f"/products/{parent}/variations", query)
        rows = [] if answer.status == 404 else items(answer)  # deleted since its parent was listed
        told += [heard("product", at.run, item, answer, _variation(item, parent)) for item in rows]
        if len(rows) < MAX_PAGE and page >= answer.pages:
            return told
        page += 1


def _variation(item: Item, parent: int) -> bytes:
    """A row of variations as it is; in older shops it does not say what it is, nor of which product."""
    if item.row.parent_id:
        return item.raw
    said: dict[str, Any] = msgspec.json.decode(item.raw)
    return msgspec.json.encode({**said, "parent_id": parent, "type": "variation"})


# ---- cursors ----------------------------------------------------------------------------------------------------------------
def _start(session: Session, cursor: str, *, full: bool = False) -> Cursor:
    """The stored cursor, a bare instant, or none: `start_at`, else now. A full feed reads everything and ignores `start_at`."""
    settings: Settings = session.settings
    if cursor.startswith("{"):
        return _CURSOR.decode(cursor)
    if full:
        return Cursor(since=EPOCH)
    recently = session.now() - timedelta(seconds=settings.overlap)
    since = datetime.fromisoformat(cursor) if cursor else settings.start_at or recently
    return Cursor(since=since if since.tzinfo else since.replace(tzinfo=UTC))


def _begun(session: Session, at: Cursor) -> Cursor:
    """Begin a new run where none is under way; never before `start_at`, except to read everything."""
    if at.run:
        return at
    since = at.since.replace(microsecond=0)
    if (start_at := session.settings.start_at) and since > EPOCH:
        since = max(since, start_at.astimezone(UTC))
    run = session.now().isoformat()
    return Cursor(since=since, began=since, run=run, swept=at.swept)


def _swept(session: Session, at: Cursor) -> Cursor:
    """Turn a new run into a full one when the last full one is too long ago."""
    due = at.swept is None or session.now() - at.swept >= timedelta(hours=session.settings.sweep_hours)
    return Cursor(since=EPOCH, swept=session.now()) if due and not at.run else at


def _turned(
    session: Session,
    at: Cursor,
    rows: Sequence[Item],
    answer: Answer,
    told: Sequence[Heard],
    *,
    passes: int,
    cut: bool = False,
) -> Page:
    """The page and the cursor behind it. The last page ends a pass, the last pass ends the run.

    A page may be short and not the last: rows a plugin hides or that fail to load are left out after the page was cut
    (WC_REST_CRUD_Controller::get_items), so the number of pages counts too.
    """
    upcoming = at.next or max(EPOCH, answer.shop_time - timedelta(seconds=session.settings.overlap))
    full = len(rows) >= session.settings.page_size
    if cut or full or at.crowd or (rows and answer.pages > 1):
        moved = msgspec.structs.replace(at, next=upcoming)
        size = len(rows) if cut else session.settings.page_size
        behind = _through_crowd(moved, size, full or cut, answer.pages) if at.crowd else _moved(moved, rows)
        return _stored(told, behind, more=True)
    if passes > 1:
        began = at.began or at.since
        return _stored(told, Cursor(since=began, began=began, run=at.run, next=upcoming, trash=True), more=True)
    return _stored(told, Cursor(since=upcoming, swept=at.swept), more=False)


def _through_crowd(at: Cursor, size: int, full: bool, pages: int) -> Cursor:
    """The cursor behind a page inside a crowded second; behind the last one, the next second begins."""
    ended = at.crowd - 1 + size >= pages * size if pages and not full else not full
    if ended:
        return msgspec.structs.replace(at, since=at.since + SECOND, heard=[], crowd=0)
    return msgspec.structs.replace(at, crowd=at.crowd + size)


def _moved(at: Cursor, rows: Sequence[Item]) -> Cursor:
    """The cursor behind the last row, within its run."""
    last = max(at.since, *(item.row.modified for item in rows)) if rows else at.since
    same = [item.row.id for item in rows if item.row.modified in (last, EPOCH)]
    heard = at.heard + same if last == at.since else same
    if rows and last == at.since and not set(same) - set(at.heard):
        raise Retry("The shop keeps answering with the same page; a plugin may be changing its lists.")
    if len(heard) > CROWD:
        return msgspec.structs.replace(at, since=last, heard=[], crowd=1)
    return msgspec.structs.replace(at, since=last, heard=heard)


def _stored(told: Sequence[Heard], at: Cursor, *, more: bool) -> Page:
    return Page(told, msgspec.json.encode(at).decode(), more)


# ---- pages ------------------------------------------------------------------------------------------------------------------
def _page(session: Session, path: str, at: Cursor, status: str) -> Answer:
    """The first page of what is left."""
    query: dict[str, str | int] = {
        "per_page": session.settings.page_size,
        "status": status,
        "orderby": "modified",
        "order": "asc",
    }
    if at.since > EPOCH:
        query |= {"modified_after": _stamp(at.since - SECOND), "dates_are_gmt": "true"}
    if at.crowd:
        query |= {"modified_before": _stamp(at.since + SECOND), "orderby": "id", "offset": at.crowd - 1}
    elif at.heard:
        query["exclude"] = ",".join(map(str, at.heard))
    return ask(session, "GET", path, query)


def _stamp(moment: datetime) -> str:
    """An instant as the API wants it, with `dates_are_gmt=true`; without that flag it would be the site's local time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
