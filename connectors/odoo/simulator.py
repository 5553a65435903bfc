"""A simulated Odoo 19: /json/2 with the models the connector uses, its errors and its habits, checked against a real one.

Older releases speak /jsonrpc only, see simulated/rpc.py.
`python -m connectors.odoo.simulator --port 9102 --store DIR --seed 1`; the API key and database are what --api-key and --database say.
Keeps what Odoo keeps: external ids, contacts, orders, transfers, stock. Does not do invoices (but for how much of an order is
invoiced), rights or pricelist rules. Staff work at `POST /_sim/orders/<id>/<action>`: cancel, lock, unlock, delete, invoice, line
{"line": 7, "price_unit": 9.5}, deliver {"picking": 3}; storekeepers at `POST /_sim/stock/<action>`: set_stock {"sku": "W1-BOWL",
"warehouse": "WH", "quantity": 5}, receive and reserve_for_somebody_else {…, "units": 2}, let_go {"promise": 3}.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.catalogue import catalogue
from connectors.odoo.simulated.business import Business
from connectors.odoo.simulated.loading import CONFLICT, Loader
from connectors.odoo.simulated.oracle import Oracle
from connectors.odoo.simulated.places import STOCK, furnish
from connectors.odoo.simulated.records import MODELS, Record, Records, Trouble, model_of, value_error
from connectors.odoo.simulated.rpc import Rpc, loads
from connectors.odoo.simulated.storekeeper import Storekeeper
from connectors.simulation import Answer, Request, Simulator, Stop, arguments, serve

NO_DATABASE = (
    b"<!DOCTYPE html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>No database is selected and the requested URL was not "
    b"found in the server-wide controllers.</p>\n"
)
COUNTRIES = {
    "NL": ("Netherlands", ()), "BE": ("Belgium", ()), "DE": ("Germany", ("DE-BE", "DE-BY", "DE-HH")), "FR": ("France", ()),
    "CH": ("Switzerland", ()),
    "GB": ("United Kingdom", ()), "US": ("United States", ("CA", "NY", "TX")),
    "AT": ("Austria", ()), "ES": ("Spain", ()), "IT": ("Italy", ()), "LU": ("Luxembourg", ()),
}  # fmt: skip
TERMS = ("Immediate Payment", "15 Days", "30 Days")


class Odoo(Simulator):
    """The simulated system. `stock` = units of every article on the shelves of WH; WEST has none. `pace` = seconds a load takes per
    record: what makes two loads of one external id overlap.

    `release` other than 19.0 speaks /jsonrpc only, in that release's words; `login` is the user the key belongs to there.
    """

    name = "odoo"

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        store: Path | str | None = None,
        seed: int = 0,
        api_key: str = "odoo-key",
        database: str = "odoo",
        rounding: str = "round_globally",
        steps: str = "ship_only",
        currency: str = "EUR",
        pricelists: Sequence[str] = (),
        stock: int = 100_000,
        pace: float = 0.0,
        release: str = "19.0",
        login: str = "engine@shop.example",
    ) -> None:
        super().__init__(port=port, host=host, store=store, seed=seed)
        self.api_key, self.database, self.pace = api_key, database, pace
        self.records = Records(self.store, self.now)
        self.business = Business(self.records, rounding=rounding, steps=steps, default_tax=1)
        self.keeper = Storekeeper(self.records, self.business.stock)
        self._loading: set[str] = set()
        self._loading_lock = threading.Lock()
        self.routes.add("POST", "/json/2/<model>/<method>", self._json2)
        self.routes.add("GET", "/json/version", self._version)
        self.routes.add("POST", "/_sim/orders/<id>/<action>", self._by_hand)
        self.routes.add("POST", "/_sim/stock/<action>", self._by_storekeeper)
        self.rpc = Rpc(self._call, release=release, database=database, login=login, api_key=api_key)
        self.routes.add("POST", "/jsonrpc", self.rpc.answer)
        if not self.store.table("res.company"):
            self._seed(currency, stock)
            for named in pricelists:
                code, _, unit = named.partition("=")
                money = self.records.create("res.currency", {"name": code, "rounding": float(unit or "0.01")})
                self.records.create("product.pricelist", {"name": code, "currency_id": money})

    # -- one call
    def handle(self, request: Request) -> Answer:
        """Answer one request; loads that overlap on an external id are told to try again, as REPEATABLE READ tells them."""
        xids = _external_ids(request)
        with self._loading_lock:
            if self._loading & xids:
                return Answer(200, _conflict())
            self._loading |= xids
        try:
            time.sleep(self.pace * len(xids))
            return super().handle(request)
        finally:
            with self._loading_lock:
                self._loading -= xids

    def _version(self, request: Request) -> Any:
        self.rpc.refuse_json2()
        return {
            "version": self.rpc.release,
            "version_info": [*map(int, self.rpc.release.split(".")), 0, "final", 0, ""],
        }

    def _json2(self, request: Request, model: str, method: str) -> Any:
        self.rpc.refuse_json2()
        if request.headers.get("x-odoo-database", self.database) != self.database:
            raise Stop(404, NO_DATABASE, {"Content-Type": "text/html; charset=utf-8"})
        try:
            if request.headers.get("authorization") != f"bearer {self.api_key}":
                raise Trouble(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey")
            return Answer(200, _Nothing if (said := self._call(model, method, request.json())) is None else said)
        except Trouble as trouble:
            raise Stop(trouble.status, _error(trouble)) from trouble

    def _call(self, model: str, method: str, given: dict[str, Any]) -> Any:
        """Dispatch to a method of ours by its Odoo name. Odoo takes keyword arguments only."""
        model_of(model)
        context, ids = given.pop("context", {}), given.pop("ids", [])
        does = self._methods(model, ids, context).get(method)
        if does is None:
            raise Trouble(404, "werkzeug.exceptions.NotFound", f"the method '{model}.{method}' does not exist")
        try:
            said = does(**given)
            self.business.settle()
            return said
        except TypeError as error:
            raise Trouble(422, "builtins.TypeError", str(error)) from error

    def _methods(self, model: str, ids: Sequence[int], context: Mapping[str, Any]) -> dict[str, Any]:
        """Public methods of a model. `ids` and `context` are bound; the rest are the method's own arguments."""
        shared = {
            "search_read": lambda domain=(), fields=(), order="", limit=None, offset=0: self._search_read(
                model, domain, fields, order, limit, context
            ),
            "search_count": lambda domain=(): len(self.records.search(model, domain, context=context)),
            "read": lambda fields=(): [self.records.show(model, self.records.get(model, id), fields) for id in ids],
            "write": lambda vals: self._write(model, ids, vals, context),
            "fields_get": lambda allfields=(), attributes=(): _fields(model, allfields),
            "load": lambda fields, data: Loader(
                self.records, self.business.create, self.business.write, self.business.check, context
            ).load(model, fields, data),
        }
        own: dict[str, dict[str, Any]] = {
            "res.users": {"context_get": lambda: {"lang": "en_US", "tz": False, "uid": 5}},
            "sale.order": {
                "action_confirm": lambda: self.business.confirm(ids),
                "action_cancel": lambda: self.business.cancel_orders(ids),
                "action_lock": lambda: self.business.lock(ids, locked=True),
                "action_unlock": lambda: self.business.lock(ids, locked=False),
                "unlink": lambda: self.business.delete(ids),
            },
            "stock.picking": {
                "button_validate": lambda: self.business.stock.validate(ids, context),
                "do_unreserve": lambda: self.business.stock.unreserve(ids),
                "action_cancel": lambda: self.business.stock.cancel(ids),
            },
        }
        return {**shared, **own.get(model, {})}

    def _search_read(
        self, model: str, domain: Any, fields: Sequence[str], order: str, limit: int | None, context: Mapping[str, Any]
    ) -> list[Record]:
        rows = self.records.search(model, domain, order=order, limit=limit, context=context)
        return [self.records.show(model, row, fields) for row in rows]

    def _write(self, model: str, ids: Sequence[int], vals: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
        for name in vals:
            if name not in MODELS[model].fields:
                raise value_error(f"Invalid field '{name}' in '{model}'")
        for id in ids:
            self.business.write(model, id, vals, context)
        return True

    # -- content
    def _seed(self, currency: str, stock: int) -> None:
        """A database as an accountant would leave it: a company, its taxes, countries, warehouses, the shared catalogue."""
        create = self.records.create
        money = create("res.currency", {"name": currency})
        company = create("res.company", {"name": "My Company", "currency_id": money})
        create("ir.module.module", {"name": "base", "latest_version": f"{self.rpc.release}.1.3"})
        if self.rpc.number < 17:
            create("product.pricelist", {"name": "Public Pricelist", "currency_id": money})
        for rate in (21.0, 9.0, 15.0, 19.0, 7.0, 0.0):
            create("account.tax", {
                "name": f"{rate:g}%", "amount": rate, "amount_type": "percent", "type_tax_use": "sale", "company_id": company,
            })  # fmt: skip
        for name in TERMS:
            create("account.payment.term", {"name": name})
        furnish(self.records, company)
        for code, (name, states) in COUNTRIES.items():
            country = create("res.country", {"code": code, "name": name})
            for state in states:
                create("res.country.state", {"code": state, "name": state, "country_id": country})
        for item in catalogue():
            id = self.business.create("product.product", {
                "name": item.name, "default_code": item.sku, "barcode": item.gtin,
                "type": "service" if item.virtual else "consu", "list_price": float(item.price),
            })  # fmt: skip
            self.business.stock.quants.change(id, STOCK, quantity=0.0 if item.virtual else float(stock))

    # -- what people do and see
    def state(self) -> Any:
        """Everything an oracle compares."""
        return Oracle(self.records, self.business.stock).state()

    def set_stock(self, sku: str, warehouse: str, quantity: float) -> None:
        """Somebody counts."""
        with self.lock:
            self.keeper.set_stock(sku, warehouse, quantity)

    def receive(self, sku: str, warehouse: str, units: float) -> None:
        """Goods come in."""
        with self.lock:
            self.keeper.receive(sku, warehouse, units)

    def reserve_for_somebody_else(self, sku: str, warehouse: str, units: float) -> int:
        """Units are promised to what is no order of ours; answers with the promise, for `let_go`."""
        with self.lock:
            return self.keeper.reserve_for_somebody_else(sku, warehouse, units)

    def let_go(self, promise: int) -> None:
        """Such a promise is taken back."""
        with self.lock:
            self.keeper.let_go(promise)

    def _by_storekeeper(self, request: Request, action: str) -> Any:
        """What people do with stock: by its name, 404 for another, 422 for an article or a warehouse that is not there."""
        actions = {
            do.__name__: do for do in (self.set_stock, self.receive, self.reserve_for_somebody_else, self.let_go)
        }
        if action not in actions:
            raise Stop(404, {"error": f"storekeepers may {', '.join(actions)}"})
        try:
            return {"answer": actions[action](**request.json())}
        except Trouble as trouble:
            raise Stop(trouble.status, _error(trouble)) from trouble

    def _by_hand(self, request: Request, id: str, action: str) -> Any:
        """What staff do with an order: by its action, 404 for another, 422 where Odoo would not let them."""
        actions: dict[str, Callable[..., Any]] = {
            "cancel": lambda: self.business.cancel_orders([int(id)]),
            "lock": lambda: self.business.lock([int(id)], locked=True),
            "unlock": lambda: self.business.lock([int(id)], locked=False),
            "delete": lambda: self.business.delete([int(id)]),
            "invoice": lambda: self.business.invoice(int(id)),
            "line": lambda line, **values: self.business.write("sale.order.line", line, values),
            "deliver": lambda picking: self.business.stock.validate([picking], {"skip_backorder": True}),
        }
        if action not in actions:
            raise Stop(404, {"error": f"staff may {', '.join(actions)}"})
        try:
            actions[action](**request.json())
            self.business.settle()
        except Trouble as trouble:
            raise Stop(trouble.status, _error(trouble)) from trouble
        return self.state()


_Nothing = b"null"


def _error(trouble: Trouble) -> dict[str, Any]:
    """The body of an exception, traceback included, as json2.py sends it."""
    return {
        "name": trouble.name, "message": trouble.message, "arguments": [trouble.message], "context": {},
        "debug": f"Traceback (most recent call last):\n  File \"/opt/odoo/odoo/http.py\", line 2273, in _serve_db\n{trouble.message}",
    }  # fmt: skip


def _conflict() -> dict[str, Any]:
    message = {"rows": {"from": 0, "to": 0}, "record": 0, "type": "error", "message": CONFLICT}
    return {"ids": False, "messages": [message], "nextrow": 0}


def _external_ids(request: Request) -> set[str]:
    """External ids of the records a load is about; empty for every other request."""
    said = request.json() if request.path.endswith("/load") else loads(request)
    fields = said.get("fields", [])
    column = fields.index("id") if "id" in fields else None
    return set() if column is None else {row[column] for row in said.get("data", []) if row[column]}


def _fields(model: str, wanted: Sequence[str]) -> dict[str, Any]:
    """fields_get: only fields that exist. Odoo 19 does not round unit prices (`digits` false)."""
    fields = MODELS[model].fields
    return {n: {"type": fields[n].partition(":")[0], "digits": False} for n in wanted or fields if n in fields}


def main() -> None:
    """Run as a process."""
    options = arguments(__doc__ or "")
    options.add_argument("--api-key", default="odoo-key")
    options.add_argument("--database", default="odoo")
    options.add_argument("--release", default="19.0", help="14.0 to 19.0; before 19.0 it speaks /jsonrpc only")
    options.add_argument("--login", default="engine@shop.example", help="whose key it is, for /jsonrpc")
    options.add_argument("--rounding", choices=("round_globally", "round_per_line"), default="round_globally")
    options.add_argument("--steps", choices=("ship_only", "pick_pack_ship"), default="ship_only")
    options.add_argument("--currency", default="EUR")
    options.add_argument("--stock", type=int, default=100_000, help="units of every article in the warehouse WH")
    options.add_argument(
        "--pricelist",
        dest="pricelists",
        action="append",
        default=[],
        metavar="CODE=UNIT",
        help="of another currency, e.g. JPY=1",
    )
    options.add_argument("--pace", type=float, default=0.0, help="seconds a load takes per record")
    serve(Odoo(**vars(options.parse_args())))


if __name__ == "__main__":
    main()
