"""Where an inbound shipment or a return of a partner stands: what is recorded, and what the partner said since that is not recorded yet.

Like the desk does for requests: the door takes the subject's lock and folds what is on its way onto what is recorded, so that one name
never stands for two things.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from canonical import sql
from canonical.recording.returns import reference_of
from connectors.partner.reading import Statement, kept
from connectors.partner.reading import arrivals as words
from retailsync.partners.problems import Problem

_LOCK = 0x5247  # the seed of advisory locks on what arrives: 64 bits, and none is shared with another partner
LOOKED_AT = "Somebody at the retailer will look at it."

Content = list[tuple[Any, ...]]  # what a report says, in one order whatever it was said in


class Item(msgspec.Struct):
    """One SKU of it."""

    expected: int = 0
    received: int = 0
    inspected: int = 0


class Standing(msgspec.Struct):
    """One inbound shipment or return. `items` by SKU; `lines` are our ids of lines → SKU; `reports` by stage and the partner's name."""

    reference: str
    cancelled: bool
    items: dict[str, Item]
    lines: dict[str, str]
    reports: dict[str, Content]

    @property
    def state(self) -> str:
        """As recording it makes it."""
        items = self.items.values()
        if not any(item.received or item.inspected for item in items):
            return "cancelled" if self.cancelled else "expected"
        if any(item.inspected for item in items) and all(i.inspected >= max(i.received, i.expected) for i in items):
            return "inspected"
        there = all(max(item.received, item.inspected) >= item.expected for item in items)
        return "received" if there else "part_received"

    def sku_of(self, one: words.ReturnedLine) -> str:
        """Which SKU a line of a report is about."""
        return self.lines.get(one.line, "") if one.line else one.sku


# ---- what is said -----------------------------------------------------------------------------------------------------------
def named(said: Statement) -> str:
    """Stage and the partner's own name of a report."""
    match said:
        case words.Receipt() | words.ReturnReceived():
            return f"received:{said.receipt}"
        case words.ReturnInspected():
            return f"inspected:{said.inspection}"
        case words.Unannounced():
            return f"received:{said.parcel}"
    raise TypeError(type(said).__name__)


def content(at: Standing, said: Statement) -> Content:
    """What a report says: units by SKU (damaged ones beside), or by SKU, condition and disposition."""
    sums: dict[tuple[str, ...], list[int]] = {}
    lines: Iterable[Any] = getattr(said, "lines", ())
    for one in lines:
        if isinstance(one, words.ReceivedItem):
            key, units = (one.sku,), [one.units, one.damaged]
        elif isinstance(one, words.ArrivedItem):
            key, units = (one.sku, "", ""), [one.units]
        else:
            key, units = (at.sku_of(one), getattr(one, "condition", ""), getattr(one, "disposition", "")), [one.units]
        before = sums.get(key, [0] * len(units))
        sums[key] = [a + b for a, b in zip(before, units, strict=True)]
    return sorted((*key, *units) for key, units in sums.items())


def fold(at: Standing, said: Statement) -> None:
    """Let one report count that is not recorded yet. Saying it twice is saying it once."""
    name = named(said)
    if name in at.reports:
        return
    at.reports[name] = content(at, said)
    inspected = name.startswith("inspected:")
    for sku, *rest in at.reports[name]:
        units = rest[0] if isinstance(said, words.Receipt) else rest[-1]
        item = at.items.setdefault(sku, Item())
        if inspected:
            item.inspected += units
        else:
            item.received += units


def copied(at: Standing) -> Standing:
    """As it stands now, whatever is folded into it later."""
    return msgspec.convert(msgspec.to_builtins(at), Standing)


# ---- what is refused, and what is only remarked ------------------------------------------------------------------------------
def known(at: Standing, said: Statement) -> bool:
    """Whether this very report was made before. Raises Problem where its name stands for another one, or a line is not of this return."""
    for n, one in enumerate(getattr(said, "lines", ())):
        if getattr(one, "line", "") and one.line not in at.lines:
            field = f"lines[{n}].line"
            raise Problem("not_on_request", f"{field}: {one.line} is not a line of {at.reference}.", field=field)
    name = named(said)
    if name not in at.reports:
        return False
    if at.reports[name] != content(at, said):
        detail = f"{name.partition(':')[2]} of {at.reference} was reported before, with other contents."
        raise Problem("said_otherwise", detail, state=at.state)
    return True


def remarks(before: Standing, after: Standing, said: Statement) -> list[str]:
    """What somebody at the retailer will look at."""
    told = sorted({sku for sku, *_ in content(before, said)})
    skus = {code for (code,) in sql.fetch("SELECT code FROM canonical_sku WHERE code = ANY(%s)", (told,))}
    found = [f"{sku} is no SKU of ours: nothing of this counts until it is." for sku in told if sku not in skus]
    if before.cancelled:
        found.append(f"{before.reference} was cancelled.")
    for sku in told:
        found += _beyond(sku, before.items.get(sku, Item()), after.items[sku])
    return [f"{remark} {LOOKED_AT}" for remark in found]


def _beyond(sku: str, before: Item, after: Item) -> Iterable[str]:
    if after.received > before.received and after.received > after.expected:
        yield f"{sku}: {after.received} received, {after.expected} expected."
    if after.inspected > before.inspected and after.inspected > max(after.received, after.expected):
        yield f"{sku}: {after.inspected} inspected, {after.received} received."


# ---- reading it -------------------------------------------------------------------------------------------------------------
_PENDING = """(SELECT jsonb_agg(jsonb_build_array(m.topic, encode(m.body, 'base64')) ORDER BY m.id) FROM sync_message m
    WHERE m.system_id = {0} AND m.about = {1} AND m.about <> '' AND m.state IN ('received', 'waiting', 'parked'))"""
#: One statement each, so that a word is seen where it was stored or where it was recorded, and never in neither.
_INBOUND = f"""SELECT jsonb_build_object('reference', t.reference, 'cancelled', t.cancelled, 'lines', '{{}}'::jsonb,
    'items', coalesce((SELECT jsonb_object_agg(k.code, jsonb_build_object('expected', i.expected, 'received', i.received))
      FROM canonical_inboundline i JOIN canonical_sku k ON k.id = i.sku_id WHERE i.shipment_id = t.id), '{{}}'),
    'reports', coalesce((SELECT jsonb_object_agg('received:' || r.external_id,
        (SELECT jsonb_agg(jsonb_build_array(k.code, u.units, u.damaged)) FROM canonical_inboundreceiptline u
          JOIN canonical_inboundline i ON i.id = u.line_id JOIN canonical_sku k ON k.id = i.sku_id WHERE u.receipt_id = r.id))
      FROM canonical_inboundreceipt r WHERE r.shipment_id = t.id), '{{}}'))::text,
    {_PENDING.format("l.executor_id", "'inbound/' || t.reference")}::text
  FROM canonical_inboundshipment t JOIN canonical_location l ON l.id = t.location_id WHERE l.executor_id = %s AND t.reference = %s"""
_RETURN = f"""SELECT CASE WHEN t.id IS NOT NULL THEN jsonb_build_object('reference', t.reference, 'cancelled', t.cancelled,
    'lines', coalesce((SELECT jsonb_object_agg(i.id, k.code)
      FROM canonical_returnline i JOIN canonical_sku k ON k.id = i.sku_id WHERE i.returned_id = t.id), '{{}}'),
    'items', coalesce((SELECT jsonb_object_agg(k.code, jsonb_build_object('expected', i.expected, 'received', i.received,
        'inspected', i.inspected)) FROM canonical_returnline i JOIN canonical_sku k ON k.id = i.sku_id WHERE i.returned_id = t.id), '{{}}'),
    'reports', coalesce((SELECT jsonb_object_agg(r.stage || ':' || r.external_id,
        (SELECT jsonb_agg(jsonb_build_array(k.code, u.condition, u.disposition, u.units)) FROM canonical_returnedunits u
          JOIN canonical_returnline i ON i.id = u.line_id JOIN canonical_sku k ON k.id = i.sku_id WHERE u.report_id = r.id))
      FROM canonical_returnreport r WHERE r.returned_id = t.id), '{{}}'))::text END,
    {_PENDING.format("v.system", "'return/' || v.reference")}::text
  FROM (VALUES (%s::bigint, %s)) v(system, reference) LEFT JOIN (canonical_return t JOIN canonical_location l ON l.id = t.location_id)
    ON t.reference = v.reference AND l.executor_id = v.system"""


def about_inbound(reference: str) -> str:
    """What the inbox calls words about an inbound shipment."""
    return f"inbound/{reference}"


def about_return(reference: str) -> str:
    """What the inbox calls words about a return."""
    return f"return/{reference}"


def inbound(system_id: int, reference: str) -> Standing | None:
    """One inbound shipment, locked against other calls about it until the transaction ends; None where this partner expects none."""
    _lock(system_id, about_inbound(reference))
    return _standing(sql.fetch(_INBOUND, (system_id, reference)), None)


def returned(system_id: int, reference: str) -> Standing | None:
    """One return, locked alike; one that was said a moment ago is there."""
    _lock(system_id, about_return(reference))
    return _standing(sql.fetch(_RETURN, (system_id, reference)), reference)


def parcel(system_id: int, name: str) -> Standing:
    """The return of a parcel nobody announced, by the partner's name of it: as it is, or before it comes about."""
    ((slug,),) = sql.fetch("SELECT slug FROM canonical_system WHERE id = %s", (system_id,))
    reference = reference_of(slug, name)
    return returned(system_id, reference) or _empty(reference)


def _lock(system_id: int, about: str) -> None:
    sql.fetch("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", (f"{system_id}:{about}", _LOCK))


def _empty(reference: str) -> Standing:
    return Standing(reference=reference, cancelled=False, items={}, lines={}, reports={})


def _standing(rows: Sequence[tuple[Any, ...]], unrecorded: str | None) -> Standing | None:
    """From the row of one of the statements above; `unrecorded`: the reference by which a return may be known that is not recorded."""
    recorded, pending = rows[0] if rows else (None, None)
    said = [word for topic, body in msgspec.json.decode(pending or b"[]") if (word := _word(topic, body)) is not None]
    if recorded is not None:
        at = msgspec.json.decode(recorded, type=Standing)
        at.reports = {name: sorted(map(tuple, lines or ())) for name, lines in at.reports.items()}
    elif unrecorded is not None and any(isinstance(word, words.Unannounced) for word in said):
        at = _empty(unrecorded)
    else:
        return None
    for word in said:
        fold(at, word)
    return at


def _word(topic: str, body: str) -> Statement | None:
    """A stored message, as the statements above hand it over."""
    return kept(topic, msgspec.convert(body.replace("\n", ""), bytes))
