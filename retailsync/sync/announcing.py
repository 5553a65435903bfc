"""announcing: what people say is on its way to a warehouse, or comes back to one. Each statement is an action and the fact it makes."""

from django.db import transaction

from canonical.facts import InboundAnnounced, ReturnAnnounced
from canonical.ledger import Cause
from canonical.record import Stated
from retailsync.sync import clock, corridor, transient
from retailsync.sync.models import Action


def announce(fact: InboundAnnounced | ReturnAnnounced, who: str) -> None:
    """Make it true, and keep who said it. The newest statement about one reference stands."""
    kind = "inbound_shipment" if isinstance(fact, InboundAnnounced) else "return"

    def do() -> None:
        with transaction.atomic():
            what = f"cancel {kind}" if fact.cancelled else f"announce {kind}"
            action = Action.objects.create(who=who, what=what, target_kind=kind, target_id=0, why=fact.reference)
            recorded = corridor.advance(0, [Stated(Cause("action", action.pk), fact)], clock.now())
            subject = next((entry.subject_id for entry in recorded.entries if entry.subject_kind == kind), 0)
            Action.objects.filter(pk=action.pk).update(target_id=subject)

    transient.repeat(do)
