"""/jsonrpc as Odoo 14 to 19 answer it, and the words an older release uses for what the simulator holds in 19's.

Every error is a 200. A name that the release does not know is refused, as it would be there: the connector's own table is not used here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from connectors.odoo.simulated.records import Trouble, value_error
from connectors.simulation import Request, Stop

UID = 5
NOT_FOUND = b"<!DOCTYPE html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found on the server.</p>\n"


class Renamed(NamedTuple):
    """A field until (not including) a release: how it is called there and in 19, and its value in and out."""

    before: int
    model: str
    theirs: str
    now: str


RENAMED = (
    Renamed(19, "sale.order.line", "tax_id", "tax_ids"),
    Renamed(17, "stock.move", "quantity_done", "quantity"),
    Renamed(16, "stock.picking", "move_lines", "move_ids"),
)
#: Fields of later releases: (first release that has it, model, field).
LATER = ((17, "stock.move", "picked"),)
MOVE_NAMES = ("move_ids/name", "move_lines/name")
LINES = {("sale.order", "order_line"): "sale.order.line", ("stock.picking", "move_ids"): "stock.move"}


class Rpc:
    """The door of /jsonrpc. `call(model, method, keyword arguments)` does the work in 19's words."""

    def __init__(
        self, call: Callable[[str, str, dict[str, Any]], Any], *, release: str, database: str, login: str, api_key: str
    ) -> None:
        self.call, self.release = call, release
        self.database, self.login, self.api_key = database, login, api_key

    @property
    def number(self) -> int:
        """The release as a number."""
        return int(self.release.partition(".")[0])

    def refuse_json2(self) -> None:
        """Before 19 there is nothing at those addresses."""
        if self.number < 19:
            raise Stop(404, NOT_FOUND, {"Content-Type": "text/html; charset=utf-8"})

    # -- the envelope
    def answer(self, request: Request) -> dict[str, Any]:
        """One call of a service."""
        said = request.json()
        params = said.get("params", {})
        try:
            service = {"common": self._common, "object": self._object}[params["service"]]
            result = service(params["method"], params["args"])
        except Trouble as trouble:
            return {"jsonrpc": "2.0", "id": said.get("id"), "error": _error(trouble)}
        empty = result is None and self.number < 16
        return {"jsonrpc": "2.0", "id": said.get("id"), **({} if empty else {"result": result})}

    def _common(self, method: str, args: Sequence[Any]) -> Any:
        if method == "version":
            return {"server_version": self.release, "server_serie": self.release, "protocol_version": 1}
        self._same_database(args[0])
        return UID if tuple(args[1:3]) == (self.login, self.api_key) else False

    def _object(self, method: str, args: Sequence[Any]) -> Any:
        database, uid, key, model, name, first, named = args
        self._same_database(database)
        if (uid, key) != (UID, self.api_key):
            raise Trouble(200, "odoo.exceptions.AccessDenied", "Access Denied")
        try:
            return self._execute(model, name, _named(name, first, named))
        except Trouble as trouble:
            raise _worded(trouble, model) from trouble

    def _same_database(self, name: str) -> None:
        if name != self.database:
            message = (
                f'connection to server at "127.0.0.1", port 5432 failed: FATAL:  database "{name}" does not exist\n'
            )
            raise Trouble(200, "psycopg2.OperationalError", message)

    # -- the words
    def _execute(self, model: str, method: str, given: dict[str, Any]) -> Any:
        names = given.get("fields") or given.get("allfields") or ()
        refused = _without_pricelist(given) if (model, method) == ("sale.order", "load") and self.number < 17 else None
        if refused:
            return refused
        if (model, method) == ("stock.picking", "load") and self.number < 19 and (refused := _without_names(given)):
            return refused
        return self._theirs(model, method, names, self.call(model, method, self._ours(model, given)))

    def _ours(self, model: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments in 19's words."""
        said = dict(given)
        if "domain" in said:
            said["domain"] = [
                t if isinstance(t, str) else [self._path(model, t[0], "."), *t[1:]] for t in said["domain"]
            ]
        for argument in ("fields", "allfields"):
            if argument in said:
                said[argument] = [self._path(model, name, "/") for name in said[argument]]
        if "vals" in said:
            said["vals"] = self._values(model, said["vals"])
        if "data" in said and self.number < 19:
            prices = {i for i, path in enumerate(given["fields"]) if path.endswith("price_unit")}
            said["data"] = [[_cents(c) if i in prices else c for i, c in enumerate(row)] for row in said["data"]]
            _drop_names(said)
        return said

    def _path(self, model: str, path: str, separator: str) -> str:
        first, mark, rest = path.partition(separator)
        ours = self._field(model, first)
        inner = LINES.get((model, ours), "")
        return ours + mark + (self._path(inner, rest, separator) if first and rest else rest)

    def _field(self, model: str, name: str) -> str:
        """A field's name in 19; ValueError for one that this release does not have yet, or not any more."""
        renamed = [r for r in RENAMED if r.model == model and self.number < r.before]
        unknown = {r.now for r in renamed} | {r.theirs for r in RENAMED if r.model == model and self.number >= r.before}
        if name in unknown or any(self.number < since and (model, name) == (m, n) for since, m, n in LATER):
            raise value_error(f"Invalid field '{name}' on model '{model}'")
        return next((r.now for r in renamed if r.theirs == name), name)

    def _values(self, model: str, values: Mapping[str, Any]) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for name, value in values.items():
            ours = self._field(model, name)
            if inner := LINES.get((model, ours)):
                value = [[self._values(inner, part) if isinstance(part, dict) else part for part in c] for c in value]
            said[ours] = value
            if name == "quantity_done":
                said["picked"] = value > 0
        return said

    def _theirs(self, model: str, method: str, names: Sequence[str], result: Any) -> Any:
        """An answer in this release's words."""
        if method == "fields_get":
            digits = {"price_unit": {"digits": [16, 2]}} if self.number < 19 else {}
            ours = {self._field(model, name): name for name in names or result}
            return {ours[n]: {**definition, **digits.get(n, {})} for n, definition in result.items() if n in ours}
        if method not in ("search_read", "read"):
            return result
        return [{"id": row["id"], **{n: self._value(model, n, row) for n in names}} for row in result]

    def _value(self, model: str, name: str, row: Mapping[str, Any]) -> Any:
        """Until 16 a quantity is done only when it was written; what is reserved is another field."""
        value = row[self._field(model, name)]
        if name != "quantity_done":
            return value
        [move] = self.call(model, "search_read", {"domain": [["id", "=", row["id"]]], "fields": ["picked"]})
        return value if move["picked"] else 0.0


def loads(request: Request) -> dict[str, Any]:
    """The arguments of a load() that came by /jsonrpc; nothing for any other request."""
    args = request.json().get("params", {}).get("args", []) if request.path == "/jsonrpc" else []
    return dict(args[6]) if len(args) == 7 and args[4] == "load" else {}


def _named(method: str, first: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Positional arguments by the names 19 gives them."""
    names = {"search_read": "domain", "search_count": "domain", "create": "vals_list"}
    return {**({names.get(method, "ids"): first[0]} if first else {}), **named}


def _worded(trouble: Trouble, model: str) -> Trouble:
    """What /json/2 says with a 404 is said otherwise here."""
    if trouble.name != "werkzeug.exceptions.NotFound":
        return trouble
    if trouble.message.startswith("the model"):
        return Trouble(200, "odoo.exceptions.UserError", f"Object {model} doesn't exist")
    return Trouble(200, "builtins.AttributeError", trouble.message.replace("the method", "The method"))


def _without_pricelist(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Until 16 an order needs one; a column with an empty cell says it shall have none."""
    if "pricelist_id/.id" not in given["fields"]:
        return None
    price, own = given["fields"].index("pricelist_id/.id"), given["fields"].index("id")
    bad = [i for i, row in enumerate(given["data"]) if row[own] and not row[price]]
    words = "Missing required value for the field 'Pricelist' (pricelist_id)"
    messages = [{"type": "error", "rows": {"from": i, "to": i}, "message": words} for i in bad]
    return {"ids": False, "messages": messages, "nextrow": 0} if bad else None


def _without_names(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Until 18 a move needs a description."""
    if any(path in MOVE_NAMES for path in given["fields"]) or len(given["fields"]) == 1:
        return None
    info = {"type": "error", "rows": {"from": 0, "to": len(given["data"]) - 1}}
    return {
        "ids": False,
        "messages": [{**info, "message": "Missing required value for the field 'Description' (name)"}],
        "nextrow": 0,
    }


def _drop_names(said: dict[str, Any]) -> None:
    """19 has no such field."""
    kept = [i for i, path in enumerate(said["fields"]) if path not in MOVE_NAMES]
    said["fields"], said["data"] = [said["fields"][i] for i in kept], [[row[i] for i in kept] for row in said["data"]]


def _cents(cell: str) -> str:
    """Prices have two digits there."""
    return f"{float(cell):.2f}" if cell else cell


def _error(trouble: Trouble) -> dict[str, Any]:
    """As serialize_exception words it, traceback included."""
    debug = f'Traceback (most recent call last):\n  File "/opt/odoo/odoo/http.py", line 2273, in _serve_db\n{trouble.message}'
    data = {
        "name": trouble.name,
        "message": trouble.message,
        "arguments": [trouble.message],
        "context": {},
        "debug": debug,
    }
    return {"code": 200, "message": "Odoo Server Error", "data": data}
