"""send: claimed commands go out under a lease, outside any transaction, kind by kind and in chunks as large as the target takes."""

import time
import traceback
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby

from django.db import transaction

from canonical import sql
from canonical.commands import Ref
from canonical.recording.links import key as link_key
from connectors.base import Job, Send
from connectors.errors import Misconfigured, Missing, Refused
from connectors.http import Exchange
from retailsync.platform import stopping
from retailsync.sync import bell, calling, clock, confirming, filling, gates, outbox, pausing, systems, transient
from retailsync.sync.calling import Outcome
from retailsync.sync.leases import Held, lease
from retailsync.sync.outbox import TASK, Claimed

CLAIM = 200
SECONDS = 10.0  # one drain claims for at most this long, so that one slow target cannot take all workers
MARGIN = 15.0  # seconds a lease outlives the deadline of the request it covers
TOGETHER = 200  # commands settled in one transaction
#: Seconds after its first request left within which the next chunk may go out before what is known of this one is settled. A fast
#: target's chunks share a transaction; a slow one's are settled each by itself. Far less than MARGIN: the leases last.
AWHILE = 0.25


# ---- drain ------------------------------------------------------------------------------------------------------------------
def drain(system_id: int) -> int:
    """Send what waits for this system until nothing may go out or the time is up. Returns how many commands were worked on."""
    with lease(f"send:{system_id}", SECONDS + MARGIN) as held:
        if held is None:
            return 0
        count, more = _drain(system_id, held)
    if held.wanted or more:
        bell.again(TASK, system_id)
    return count


def _drain(system_id: int, held: Held) -> tuple[int, bool]:
    """How many commands were worked on, and whether more may follow at once."""
    count, last, ends, visit = 0, False, time.monotonic() + SECONDS, None
    paused = pausing.paused_kinds()
    while time.monotonic() < ends and not stopping.asked():
        allowed = gates.allow(system_id, CLAIM, clock.now())
        if not allowed:
            break
        visit = visit or _visit(system_id)
        if visit is None:
            break
        token, claimed = outbox.claim(system_id, allowed, SECONDS + MARGIN, clock.now(), paused)
        gates.spare(system_id, allowed - len(claimed))
        if not claimed and last:
            return count, False
        if not claimed:
            bell.answered(TASK, system_id)
        count, last = count + len(claimed), not claimed
        if not _work(visit, token, claimed, held, ends):
            break
    more = time.monotonic() > ends or stopping.asked()
    if not more:
        bell.answered(TASK, system_id)  # what may not go out now is rung for by the sweep
    return count, more


def _visit(system_id: int) -> systems.Visit | None:
    """Get ready to speak with the system, and take back what a dead worker left; None when its set-up does not allow it."""
    try:
        visit = systems.visit(system_id)
    except Misconfigured as error:
        gates.failed(system_id, clock.now(), error.words, "misconfigured", whole=True)
        return None
    longest = max((s.longest for s in visit.connector.sends.values()), default=0.0)
    transient.repeat(lambda: outbox.reclaim(system_id, longest, clock.now()))
    return visit


def _work(visit: systems.Visit, token: uuid.UUID, claimed: Sequence[Claimed], held: Held, ends: float) -> bool:
    """Send the claimed commands kind by kind, in chunks as large as the target takes. Once the time is up, the lease is lost, the
    system stops serving us or the worker shall stop, the rest is given back and the drain ends: False."""
    unreadable = [Outcome(c, error=Unreadable(c.kind)) for c in claimed if c.command is None]
    if unreadable:
        confirming.settle(visit, token, unreadable, [])
    stopped = False
    with Unsettled(visit, token) as unsettled:
        for chunk, send in _chunks(visit, [c for c in claimed if c.command is not None]):
            deadline = send.deadline if send else 0.0
            stopped = stopped or stopping.asked() or time.monotonic() > ends
            stopped = stopped or not held.renew(deadline + SECONDS + MARGIN)
            if stopped:
                transient.repeat(partial(_give_back, chunk, token))
            else:
                stopped = not _chunk(visit, token, chunk, send, unsettled)
    return not stopped


class Unsettled:
    """What is known of chunks of one kind and not settled yet: what all went well only, for a little while and before the next kind,
    which may need what these made. An error that ends the block does not cost the answers already had; a dying process settles nothing."""

    def __init__(self, visit: systems.Visit, token: uuid.UUID) -> None:
        self._visit, self._token = visit, token
        self._outcomes: list[Outcome] = []
        self._exchanges: list[Exchange] = []
        self._since = 0.0

    def __enter__(self) -> "Unsettled":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, Exception):
            self.settle()

    def make_way(self, kind: str) -> None:
        """Before a chunk of this kind is looked at: settle another kind's."""
        if self._outcomes and self._outcomes[0].claimed.kind != kind:
            self.settle()

    def add(self, outcomes: Sequence[Outcome], exchanges: Sequence[Exchange], since: float, send: Send) -> None:
        """Take one chunk whose requests left at `since`. One with any trouble is settled at once and by itself: what it says about the
        system must not be lost among those that went well. So is one whose repetition the target does not keep harmless: no worker
        may die with more of those in its hands than it must."""
        alone = send.protection == "search_then_create" or any(o.error is not None for o in outcomes)
        if alone:
            self.settle()
        self._since = self._since if self._outcomes else since
        self._outcomes += outcomes
        self._exchanges += exchanges
        if alone or len(self._outcomes) >= TOGETHER or time.monotonic() > self._since + AWHILE:
            self.settle()

    def settle(self) -> None:
        """Settle what there is."""
        outcomes, exchanges, self._outcomes, self._exchanges = self._outcomes, self._exchanges, [], []
        if outcomes:
            confirming.settle(self._visit, self._token, outcomes, exchanges)


class Unreadable(Exception):
    """Another version of this program wrote a command this one cannot read."""


def _give_back(chunk: Sequence[Claimed], token: uuid.UUID) -> None:
    with transaction.atomic():
        outbox.give_back([c.id for c in chunk], token)


def _chunks(visit: systems.Visit, claimed: Sequence[Claimed]) -> Iterator[tuple[list[Claimed], Send | None]]:
    """In the order the connector declares them, what others refer to first: a claim often begins with an order whose customer was
    in the claim before, and by age all its orders would go out before their customers and come back as missing."""
    place = {kind.__name__: n for n, kind in enumerate(visit.connector.sends)}
    ordered = sorted(claimed, key=lambda c: (place.get(c.kind, len(place)), c.kind, c.id))
    for kind, group in groupby(ordered, key=lambda c: c.kind):
        send = visit.connector.sends.get(outbox.KINDS[kind])
        rows = list(group)
        size = send.batch if send else len(rows)
        for start in range(0, len(rows), size):
            yield rows[start : start + size], send


# ---- one chunk --------------------------------------------------------------------------------------------------------------
def _chunk(
    visit: systems.Visit, token: uuid.UUID, chunk: Sequence[Claimed], send: Send | None, unsettled: Unsettled
) -> bool:
    """Carry out one chunk. False when the system did not serve us, so that nothing more should be sent now."""
    unsettled.make_way(chunk[0].kind)
    if send is None:
        words = f"{visit.connector.title} cannot carry out this kind of command."
        confirming.settle(visit, token, [Outcome(c, error=Refused(words, reason="unsupported")) for c in chunk], [])
        return True
    chunk, settled = filling.filled(chunk)
    jobs, outcomes = _resolve(visit.system.pk, chunk, send)
    outcomes += settled
    ready = [c for c in chunk if c.id in jobs]
    since = time.monotonic()
    ours = outbox.hold_on([c.id for c in ready], token, send.deadline + MARGIN) if ready else set()
    session, http = visit.session(send.deadline, list(jobs.values()))
    outcomes += calling.carry_out(session, send, [(c, jobs[c.id]) for c in ready if c.id in ours])
    unsettled.add(outcomes, http.exchanges, since, send)
    return calling.served(outcomes) or not calling.troubles(outcomes)


def _resolve(system_id: int, chunk: Sequence[Claimed], send: Send) -> tuple[dict[int, Job], list[Outcome]]:
    """Jobs with every needed reference turned into the target's ids, in one query; an outcome for each that lacks one."""
    needs: dict[int, tuple[Sequence[Ref], Sequence[Ref]]] = {}
    outcomes = []
    for c in chunk:
        try:
            needs[c.id] = tuple(send.needs(c.command)), tuple(send.optional(c.command))
        except Exception as error:  # noqa: BLE001  the work state machine: our own fault, for this command alone
            outcomes.append(Outcome(c, error=error, trouble=traceback.format_exc()))
    known = _links(system_id, {ref for both in needs.values() for refs in both for ref in refs})
    jobs: dict[int, Job] = {}
    for c in (c for c in chunk if c.id in needs):
        required, optional = needs[c.id]
        lacking = next((ref for ref in required if ref not in known), None)
        if lacking:
            outcomes.append(Outcome(c, error=_missing(lacking, system_id)))
            continue
        resolved = {ref: known[ref] for ref in (*required, *optional) if ref in known}
        jobs[c.id] = Job(c.id, c.purpose, c.command, resolved, c.doubtful)
    return jobs, outcomes


_PLACES = "SELECT 'location', location_id, external_id FROM canonical_stocksource WHERE system_id = %s AND location_id = ANY(%s)"


def _links(system_id: int, wanted: set[Ref]) -> dict[Ref, str]:
    """Reference of ours → the target's id, for those it knows. What it calls a location people say beside whose stock it tells."""
    refs = sorted(wanted)
    rows = sql.fetch(
        "SELECT l.entity, l.our_id, l.external_id FROM canonical_link l JOIN unnest(%s::text[], %s::bigint[]) v(e, i)"
        " ON l.entity = v.e AND l.our_id = v.i WHERE l.system_id = %s",
        ([r.entity for r in refs], [r.id for r in refs], system_id),
    )
    if places := [r.id for r in refs if r.entity == "location"]:
        rows = sql.fetch(_PLACES, (system_id, places)) + rows  # a link says more than a source
    return {Ref(entity, our): external for entity, our, external in rows}


def _missing(ref: Ref, system_id: int) -> Missing:
    names = sql.fetch("SELECT code FROM canonical_sku WHERE id = %s", (ref.id,)) if ref.entity == "sku" else []
    thing = f"SKU “{names[0][0]}”" if names else f"{ref.entity.replace('_', ' ').capitalize()} {ref.id}"
    return Missing(f"{thing} is not known in this system yet.", key=link_key(ref.entity, ref.id, system_id))
