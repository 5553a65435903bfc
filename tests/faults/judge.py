"""What must hold of any life, once things have calmed down: judged by the systems' own stores, not by what we believe of them."""

from collections import Counter
from decimal import Decimal
from typing import Any

from tests.faults.unclean import Life
from tests.journeys.stage import unexplained
from tests.world import rows

#: What tells a person that something left although it was not wanted.
AGAINST = {
    "refunded_but_shipping", "cancel_refused", "shipped_after_cancel", "over_shipped", "edited_after_release", "unknown_article",
    "order_gone",
}  # fmt: skip
ENDED = ("completed", "cancelled", "partially_cancelled")


def faults(life: Life) -> list[Any]:
    """Everything that is not as it must be; empty when all is well."""
    found: list[Any] = [("ledger", row) for row in unexplained()]
    found += [("message", row) for row in rows(_MESSAGES)]
    found += [("command waits for nobody", row) for row in rows(_COMMANDS)]
    found += [("booked twice", n) for n, count in _live(life).items() if count > 1]
    for code, warehouse in life.s.warehouses.items():
        state = warehouse.state()
        found += [(code, "asked twice", r) for r in state["doubles"]] + [(code, "refused", r) for r in state["refused"]]
    for order in life.orders:
        found += [(order, *fault) for fault in _order(life, order)]
    return found


_MESSAGES = """SELECT id, topic, state, reason, words FROM sync_message m WHERE state <> 'done' AND NOT (state = 'parked' AND EXISTS (
    SELECT 1 FROM sync_case c WHERE c.target_kind = 'message' AND c.target_id = m.id AND c.closed_at IS NULL))"""
_COMMANDS = """SELECT c.id, kind, order_id, state, reason, doubtful, waits_for, words, left(trouble, 3000) FROM sync_command c
    WHERE state NOT IN ('confirmed', 'superseded')
      AND NOT EXISTS (SELECT 1 FROM sync_case x WHERE x.closed_at IS NULL AND (x.order_id = c.order_id
                      OR (x.target_kind = 'command' AND x.target_id = c.id)))
      AND NOT (c.stoppable AND EXISTS (SELECT 1 FROM canonical_hold h WHERE h.order_id = c.order_id AND h.lifted_at IS NULL
      AND h.blocks))"""


def _live(life: Life) -> Counter[str]:
    return Counter(b["reference"].partition("/")[0] for b in life.s.erp.state()["orders"] if b["state"] != "cancel")


# ---- one order --------------------------------------------------------------------------------------------------------------
def _order(life: Life, number: int) -> list[Any]:
    shop = life.s.shop.orders.get(number)
    known = rows("SELECT id, stage, reference FROM canonical_order WHERE external_id = %s", str(number))
    if not known:
        return [("never heard of",)] if shop is not None and shop["status"] not in ("trash", "checkout-draft") else []
    ((id, stage, reference),) = known
    cases = rows("SELECT reason, closed_at IS NULL, closed_by FROM sync_case WHERE order_id = %s", id)
    told = {reason for reason, opened, by in cases if opened or by}
    waits = any(opened for _, opened, _ in cases) or bool(
        rows("SELECT 1 FROM canonical_hold WHERE order_id = %s AND lifted_at IS NULL AND words <> ''", id)
    )
    shipped = _shipped(life, reference)
    found: list[Any] = []
    if (
        stage not in ENDED
        and not waits
        and not (stage == "received" and shop and shop["status"] in ("pending", "failed"))
    ):
        found.append(("does not end", stage, shop and shop["status"]))
    if (against := _against(life, number, shop, shipped)) and not told & AGAINST:
        found.append(("shipped against the wish", against, cases))
    if stage in ENDED and not waits:
        found += _booked(life, number, shop, reference, stage, shipped)
    return found


def _shipped(life: Life, reference: str) -> dict[str, int]:
    """The shop's line id → units that left, by the warehouses' own books."""
    units: Counter[str] = Counter()
    for warehouse in life.s.warehouses.values():
        for work in warehouse._works.values():
            if work.order_reference == reference or work.order_reference.startswith(f"{reference}-"):
                units.update(work.shipped)
    names = dict(
        rows("SELECT id::text, external_id FROM canonical_orderline WHERE id = ANY(%s)", [int(u) for u in units])
    )
    return {names[line]: n for line, n in units.items() if n}


def _against(life: Life, number: int, shop: Any, shipped: dict[str, int]) -> Any:
    """What left although the shop had taken it back before it knew."""
    if not shipped:
        return None
    if shop is None:
        return "deleted"
    if shop["status"] in ("trash", "cancelled", "failed"):
        return shop["status"]
    early = _early(life, number)
    if shop["status"] == "refunded" and early and all(life.early[r["id"]] for r in shop["refunds"]):
        return "refunded"
    ordered = {str(line["id"]): line["quantity"] for line in shop["line_items"]}
    over = {x: (n, ordered.get(x, 0), early[x]) for x, n in shipped.items() if n > max(0, ordered.get(x, 0) - early[x])}
    return over or None


def _early(life: Life, number: int) -> Counter[str]:
    """The shop's line id → units refunded before the shop knew of any shipment."""
    units: Counter[str] = Counter()
    for refund in life.s.shop.refunds.values():
        if refund["parent_id"] == number and life.early[refund["id"]]:
            for item in refund["line_items"]:
                line = next(m["value"] for m in item["meta_data"] if m["key"] == "_refunded_item_id")
                units[str(line)] += abs(item["quantity"])
    return units


def _booked(life: Life, number: int, shop: Any, reference: str, stage: str, shipped: dict[str, int]) -> list[Any]:
    """The ERP holds what was shipped, delivered it, and asks for what the shop asks for."""
    live = [
        b
        for b in life.s.erp.state()["orders"]
        if b["reference"].partition("/")[0] == reference and b["state"] != "cancel"
    ]
    if stage == "cancelled":
        return [("cancelled, and still in the ERP", [b["state"] for b in live])] if live else []
    if len(live) != 1:
        return [("not in the ERP", len(live))]
    (sale,) = live
    found: list[Any] = [] if sale["state"] == "sale" else [("not confirmed", sale["state"])]
    skus = dict(rows(
        "SELECT l.external_id, k.code FROM canonical_orderline l JOIN canonical_sku k ON k.id = l.sku_id"
        " JOIN canonical_order o ON o.id = l.order_id WHERE o.external_id = %s", str(number)))  # fmt: skip
    left: Counter[str] = Counter()
    for line, n in shipped.items():
        left[skus[line]] += n
    goods = [x for x in sale["lines"] if x["sku"].startswith("W")]
    for what in ("quantity", "delivered"):
        sums: Counter[str] = Counter()
        for x in goods:
            sums[x["sku"]] += x[what]
        if +sums != left:
            found.append((f"{what} in the ERP", dict(+sums), "shipped", dict(left)))
    marks = Counter(p["note"] for p in sale["pickings"] if p["state"] == "done")
    found += [("issued twice", note) for note, count in marks.items() if count > 1]
    given_up = rows(  # what a policy or a person decided not to ship is not booked, and its refund is the shop's to make
        "SELECT 1 FROM canonical_abandonment a JOIN canonical_orderline l ON l.id = a.line_id JOIN canonical_order o ON o.id = l.order_id"
        " WHERE o.external_id = %s", str(number))  # fmt: skip
    if given_up:
        return found
    if (
        shop is not None
        and not shop["refunds"]
        and stage == "completed"
        and shop["status"] in ("completed", "processing")
    ) and Decimal(sale["amount_total"]) != Decimal(shop["total"]):
        found.append(("total", sale["amount_total"], shop["total"]))
    if shop is not None and shop["refunds"] and stage == "completed":
        early = [r for r in life.s.shop.refunds.values() if r["parent_id"] == number and life.early[r["id"]]]
        back = sum((_back(r) for r in early), Decimal(0))
        late = [r for r in shop["refunds"] if not life.early[r["id"]]]
        if not late and Decimal(sale["amount_total"]) != Decimal(shop["total"]) - back:
            found.append(("total after refunds", sale["amount_total"], shop["total"], str(back)))
    return found


def _back(refund: dict[str, Any]) -> Decimal:
    """What a refund gave back for units that ship. What needs no shipping was delivered with the confirmation: that is a credit memo."""
    items = [i for i in refund["line_items"] if i["quantity"] and not i["sku"].startswith("DL")]
    return sum((abs(Decimal(i["total"])) + abs(Decimal(i["total_tax"])) for i in items), Decimal(0))
