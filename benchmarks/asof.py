"""P7, its part about stock: "Why is sellable 7?" asked about past instants, over a year's ledger of five million entries.

A year of orders is put into the tables as rows, with the entries the product writes for each: shipped after a day. One SKU
stands in every tenth order, which ships after forty days, and its figures changed a hundred thousand times. Nothing is asked twice.
"""

import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from statistics import median

import msgspec
from django.test import Client

from benchmarks import shelves, world
from benchmarks.report import Broken, Claim, Section, percentile
from canonical import sql
from canonical.ledger import SUBJECTS
from canonical.models import FulfilmentRequest, Order, OrderLine, RequestLine
from retailsync.console import why
from retailsync.sync import clock

ENTRIES, QUICK = 5_000_000, 250_000
SKUS = 2_000
PER_ORDER = 27  # entries of one order: five of its own, six of each of its three lines, four of its request
LINES = 3
HOT = 10  # the hottest SKU stands in every so manieth order
HOTTEST = 50  # one entry in so many tells of the hottest SKU's offer; as many of its listing, and of a level of it
YEAR = timedelta(days=365)
ASKED = 200  # questions about any SKU, and as many about the hottest

#: How long order n takes to leave: where the hottest SKU is in it, long, so that a thousand such orders are open at any time.
_TOOK = "CASE WHEN {n} %% %(hot)s = 0 THEN interval '40 days' ELSE interval '1 day' END"
_GONE = f"{{at}} + {_TOOK} <= %(now)s"
#: Orders n = 1, 2, … of a year, like the template.
_ORDERS = f"""INSERT INTO canonical_order SELECT r.* FROM canonical_order t, generate_series(1, %(orders)s) n,
    LATERAL (SELECT %(start)s + n * %(gap)s AS at) p,
    LATERAL jsonb_populate_record(t, jsonb_build_object('id', %(order)s + n, 'external_id', 'Y' || n, 'number', 'Y' || n,
      'reference', 'Y' || n, 'placed_at', p.at, 'created_at', p.at, 'released_at', p.at, 'ledger_version', 5,
      'stage', CASE WHEN {_GONE.format(at="p.at", n="n")} THEN 'completed' ELSE 'in_fulfilment' END,
      'shop_status', CASE WHEN {_GONE.format(at="p.at", n="n")} THEN 'completed' ELSE 'processing' END)) r WHERE t.id = %(order)s"""
_LINES = f"""INSERT INTO canonical_orderline SELECT r.* FROM canonical_orderline t, generate_series(1, %(orders)s) n,
    generate_series(0, %(lines)s - 1) l,
    LATERAL jsonb_populate_record(t, jsonb_build_object('id', %(line)s + (n - 1) * %(lines)s + l + 1, 'order_id', %(order)s + n,
      'external_id', l::text, 'ledger_version', 6, 'sku_id', CASE WHEN l = 0 AND n %% %(hot)s = 0 THEN %(hottest)s
        ELSE %(sku)s + (n * 7 + l * 31) %% %(skus)s END,
      'shipped', CASE WHEN {_GONE.format(at="%(start)s + n * %(gap)s", n="n")} THEN t.ordered ELSE 0 END)) r WHERE t.id = %(line)s"""
_REQUESTS = f"""INSERT INTO canonical_fulfilmentrequest SELECT r.* FROM canonical_fulfilmentrequest t, generate_series(1, %(orders)s) n,
    LATERAL (SELECT %(start)s + n * %(gap)s AS at) p,
    LATERAL jsonb_populate_record(t, jsonb_build_object('id', %(request)s + n, 'order_id', %(order)s + n, 'reference', 'Y' || n || '/1',
      'requested_at', p.at, 'answered_at', p.at, 'ledger_version', 4,
      'execution', CASE WHEN {_GONE.format(at="p.at", n="n")} THEN 'shipped' ELSE t.execution END)) r WHERE t.id = %(request)s"""
_ASKED = """INSERT INTO canonical_requestline SELECT r.* FROM canonical_requestline t, canonical_orderline l,
    LATERAL jsonb_populate_record(t, jsonb_build_object('id', t.id + l.id - %(line)s, 'line_id', l.id,
      'request_id', %(request)s + l.order_id - %(order)s, 'shipped', l.shipped)) r WHERE t.id = %(asked)s AND l.id > %(line)s"""
#: Entries of a subject: version v recorded minutes after the order came, the last one when it left; what it said before, in `before`.
_HISTORY = f"""SELECT '{{kind}}', t.id, v, CASE v WHEN 1 THEN 'recorded' ELSE 'changed' END,
    {{image}} || CASE WHEN v = {{versions}} THEN '{{{{}}}}'::jsonb ELSE {{before}} END, o.id, NULL::bigint,
    'message', o.id, m.at, m.at
  FROM {{table}} t JOIN canonical_order o ON o.id = t.{{order}}, generate_series(1, {{versions}}) v,
    LATERAL (SELECT o.placed_at + CASE WHEN v = {{versions}} THEN {_TOOK.format(n="(o.id - %(order)s)")} ELSE v * interval '4 minutes' END
      AS at) m WHERE t.{{order}} > %(order)s AND m.at <= %(now)s"""
#: Figures of SKUs: versions of each at equal distances over the year.
_FIGURES = """SELECT '{kind}', t.id, v, 'changed', {image}, NULL, NULL::bigint, 'reckoning', 1, m.at, m.at
  FROM {table} t, LATERAL (SELECT CASE WHEN t.id = %(hot_{kind})s THEN %(most)s ELSE %(few)s END AS last) c,
    generate_series(1, c.last) v, LATERAL (SELECT %(start)s + %(year)s * (v / (c.last + 1.0)) AS at) m"""
FIGURES = ("offer", "listing", "stock_level")
#: Of orders and their parts: their order's column, how many versions, and what all but the last said otherwise.
CHANGING = {
    "order": ("id", 5, "jsonb_build_object('stage', 'in_fulfilment', 'shop_status', 'processing')"),
    "order_line": ("order_id", 6, "jsonb_build_object('shipped', 0)"),
    "fulfilment_request": ("order_id", 4, "jsonb_build_object('execution', 'new', 'answer', 'accepted', 'lines', "
                           "(SELECT jsonb_object_agg(q.line_id, jsonb_build_object('units', q.units, 'short', 0, 'shipped', 0))"
                           " FROM canonical_requestline q WHERE q.request_id = t.id))"),
}  # fmt: skip
_COLUMNS = "subject_kind, subject_id, version, event, state, order_id, source_id, cause_kind, cause_id, occurred_at, recorded_at"


def run(entries: int, say: Callable[[str], None]) -> Section:
    """Fill the ledger and ask."""
    built = world.build()
    ids = shelves.fill(built.shop, built.wms, SKUS)
    hottest = ids[0]
    start = _year(ids, hottest, entries, say)
    there = world.scalar("SELECT count(*) FROM canonical_entry")
    say(f"P7: {there:,} entries are there")
    codes = dict(sql.fetch("SELECT id, code FROM canonical_sku WHERE id = ANY(%s)", (ids,)))
    rng = random.Random(7)
    client = world.person()
    taken: dict[tuple[str, str], list[float]] = {}
    opened: list[int] = []
    for _ in range(ASKED):  # in turns, so that neither finds what the other left in memory
        for who, code in (("any SKU", codes[rng.choice(ids[1:])]), ("the hottest SKU", codes[hottest])):
            for how in ("json", ""):
                at = start + rng.random() * YEAR
                took, body = _asked(client, code, at, how)
                taken.setdefault((who, how), []).append(took)
                if how and code == codes[hottest]:
                    told = msgspec.json.decode(body)
                    opened.append(sum(len(x["orders"]) for x in [told, *told["places"]]))
    table = ["| asked about | answer | p50, ms | p95, ms | slowest, ms |", "|---|---|---|---|---|"]
    for (who, how), seconds in taken.items():
        figures = [f"{1000 * x:.0f}" for x in (percentile(seconds, 0.5), percentile(seconds, 0.95), max(seconds))]
        table.append(f"| {who} | {how or 'page, with its curves'} | {' | '.join(figures)} |")
    return Section(
        "P7 growth: as-of",
        f"{there:,} ledger entries of a year: {_orders(entries):,} orders of {LINES} lines, {SKUS:,} SKUs at {shelves.PLACES} "
        f"places. “Why” with terms, rules, ledger rows and open orders, at random instants of the year, as page and as JSON, "
        f"{ASKED} times each for random SKUs and for the hottest, which stands in every {HOT}th order, {median(opened):,.0f} of which "
        f"were open (median), and whose offer, listing and one level have {entries // HOTTEST:,} versions each. "
        "Through Django, without a web server; nothing asked twice.",
        "\n".join(table),
        [
            Claim(
                f"why at a past instant, {who}, {how or 'page'}, p95, s", percentile(seconds, 0.95), 0.3, at_most=True
            )
            for (who, how), seconds in taken.items()
        ],
    )


def _asked(client: Client, code: str, at: datetime, how: str) -> tuple[float, bytes]:
    """Seconds of one answer, and what it says."""
    url = why.address("shop", code, at=at.isoformat(), **({"format": how} if how else {}))
    began = time.perf_counter()
    answer = client.get(url)
    took = time.perf_counter() - began
    if answer.status_code != 200 or b"B0" not in answer.content:
        raise Broken(f"{url} answered {answer.status_code}.")
    return took, answer.content


def _orders(entries: int) -> int:
    """How many orders tell about half of so many entries."""
    return entries // 2 // PER_ORDER


def _year(ids: list[int], hottest: int, entries: int, say: Callable[[str], None]) -> datetime:
    """Put a year there; returns when it began."""
    now, orders = clock.now(), _orders(entries)
    ((offer, listing),) = sql.fetch("SELECT id, listing_id FROM canonical_offer WHERE sku_id = %s", (hottest,))
    level = world.scalar("SELECT min(id) FROM canonical_stocklevel WHERE sku_id = %s", hottest)
    template = {
        "order": Order.objects.latest("pk").pk, "line": OrderLine.objects.latest("pk").pk,
        "request": FulfilmentRequest.objects.latest("pk").pk, "asked": RequestLine.objects.latest("pk").pk,
    }  # fmt: skip
    most = entries // HOTTEST
    given = {
        **template, "orders": orders, "lines": LINES, "hot": HOT, "hottest": hottest, "sku": ids[0], "skus": SKUS,
        "start": now - YEAR, "gap": YEAR / orders, "now": now, "year": YEAR, "most": most,
        "few": (entries // 2 - 3 * most) // (SKUS * (2 + shelves.PLACES)), "hot_offer": offer, "hot_listing": listing,
        "hot_stock_level": level,
    }  # fmt: skip
    # Rows as the product left them a year long need no guard, and no shop to be told.
    sql.fetch("SET session_replication_role = replica")
    for statement in (_ORDERS, _LINES, _REQUESTS, _ASKED):
        sql.fetch(statement, given)
    say(f"P7: {orders:,} orders are there")
    sql.fetch("TRUNCATE canonical_entry")
    sql.fetch(
        f"INSERT INTO canonical_entry ({_COLUMNS}) SELECT * FROM ({' UNION ALL '.join(_entries())}) h ({_COLUMNS}) ORDER BY recorded_at",
        given,
    )
    for kind in FIGURES:
        sql.fetch(f"UPDATE {SUBJECTS[kind].table} t SET ledger_version = (SELECT max(version) FROM canonical_entry"
                  f" WHERE subject_kind = '{kind}' AND subject_id = t.id)")  # fmt: skip
    sql.fetch("RESET session_replication_role")
    sql.fetch("VACUUM ANALYZE")
    return now - YEAR


def _entries() -> Iterator[str]:
    """A statement per kind of subject that tells its entries."""
    for kind, (order, versions, before) in CHANGING.items():
        subject = SUBJECTS[kind]
        yield _HISTORY.format(
            kind=kind, image=subject.after_image, table=subject.table, order=order, versions=versions, before=before
        )
    for kind in FIGURES:
        yield _FIGURES.format(kind=kind, image=SUBJECTS[kind].after_image, table=SUBJECTS[kind].table)
