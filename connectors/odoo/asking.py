"""Reading on our own initiative: the product feed, one subject again, and whether Odoo is there at all."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from canonical.commands import Refresh
from connectors.base import Heard, Job, Page, Receipt, Session
from connectors.errors import Refused
from connectors.odoo import probing
from connectors.odoo.orders import moment
from connectors.odoo.reading import PRODUCT_GONE, PRODUCT_READ, Product
from connectors.odoo.transport import search

PATHS = {"json2": "json/2", "jsonrpc": "jsonrpc"}
PAGE = 500
#: `write_date` is when the writing transaction began, so rows appear behind a cursor; clocks differ by minutes too.
OVERLAP = timedelta(minutes=15)


class Version(msgspec.Struct):
    """An installed module."""

    latest_version: str


class Cursor(msgspec.Struct, array_like=True):
    """One sweep over everything written since `since`, by id; `began` is where the next sweep starts, less the overlap."""

    since: str = ""
    began: str = ""
    last: int = 0


def poll_products(session: Session, cursor: str) -> Page:
    """The next page of products written since the last sweep. A product changed meanwhile is in the next sweep too."""
    asked_at = session.now()
    at = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor()
    at.began = at.began or moment(asked_at - OVERLAP)
    rows = _products(session, [["id", ">", at.last], *([["write_date", ">=", at.since]] if at.since else [])], PAGE)
    more = len(rows) == PAGE
    following = Cursor(at.since, at.began, rows[-1].id) if more else Cursor(since=at.began)
    return Page([heard(row, asked_at) for row in rows], msgspec.json.encode(following).decode(), more)


def _products(session: Session, domain: list[Any], limit: int) -> list[Product]:
    """Products in the order of their ids, archived ones included: pages by offset would shift under writes."""
    return search(session, "product.product", Product, domain, order="id", limit=limit, context={"active_test": False})


def heard(row: Product, asked_at: datetime) -> Heard:
    """One product as a message. The key is the content, which holds `write_date`: what the overlap reads again is absorbed."""
    body = msgspec.json.encode(row)
    return Heard(PRODUCT_READ, sha256(PRODUCT_READ.encode() + body).digest(), body, asked_at)


def refresh(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Read products again by id; what is no longer there is heard as gone."""
    asked_at = session.now()
    ids = {job.id: int(job.command.external_id) for job in jobs if _readable(job.command)}
    rows = _products(session, [["id", "in", sorted(set(ids.values()))]], len(ids)) if ids else []
    found = {row.id: heard(row, asked_at) for row in rows}
    return [_refreshed(session, job, found, asked_at) for job in jobs]


def _readable(command: Refresh) -> bool:
    return command.entity == "sku" and command.external_id.isdecimal()


def _refreshed(session: Session, job: Job, found: dict[int, Heard], asked_at: datetime) -> Receipt:
    if not _readable(job.command):
        return Receipt(job.id, error=Refused(f"Of Odoo only products are read again, not a {job.command.entity}."))
    id = int(job.command.external_id)
    return Receipt(job.id, heard=(found.get(id) or _gone(id, asked_at),))


def _gone(id: int, asked_at: datetime) -> Heard:
    key = sha256(f"{PRODUCT_GONE} {id} {asked_at.isoformat()}".encode()).digest()
    return Heard(PRODUCT_GONE, key, msgspec.json.encode({"id": id}), asked_at)


def probe(session: Session) -> str:
    """Find out anew how this Odoo is spoken to, then ask it something: shows that address, database, login and key are right."""
    api = probing.probe(session)
    domain = [["name", "=", "base"]]
    found = search(session, "ir.module.module", Version, domain, limit=1)
    return f"Odoo {found[0].latest_version if found else api.release.number} accepts our key over /{PATHS[api.by]}."
