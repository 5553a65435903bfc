"""previewing: what a rule would change in the shops. It is really applied, in a transaction that is always rolled back."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from django.db import transaction
from django.db.utils import OperationalError

from canonical import reckoning, sellable, sql, terms
from canonical.models import AvailabilityRule
from retailsync.sync import clock

LOCK, PATIENCE = 2.0, 20.0  # seconds: waited for a lock, and taken in all
AT_ONCE = 500  # SKUs reckoned by one statement: between two of them the time taken is looked at
SHOWN = 100  # differences that are told one by one


class NotNow(Exception):
    """It could not be tried out in time; says why, to the person who asked."""


class Difference(NamedTuple):
    """What becomes of one SKU in one shop. `rules`: field → the rule that decides it then; those per location by their location."""

    channel: str
    shop: str
    sku: str
    before: int | None
    after: int | None
    published_before: str
    published_after: str
    rules: dict[str, int]

    @property
    def size(self) -> int:
        """How much it changes; becoming known or unknown is the most."""
        known = self.before is not None and self.after is not None
        return abs((self.after or 0) - (self.before or 0)) if known else 1_000_000


class Preview(NamedTuple):
    """What a rule would do: how many figures were looked at, went up, went down or change in backorders only, and the greatest differences.
    `rule`: its id, which a new one has only in here; `decides`: of how many figures it decides something."""

    looked_at: int
    up: int
    down: int
    otherwise: int
    decides: int
    rule: int
    differences: list[Difference]

    @property
    def changed(self) -> int:
        """Figures that change."""
        return self.up + self.down + self.otherwise


def saving(rule: AvailabilityRule) -> Preview:
    """What saving this rule, new or changed, would do. Raises NotNow."""
    kept = AvailabilityRule.objects.filter(pk=rule.pk).first() if rule.pk else None
    was = rule.pk
    try:
        return _tried([rule, *([kept] if kept else [])], rule, rule.save)
    finally:
        rule.pk = was  # a new one got an id that was rolled back


def deleting(rule: AvailabilityRule) -> Preview:
    """What taking this rule away would do. Raises NotNow."""
    return _tried([rule], rule, AvailabilityRule.objects.get(pk=rule.pk).delete)


class _RolledBack(Exception):
    """Ends the transaction; nothing of it stays."""


def _tried(about: Sequence[AvailabilityRule], rule: AvailabilityRule, apply: Callable[[], object]) -> Preview:
    found: list[Preview] = []
    try:
        with transaction.atomic():
            sql.fetch(f"SET LOCAL lock_timeout = '{LOCK}s'")
            sql.fetch(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
            found.append(_compared(_concerned(about), rule, apply, time.monotonic() + PATIENCE))
            raise _RolledBack
    except _RolledBack:
        return found[0]
    except OperationalError as error:
        raise NotNow(
            _WORDS.get(getattr(error.__cause__, "pgcode", ""), "the database could not do it just now.")
        ) from error


_TOO_MANY = f"it concerns so many figures that trying it out takes longer than {PATIENCE:.0f} seconds."
_WORDS = {"55P03": "somebody is changing the same figures at this moment: try again in a minute.", "57014": _TOO_MANY}


#: SKUs some shop offers that a rule may concern: of one SKU, or one category, or all; where kits are made of them, these too.
_CONCERNED = """SELECT DISTINCT o.sku_id FROM canonical_offer o JOIN canonical_sku k ON k.id = o.sku_id
  WHERE (%(channel)s::bigint IS NULL OR %(pool)s OR o.channel_id = %(channel)s)
    AND ((%(sku)s::bigint IS NULL OR k.id = %(sku)s) AND (%(category)s = '' OR k.category = %(category)s)
      OR o.sku_id IN (SELECT c.kit_id FROM canonical_kitcomponent c JOIN canonical_sku p ON p.id = c.component_id
        WHERE (%(sku)s::bigint IS NULL OR p.id = %(sku)s) AND (%(category)s = '' OR p.category = %(category)s)))"""


def _concerned(about: Sequence[AvailabilityRule]) -> list[int]:
    """A shop's own units are taken from what all others may sell: a rule with a pool concerns every shop."""
    found: set[int] = set()
    for rule in about:
        given = {
            "channel": rule.channel_id,
            "pool": rule.pool is not None,
            "sku": rule.sku_id,
            "category": rule.category,
        }
        found |= {sku for (sku,) in sql.fetch(_CONCERNED, given)}
    return sorted(found)


class _Figure(NamedTuple):
    """One offer as reckoned just now."""

    channel: str
    shop: str
    sku: str
    sellable: int | None
    published: str
    rules: Mapping[str, int]


def _compared(skus: Sequence[int], rule: AvailabilityRule, apply: Callable[[], object], ends: float) -> Preview:
    """Reckon, apply, reckon again: what waits to be reckoned anyway is in both, and thus in no difference."""
    before = _reckoned(skus, ends)
    apply()
    id, after = rule.pk, _reckoned(skus, ends)
    pairs = [(before[offer], after[offer]) for offer in sorted(after)]
    differences = [_difference(a, b) for a, b in pairs if (a.sellable, a.published) != (b.sellable, b.published)]
    up, down = (sum(1 for d in differences if sign * ((d.after or 0) - (d.before or 0)) > 0) for sign in (1, -1))
    largest = sorted(differences, key=lambda d: (-d.size, d.shop, d.sku))[:SHOWN]
    decides = sum(1 for _, b in pairs if id in b.rules.values())
    return Preview(len(pairs), up, down, len(differences) - up - down, decides, id or 0, largest)


def _difference(a: _Figure, b: _Figure) -> Difference:
    return Difference(b.channel, b.shop, b.sku, a.sellable, b.sellable, a.published, b.published, dict(b.rules))


_FIGURES = f"""SELECT r.id, s.slug, s.name, k.code, r.sellable, coalesce(r.terms->>'published', 'no'), o.rules || coalesce(e.rules, '{{}}')
  FROM ({sellable.RECKONED}) r JOIN canonical_offer o ON o.id = r.id JOIN canonical_system s ON s.id = r.channel_id
  JOIN canonical_sku k ON k.id = r.sku_id
  LEFT JOIN LATERAL (SELECT jsonb_object_agg(f.key || ' in ' || l.code, f.value) AS rules FROM canonical_eligibility e
    JOIN canonical_location l ON l.id = e.location_id CROSS JOIN jsonb_each(e.rules) f
    WHERE e.sku_id = r.sku_id AND e.channel_id = r.channel_id) e ON true"""


def _reckoned(skus: Sequence[int], ends: float) -> dict[int, _Figure]:
    """Offer → its figure by the rules as they are at this moment."""
    if not skus:
        return {}
    terms.pass_boundaries(clock.now())
    terms.resolve(reckoning.given(skus)["parts"])
    found: dict[int, _Figure] = {}
    for start in range(0, len(skus), AT_ONCE):
        if time.monotonic() > ends:
            raise NotNow(_TOO_MANY)
        rows = sql.fetch(_FIGURES, reckoning.given(skus[start : start + AT_ONCE]))
        found |= {id: _Figure(*rest, json.loads(rules)) for id, *rest, rules in rows}
    return found
