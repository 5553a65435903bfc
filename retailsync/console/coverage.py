"""Which words recent orders of one shop use, how often, and what they are mapped to. One query per table, however many orders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Q

from canonical import mappings, sql
from canonical.mappings import Meaning, Tables, Unmapped
from canonical.models import Mapping as Row
from retailsync.console import meanings

RECENT = 1_000  # orders of a shop that are looked at, the newest ones
SHOWN = 500  # words of one table that are shown, the most used first

_ORDERS = f"SELECT * FROM canonical_order WHERE channel_id = %s ORDER BY placed_at DESC LIMIT {RECENT}"
_TAXES = (
    "SELECT o.id, jsonb_array_elements(l.taxes) AS tax FROM o JOIN canonical_orderline l ON l.order_id = o.id"
    " UNION ALL SELECT o.id, jsonb_array_elements(c.taxes) FROM o JOIN canonical_charge c ON c.order_id = o.id"
)

#: What uses a table's words: (order id, word, what comes with it) per use. The extra text tells words apart or explains them.
_USES: Mapping[str, str] = {
    "shipping_method": "SELECT o.id, c.code, c.title FROM o JOIN canonical_charge c ON c.order_id = o.id WHERE c.kind = 'shipping'",
    "payment_method": "SELECT o.id, o.payment_method, o.payment_title FROM o WHERE o.payment_method <> ''",
    "tax": f"SELECT t.id, coalesce(tax->>'code', ''), trim_scale((tax->>'rate')::numeric)::text FROM ({_TAXES}) t",
    "place": (
        "SELECT o.id, coalesce(a.content->>'country', ''), coalesce(a.content->>'state', '')"
        " FROM o JOIN canonical_address a ON a.id = o.shipping_id WHERE coalesce(a.content->>'country', '') <> ''"
    ),
    "shop_status": "SELECT o.id, o.shop_status_text, o.shop_status FROM o",
    "line_kind": "SELECT o.id, c.title, '' FROM o JOIN canonical_charge c ON c.order_id = o.id WHERE c.kind = 'fee'",
    "sku": (
        "SELECT o.id, l.sku_text, coalesce(k.code, '') FROM o JOIN canonical_orderline l ON l.order_id = o.id"
        " LEFT JOIN canonical_sku k ON k.id = l.sku_id WHERE l.sku_text <> '' AND l.sku_text IS DISTINCT FROM k.code"
    ),
    "meta": "SELECT o.id, m.key, '' FROM o, jsonb_each_text(o.meta) m WHERE m.value <> ''",
}  # fmt: skip


class Seen(NamedTuple):
    """One word: how many orders use it, its share of them in percent, and what it means. `state`: mapped, passes, or unmapped."""

    key: str
    extra: str
    orders: int
    share: int
    state: str
    meaning: str


@dataclass(frozen=True)
class Found:
    """What a shop's recent orders use of one table. `mapped` counts uses in percent; None where nothing has to be mapped."""

    orders: int
    rows: int
    words: list[Seen]
    unmapped: int
    mapped: int


def look(kind: str, shop_id: int) -> Found:
    """The words of one shop and table, those without a meaning first, then the most used."""
    rows = list(
        Row.objects.filter(Q(channel=shop_id) | Q(channel=None)).values_list("kind", "channel_id", "key", "value")
    )
    tables = Tables(rows)
    used = sql.fetch(
        f"WITH o AS ({_ORDERS}), u (id, key, extra) AS ({_USES[kind]}) SELECT key, extra, count(DISTINCT id), (SELECT count(*) FROM o)"
        f" FROM u GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT {SHOWN}",
        (shop_id,),
    )
    total = used[0][3] if used else 0
    words = [
        Seen(key, extra, count, max(1, round(100 * count / total)), *_meant(kind, tables, key, extra))
        for key, extra, count, _ in used
    ]
    uses, lacking = sum(w.orders for w in words), sum(w.orders for w in words if w.state == "unmapped")
    return Found(
        total, sum(row[0] == kind for row in rows), sorted(words, key=lambda w: w.state != "unmapped"),
        sum(w.state == "unmapped" for w in words), 100 * (uses - lacking) // uses if uses else 100,
    )  # fmt: skip


def _meant(kind: str, tables: Tables, key: str, extra: str) -> tuple[str, str]:
    """(state, words): asked of the same tables as an order's plan, in the same way."""
    try:
        meaning = _ASK[kind](tables, key, extra)
    except Unmapped:
        return "unmapped", ""
    if isinstance(meaning, Meaning):
        return "mapped", meanings.said(meaning)
    return ("unmapped", "") if (kind, extra) in _LACKING else ("passes", str(meaning or ""))


#: What comes with a word that nobody knows.
_LACKING = {("shop_status", "unknown"), ("sku", "")}


def _sku(tables: Tables, key: str, extra: str) -> Any:
    return tables.sku(key) or (f"known as {extra}" if extra else "")


def _status(tables: Tables, key: str, extra: str) -> Any:
    return tables.status(key) or ("" if extra == "unknown" else f"known as {extra.replace('_', ' ')}")


def _meta(tables: Tables, key: str, extra: str) -> Any:
    found = tables.meta({key: "x"})
    return mappings.MetaField(field=next(iter(found))) if found else None  # type: ignore[arg-type]


_ASK: Mapping[str, Callable[[Tables, str, str], Any]] = {
    "shipping_method": lambda tables, code, title: tables.shipping(code, title),
    "payment_method": lambda tables, method, title: tables.payment(method),
    "tax": lambda tables, code, rate: tables.tax(code, rate),
    "place": lambda tables, country, state: tables.place(country, state),
    "shop_status": _status,
    "line_kind": lambda tables, name, _: tables.line_kind(name),
    "meta": _meta,
    "sku": _sku,
}
