"""Two thin connectors for the benchmark's own processes: one keep-alive request per command through the real `session.http`.

They declare what real ones declare (needs, protection, jobs per call, links in the receipts) and map nothing: the cost of a
connector's own mapping is the connector's, what is measured is the product around it.
"""

from collections.abc import Callable, Sequence

import msgspec

from canonical.commands import Command, ConfirmOrder, CreateOrder, Ref, RequestFulfilment, UpsertCustomer
from connectors import registry
from connectors.base import Connector, Job, Receipt, Send, Session
from connectors.odoo.orders import order_needs, order_ref

BATCH = 50  # jobs per call, as the Odoo connector declares


class Settings(msgspec.Struct, frozen=True):
    """Where the stub target listens."""

    url: str
    allow_loopback_http: bool = True


class _Answer(msgspec.Struct):
    id: int


_ANSWER = msgspec.json.Decoder(_Answer)


def _each(
    receipt: Callable[[Job, str], Receipt], name: Callable[[Job], str]
) -> Callable[[Session, Sequence[Job]], Sequence[Receipt]]:
    def send(session: Session, jobs: Sequence[Job]) -> Sequence[Receipt]:
        return [receipt(job, _post(session, job, name(job))) for job in jobs]

    return send


def _post(session: Session, job: Job, name: str) -> str:
    """One command, one request to the path `kind/name`; what the target calls it."""
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {session.secret('key')}",
        "Idempotency-Key": job.key,
    }
    url = f"{session.settings.url}{type(job.command).__name__}/{name}"
    answer = session.http.request("POST", url, headers=headers, body=msgspec.json.encode(job.command), about=(job,))
    assert answer.status == 200
    return str(_ANSWER.decode(answer.body).id)


def _customer(job: Job, theirs: str) -> Receipt:
    command: UpsertCustomer = job.command
    addresses = {command.billing_id, command.shipping_id}
    links = [("customer", command.customer_id, f"{command.customer_id}"), *(("address", a, f"{a}") for a in addresses)]
    return Receipt(job.id, state="done", external_id=theirs, links=links)  # type: ignore[arg-type]


def _created(job: Job, theirs: str) -> Receipt:
    command: CreateOrder = job.command
    return Receipt(
        job.id, state="created", external_id=theirs, amount=command.total, links=[("booking", command.booking_id, f"{command.booking_id}")]
    )  # fmt: skip


def _confirmed(job: Job, theirs: str) -> Receipt:
    return Receipt(job.id, state="confirmed", external_id=job.resolved[Ref("booking", job.command.booking_id)])


def _requested(job: Job, theirs: str) -> Receipt:
    return Receipt(job.id, state="sent", external_id=job.command.reference, evidence="answered 200")


def _key(job: Job) -> str:
    return job.key


_ERP: dict[type[Command], Send] = {
    UpsertCustomer: Send(_each(_customer, _key), "native_upsert", batch=BATCH),
    CreateOrder: Send(_each(_created, lambda job: job.command.reference), "native_unique", order_needs, batch=BATCH),
    ConfirmOrder: Send(_each(_confirmed, _key), "idempotent", order_ref, batch=BATCH),
}
_WMS: dict[type[Command], Send] = {
    RequestFulfilment: Send(_each(_requested, lambda job: job.command.order_reference), "native_unique", batch=BATCH)
}


def register() -> None:
    """Make them known in this process."""
    for name, role, sends in (("bench_erp", "erp", _ERP), ("bench_wms", "wms", _WMS)):
        registry.CONNECTORS[name] = Connector(  # type: ignore[index]
            name=name,
            title=name,
            roles=frozenset({role}),
            settings=Settings,
            secrets=("key",),
            sends=sends,  # type: ignore[arg-type]
        )
