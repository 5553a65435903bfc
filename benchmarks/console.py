"""P7, its part about the console: pages of an administrator over the ledger of asof.py, with two million messages and commands, a million
exchanges and a hundred thousand open exceptions. Every page is asked for as a browser would ask, through Django, without a web server."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from django.test import Client
from django.urls import reverse

from benchmarks import world
from benchmarks.report import Broken, Claim, Section, percentile
from canonical import sql

MESSAGES, ATTEMPTS, OPEN, CLOSED, CAUSES = 2_000_000, 1_000_000, 100_000, 300_000, 2_000
LARGEST = 5  # one exception in so many is of one and the same cause
ASKED = 30  # times each page is asked for
AT_MOST = 0.3  # seconds, p95

#: Rows n = 1, 2, … over a year, as the corridor leaves them.
_MESSAGES = """INSERT INTO sync_message (system_id, topic, dedup_key, door, body, state, received_at, done_at, words, reason)
  SELECT %(shop)s, 'order.updated', int8send(n::bigint), CASE n %% 3 WHEN 0 THEN 'poll' ELSE 'webhook' END, '{"id": 1}',
    CASE WHEN n %% 400 = 0 THEN 'parked' ELSE 'done' END, p.at, CASE WHEN n %% 400 <> 0 THEN p.at + interval '0.3 s' END,
    CASE WHEN n %% 400 = 0 THEN 'Nobody understands this.' ELSE '' END, CASE WHEN n %% 400 = 0 THEN 'malformed' ELSE '' END
  FROM generate_series(1, %(messages)s) n, LATERAL (SELECT now() - interval '1 year' * (1 - n::float / %(messages)s) AS at) p"""
_COMMANDS = """INSERT INTO sync_command (system_id, kind, subject_kind, subject_key, purpose, payload, order_id, state, cause_kind,
    cause_id, created_at, settled_at, words, reason, level, stoppable)
  SELECT %(erp)s, (ARRAY['CreateOrder', 'ConfirmOrder', 'SendTracking', 'PostGoodsIssue', 'CompleteOrder'])[1 + n %% 5],
    'order', o.id::text, 'y:' || n, '{}', o.id, s.state, 'message', n, p.at,
    CASE s.state WHEN 'confirmed' THEN p.at + interval '0.4 s' END, '', '', false, false
  FROM generate_series(1, %(messages)s) n, LATERAL (SELECT now() - interval '1 year' * (1 - n::float / %(messages)s) AS at) p,
    LATERAL (SELECT %(order)s + 1 + n %% %(orders)s AS id) o,
    LATERAL (SELECT CASE WHEN n %% 80 = 0 THEN 'parked' WHEN n %% 5000 = 1 THEN 'in_doubt' WHEN n %% 1000 = 3 THEN 'waiting'
      ELSE 'confirmed' END AS state) s"""
_ATTEMPTS = """INSERT INTO sync_attempt (system_id, method, url, status, request, response, started_at, seconds, error)
  SELECT %(erp)s, 'POST', 'https://erp.example.com/json/2/sale.order/create', CASE WHEN n %% 200 = 0 THEN 500 ELSE 200 END, '{}', '{}',
    now() - interval '1 year' * (1 - n::float / %(attempts)s), 0.1, '' FROM generate_series(1, %(attempts)s) n"""
#: The open ones of many causes, one of which is large; the closed ones likewise.
_CASES = """INSERT INTO sync_case (target_kind, target_id, system_id, order_id, workflow, stage, reason, detail, cause, words, who,
    opened_at, closed_at, closed_by)
  SELECT 'command', n, %(erp)s, %(order)s + 1 + n %% %(orders)s, 'order_to_fulfilment', 'send',
    (ARRAY['refused', 'sku_mapping', 'in_doubt', 'totals'])[1 + c.cause %% 4], 'Cause ' || c.cause,
    encode(sha256(('cause ' || c.cause)::bytea), 'hex'), 'Something of cause ' || c.cause || ' went wrong.', 'back_office',
    now() - interval '30 days' * (1 - n::float / %(cases)s), CASE WHEN n > %(open)s THEN now() END, ''
  FROM generate_series(1, %(cases)s) n, LATERAL (SELECT CASE WHEN n %% %(largest)s = 0 THEN 0 ELSE n %% %(causes)s END AS cause) c"""
_GROUPS = """INSERT INTO sync_group (cause, system_id, workflow, stage, reason, detail, who, words)
  SELECT DISTINCT ON (cause) cause, system_id, workflow, stage, reason, detail, who, words FROM sync_case ORDER BY cause, id"""
_PULSES = """INSERT INTO sync_pulse (bucket, workflow, system_id, came, handled, in_time, parked, p50, p95, exchanges, failed)
  SELECT date_bin('5 minutes', now(), '2000-01-01') - n * interval '5 minutes', w, %(erp)s, 100, 100, 99, 1, 0.3, 0.9, 300, 2
  FROM generate_series(1, 2016) n, unnest(ARRAY['intake', 'order_to_fulfilment', 'shipments', 'inventory']) w"""


def _lists(name: str, *queries: str) -> dict[str, str]:
    """A list: its first page, and narrowed."""
    url = reverse(f"admin:{name}_changelist")
    return {f"{name.partition('_')[2]} list{' ' + q[:30] if q else ''}": f"{url}{q}" for q in ("", *queries)}


def pages(given: Mapping[str, Any]) -> dict[str, str]:
    """Name → address, of everything people open."""

    def page(kind: str, pk: Any) -> str:
        return reverse(f"admin:{kind}_change", args=[pk])

    deep_message, deep_entry = given["message"] - given["messages"] // 2, given["entry"] // 2
    return {
        "home": "/admin/", "home, 7 days": "/admin/?span=7d", "exceptions, my day": "/admin/sync/group/",
        "exceptions, all": "/admin/sync/group/?view=open", "exceptions, oldest first": "/admin/sync/group/?view=open&sort=oldest",
        "exceptions, one reason": "/admin/sync/group/?view=open&reason=refused", "exceptions, searched": "/admin/sync/group/?q=Cause+77",
        "exceptions, resolved": "/admin/sync/group/?view=resolved", "group, largest": page("sync_group", given["largest"]),
        "group, usual": page("sync_group", given["usual"]), "exception": page("sync_case", given["case"]),
        **_lists("sync_case", "?reason=refused", f"?cause={given['cause']}", "?state=closed", "?q=Y100"),
        **_lists("canonical_order", "?stage__exact=completed", "?shop_status=processing", "?q=Y1000", f"?after={given['order'] + 1000}"),
        **_lists("sync_message", "?state__exact=parked", "?door=poll", f"?after={deep_message}"),
        **_lists("sync_command", "?state__exact=parked", "?state__exact=in_doubt", "?kind=SendTracking", "?q=Y1000"),
        **_lists("sync_attempt", "?outcome=bad", "?outcome=none"), **_lists("canonical_entry", f"?after={deep_entry}", "?q=Y1000"),
        **_lists("canonical_shipment"), **_lists("canonical_customer"), **_lists("canonical_stockmovement"), **_lists("canonical_sku"),
        **_lists("sync_replay"),
        "order": page("canonical_order", given["order"] + 500), "timeline of an order": f"/admin/timeline/order/{given['order'] + 500}/",
        "timeline of the hottest SKU": f"/admin/timeline/sku/{given['sku']}/", "message": page("sync_message", given["message"]),
        "command": page("sync_command", given["command"]), "entry": page("canonical_entry", given["entry"]),
        "search, an order": "/admin/search/?q=Y1000", "search, nothing": "/admin/search/?q=nothing-like-this",
    }  # fmt: skip


def run(quick: bool, say: Callable[[str], None]) -> Section:
    """Fill the console's tables beside a ledger that is there, and open every page."""
    given = _fill(20 if quick else 1, say)
    client = world.person()
    taken = {name: [_opened(client, url) for _ in range(5 if quick else ASKED)] for name, url in pages(given).items()}
    table = ["| page | p50, ms | p95, ms | slowest, ms |", "|---|---|---|---|"]
    for name, seconds in sorted(taken.items(), key=lambda pair: -percentile(pair[1], 0.95)):
        figures = [f"{1000 * x:.0f}" for x in (percentile(seconds, 0.5), percentile(seconds, 0.95), max(seconds))]
        table.append(f"| {name} | {' | '.join(figures)} |")
    slowest = max(taken, key=lambda name: percentile(taken[name], 0.95))
    within = sum(percentile(seconds, 0.95) <= AT_MOST for seconds in taken.values())
    return Section(
        "P7 growth: console",
        f"{world.scalar('SELECT count(*) FROM canonical_entry'):,} ledger entries, {given['orders']:,} orders, "
        f"{given['messages']:,} messages and "
        f"as many commands, {given['attempts']:,} exchanges, {given['open']:,} open exceptions of {CAUSES:,} causes, one of which has "
        f"every {LARGEST}th. {len(taken)} pages, each {ASKED} times, by an administrator who may see everything.",
        "\n".join(table),
        [
            Claim(f"slowest page ({slowest}), p95, s", percentile(taken[slowest], 0.95), AT_MOST, at_most=True),
            Claim("pages within 0.3 s, of all", within / len(taken), 1.0),
        ],
    )  # fmt: skip


def _opened(client: Client, url: str) -> float:
    began = time.perf_counter()
    answer = client.get(url)
    took = time.perf_counter() - began
    if answer.status_code not in (200, 302):
        raise Broken(f"{url} answered {answer.status_code}.")
    return took


def _fill(part: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Rows of the corridor and of exceptions, `part` times fewer; what pages need of them."""
    ((first, last),) = sql.fetch("SELECT min(id), max(id) FROM canonical_order WHERE reference LIKE 'Y%%'")
    given: dict[str, Any] = {
        "shop": world.scalar("SELECT channel_id FROM canonical_order LIMIT 1"), "erp": world.scalar("SELECT min(id) FROM canonical_system"),
        "order": first - 1, "orders": last - first + 1, "messages": MESSAGES // part, "attempts": ATTEMPTS // part, "open": OPEN // part,
        "cases": (OPEN + CLOSED) // part, "largest": LARGEST, "causes": CAUSES,
    }  # fmt: skip
    sql.fetch("SET session_replication_role = replica")
    for statement in (_MESSAGES, _COMMANDS, _ATTEMPTS, _CASES, _GROUPS, _PULSES):
        sql.fetch(statement, given)
    sql.fetch("RESET session_replication_role")
    sql.fetch("VACUUM ANALYZE")
    say("P7: messages, commands, exchanges and exceptions are there")
    newest = {name: world.scalar(f"SELECT max(id) FROM {table}") for name, table in _TABLES.items()}
    largest, usual = (world.scalar("SELECT id FROM sync_group WHERE detail = %s", f"Cause {n}") for n in (0, 77))
    return {
        **given, **newest, "largest": largest, "usual": usual,
        "cause": sql.fetch("SELECT cause FROM sync_group WHERE id = %s", (largest,))[0][0],
        "case": world.scalar("SELECT max(id) FROM sync_case WHERE closed_at IS NULL"),
        "sku": world.scalar("SELECT min(sku_id) FROM canonical_offer"),
    }  # fmt: skip


_TABLES = {"message": "sync_message", "command": "sync_command", "entry": "canonical_entry"}
