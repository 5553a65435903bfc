"""A shop's policy is saved, and the orders it held are planned again: what is within it now goes on."""

from django.db import transaction

from canonical import sql
from canonical.ledger import Cause
from canonical.models import ShopPolicy
from retailsync.sync import deciding
from retailsync.sync.models import Action

#: Holds whose end the policy's tolerance decides.
_WAITS = ("totals", "erp_total")
_HELD = """SELECT DISTINCT h.order_id FROM canonical_hold h JOIN canonical_order o ON o.id = h.order_id
  WHERE h.lifted_at IS NULL AND h.reason = ANY(%s) AND o.channel_id = %s ORDER BY 1"""


def keep(policy: ShopPolicy, who: str, why: str = "") -> int:
    """Save a policy; where its tolerance is another, plan the orders held for their totals. How many of these may go on now."""
    with transaction.atomic():
        before = ShopPolicy.objects.select_for_update().filter(pk=policy.pk).first()
        was = before.tolerance if before else ShopPolicy._meta.get_field("tolerance").get_default()
        policy._change_reason = why[:100] or None
        policy.save()
        return 0 if was == policy.tolerance else _settle(policy, who, f"{was} → {policy.tolerance}. {why}".strip(" ."))


def held(channel_id: int) -> list[int]:
    """Orders of a shop that wait for somebody to judge their totals."""
    return [id for (id,) in sql.fetch(_HELD, (list(_WAITS), channel_id))]


def _settle(policy: ShopPolicy, who: str, why: str) -> int:
    action = Action.objects.create(who=who, what="set tolerance", target_kind="policy", target_id=policy.pk, why=why)
    waited = held(policy.channel_id)
    deciding.look_again(waited, Cause("action", action.pk))
    return len(set(waited) - set(held(policy.channel_id)))
