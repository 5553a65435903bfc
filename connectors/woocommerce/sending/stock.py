"""PublishStock → batches of absolute figures, a receipt for each. Knows no order, and not why a figure is what it is.

A batch does not validate (a text becomes 0), says 200 whatever became of its items, and ignores the stock of what the shop does not
track: so everything is checked before it leaves, and the answer is read item by item.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from canonical.commands import PublishStock
from connectors.base import Job, Receipt, Session
from connectors.errors import Misconfigured, Refused, Retry, SyncError
from connectors.woocommerce.client import MAX_PAGE, Answer, Problem, ask
from connectors.woocommerce.looking import Place, Row, heard_row, place
from connectors.woocommerce.reading.fields import MOST_UNITS, whole
from connectors.woocommerce.reading.stock import keeper

BACKORDERS = ("no", "notify", "yes")
TRACK = "“Track stock quantity” on the product's Inventory tab"


class Item(msgspec.Struct):
    """One item of a batch's answer, as far as we look at it: the product as it is now, or an error in its place."""

    id: int = 0
    status: Any = None
    manage_stock: Any = None
    stock_quantity: Any = None
    backorders: Any = None
    error: Problem | None = None


class Batch(msgspec.Struct):
    """The answer to a batch."""

    update: list[msgspec.Raw] = []


_BATCH = msgspec.json.Decoder(Batch)
_ITEM = msgspec.json.Decoder(Item, strict=False)
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
Answered = Mapping[str, tuple[Item, Row]]  # by the product's id


def publish_stock(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
    """Write figures, those of products together and those of variations by parent. What goes wrong with a request concerns its own
    jobs; where the shop is down or does not let us in, the requests behind it are not tried."""
    wrong = {job.id: words for job in jobs if (words := _wrong(job.command))}
    receipts = [Receipt(id, error=Refused(words, reason="stock_not_valid")) for id, words in wrong.items()]
    stopped: SyncError | None = None
    for collection, some in _requests([job for job in jobs if job.id not in wrong]):
        try:
            receipts += _unsent(some, stopped) if stopped else _written(session, collection, some)
        except SyncError as error:
            receipts += [Receipt(job.id, error=error) for job in some]
            down = isinstance(error, Retry) and error.down
            stopped = error if down or isinstance(error, Misconfigured) else None
    return receipts


def _wrong(command: PublishStock) -> str:
    """What is not to be sent, in words; empty where nothing is wrong."""
    if place(command.ref) is None:
        return f"{_name(command)} has no address in the shop: “{command.ref}”."
    if type(command.quantity) is not int or abs(command.quantity) > MOST_UNITS:
        return f"The stock of {_name(command)} should be a whole number, but is {command.quantity}."
    if command.backorders not in BACKORDERS:
        return f"The backorders of {_name(command)} should be no, notify or yes, but are “{command.backorders}”."
    return ""


def _requests(jobs: Sequence[Job]) -> Iterator[tuple[str, list[Job]]]:
    """(list, jobs) of each request: one list each, no more than a request may have, nothing twice."""
    open_: dict[str, dict[str, Job]] = {}
    for job in jobs:
        at = _place(job)
        some = open_.setdefault(at.collection, {})
        if at.id in some or len(some) == MAX_PAGE:
            yield at.collection, list(some.values())
            some = open_[at.collection] = {}
        some[at.id] = job
    yield from ((collection, list(some.values())) for collection, some in open_.items())


def _written(session: Session, collection: str, jobs: Sequence[Job]) -> list[Receipt]:
    update = [
        {"id": int(_place(job).id), "stock_quantity": job.command.quantity, "backorders": job.command.backorders}
        for job in jobs
    ]
    answer = ask(session, "POST", f"{collection}/batch", body={"update": update}, about=jobs)
    if answer.status in (404, 410):
        raise Misconfigured("The shop's WooCommerce API is not there; is WooCommerce active?", detail=answer.code)
    answered = dict(_items(answer))
    return [_tried(job, answered, answer) for job in jobs]


def _unsent(jobs: Sequence[Job], error: SyncError) -> list[Receipt]:
    """What an earlier request of this call learned is true of these as well, which were not sent."""
    if isinstance(error, Retry):
        error = Retry(error.words, after=error.after, down=error.down, detail=error.detail)
    return [Receipt(job.id, error=error) for job in jobs]


# ---- the answer, item by item -----------------------------------------------------------------------------------------------
def _items(answer: Answer) -> Iterator[tuple[str, tuple[Item, Row]]]:
    """What was answered, by the product's id; what cannot be read was not answered."""
    for raw in answer.decode(_BATCH).update:
        try:
            item = _ITEM.decode(raw)
            yield str(item.id), (item, _ROW.decode(raw))
        except (msgspec.DecodeError, UnicodeError):
            continue


def _tried(job: Job, answered: Answered, answer: Answer) -> Receipt:
    command: PublishStock = job.command
    try:
        if (said := answered.get(_place(job).id)) is None:
            raise Retry(f"The shop's answer says nothing of {_name(command)}.", unknown=True)
        item, row = said
        _check(command, item)
    except SyncError as error:
        return Receipt(job.id, error=error)
    evidence = f"{_name(command)}: the shop shows {command.quantity}, backorders {command.backorders}"
    heard = (heard_row(command.ref, row, answer),)
    return Receipt(job.id, state="done", external_id=command.ref, evidence=evidence, heard=heard)


def _check(command: PublishStock, item: Item) -> None:
    """Whether the shop now shows what was written."""
    name = _name(command)
    if item.error:
        raise _refused(name, item.error)
    if item.status == "trash":
        raise Refused(f"{name} is in the shop's trash.", reason="product_gone")
    kept_by = keeper(item.manage_stock)
    if kept_by == "nobody":
        words = f"The shop does not track the stock of {name}. Switch on {TRACK} in the shop, or stop publishing it."
        raise Refused(words, reason="stock_not_managed")
    if kept_by == "parent":
        words = f"{name} sells from its main product's stock by now. Once the product was read again, that is what is written."
        raise Refused(words, reason="stock_not_managed")
    shown = whole(item.stock_quantity)
    if shown is not None and shown < command.quantity:  # most likely a customer was quicker than the answer
        words = f"The shop shows {shown} of {name} where {command.quantity} were written: some may have been sold meanwhile."
        raise Retry(words, unknown=True)
    if shown != command.quantity or item.backorders != command.backorders:
        words = (
            f"The shop shows {item.stock_quantity} of {name} (backorders {item.backorders}) where {command.quantity} "
            f"(backorders {command.backorders}) were written: a plugin may be changing it."
        )
        raise Refused(words, reason="stock_not_taken")


def _refused(name: str, said: Problem) -> Refused:
    if said.code.endswith(("invalid_id", "invalid_product_id")):
        return Refused(f"The shop no longer has {name} where we know it.", reason="product_gone", detail=said.code)
    words = f"The shop refused the stock of {name}: {said.message or said.code}"
    return Refused(words, reason=said.code or "refused", detail=said.code)


def _place(job: Job) -> Place:
    return place(job.command.ref) or Place("", "0")


def _name(command: PublishStock) -> str:
    return f"SKU {command.sku}" if command.sku else f"product {command.ref}"
