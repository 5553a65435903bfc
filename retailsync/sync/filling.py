"""Level-commands say only what they are about. Right before they are sent, after their claim was committed, their values are read anew."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from canonical import sql
from canonical.commands import Command, PublishStock
from connectors.base import Receipt
from retailsync.sync import stock, transient
from retailsync.sync.calling import Outcome
from retailsync.sync.outbox import Claimed

PATIENCE = 2.0  # seconds; a lease must outlive this

#: What a listing should show, where it does not show it already; and note that we are about to write it. What waited while somebody
#: switched publishing off is not written any more.
_STOCK = """WITH mine AS MATERIALIZED (SELECT id FROM canonical_listing WHERE id = ANY(%s) ORDER BY id FOR UPDATE)
  UPDATE canonical_listing l SET told = l.target, told_at = clock_timestamp(), verify = true
  FROM (SELECT l.id, min(s.code) AS sku FROM mine l LEFT JOIN canonical_offer o ON o.listing_id = l.id
      LEFT JOIN canonical_sku s ON s.id = o.sku_id GROUP BY 1) n
  WHERE n.id = l.id AND l.target IS NOT NULL AND l.gone_at IS NULL AND l.quantity IS NOT NULL
    AND (l.expected IS NULL OR l.expected <> l.target OR l.backorders <> l.target_backorders)
    AND EXISTS (SELECT 1 FROM canonical_shoppolicy p WHERE p.channel_id = l.channel_id AND p.publish_stock)
  RETURNING l.id, l.external_id, n.sku, l.target, l.target_backorders"""


def _stock(commands: Sequence[PublishStock]) -> dict[int, Command]:
    # Also where another worker is at it: a figure of before would be written over the sales it lacks.
    stock.drained(PATIENCE)
    rows = transient.repeat(lambda: sql.fetch(_STOCK, ([c.listing_id for c in commands],)))
    filled = {
        id: {"ref": ref, "sku": sku or "", "quantity": n, "backorders": backorders}
        for id, ref, sku, n, backorders in rows
    }
    return {
        c.listing_id: msgspec.structs.replace(c, **filled[c.listing_id]) for c in commands if c.listing_id in filled
    }


#: Kind → (commands → by subject's id the command with its values; one that is missing has nothing to do).
FILLS: Mapping[str, Callable[[Sequence], dict[int, Command]]] = {"PublishStock": _stock}


def filled(chunk: Sequence[Claimed]) -> tuple[list[Claimed], list[Outcome]]:
    """The commands with their values, and outcomes of those for which nothing is left to do."""
    fill = FILLS.get(chunk[0].kind)
    if fill is None:
        return list(chunk), []
    values = fill([c.command for c in chunk])
    ready = [c._replace(command=values[c.command.subject.id]) for c in chunk if c.command.subject.id in values]
    over = [
        Outcome(c, Receipt(c.id, evidence="nothing was left to do"))
        for c in chunk
        if c.command.subject.id not in values
    ]
    return ready, over
