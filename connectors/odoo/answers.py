"""What Odoo's answers mean, whichever way they came. The name of Odoo's exception decides; its traceback (`debug`) is never read.

Source: odoo/addons/rpc/controllers/json2.py, odoo/http.py (serialize_exception) and answers recorded from Odoo 19.0.
"""

import msgspec

from connectors.base import Response
from connectors.errors import Misconfigured, Refused, Retry, SyncError


class Raised(msgspec.Struct):
    """An exception as Odoo words it."""

    name: str = ""
    message: str = ""


DENIED = frozenset({"odoo.exceptions.AccessDenied", "werkzeug.exceptions.Unauthorized"})
FORBIDDEN = frozenset({"odoo.exceptions.AccessError", "werkzeug.exceptions.Forbidden"})
BUSY = frozenset({
    "psycopg2.errors.SerializationFailure", "psycopg2.errors.DeadlockDetected", "psycopg2.errors.LockNotAvailable",
    "psycopg2.errors.InFailedSqlTransaction", "psycopg2.errors.QueryCanceled", "psycopg2.OperationalError",
    "psycopg2.InterfaceError", "psycopg2.extensions.TransactionRollbackError", "psycopg2.extensions.QueryCanceledError",
    "odoo.exceptions.LockError", "odoo.exceptions.ConcurrencyError",
})  # fmt: skip
RULES = frozenset({"odoo.exceptions.UserError", "odoo.exceptions.ValidationError", "odoo.exceptions.RedirectWarning"})


def trouble(name: str, message: str) -> SyncError:
    """One of the four for an exception Odoo names. The name decides: 404 is also an unknown partner, 500 also a bad field."""
    if "could not serialize access" in message or (name in BUSY and "does not exist" not in message):
        return Retry("Odoo is busy with the same records.", detail=f"{name}: {message}")
    if name == "psycopg2.OperationalError":
        return Misconfigured("Odoo does not have this database.", detail=message)
    if name in DENIED:
        return Misconfigured(
            "Odoo does not accept the API key: it is wrong, has expired or was revoked.", detail=message
        )
    if name in FORBIDDEN:
        return Misconfigured(f"The Odoo user may not do this: {first_line(message)}", detail=message)
    if name == "odoo.exceptions.MissingError":
        return Refused("Odoo no longer has a record this needs.", reason="deleted", detail=message)
    if name == "werkzeug.exceptions.NotFound" or _unknown(name, message):
        return Misconfigured(f"Odoo lacks a feature this needs: {first_line(message)}", detail=message)
    if name in RULES:
        return Refused(message.strip() or "Odoo refused this and did not say why.", detail=name)
    return Refused(
        f"Odoo did not understand us: {first_line(message)}", reason="not_understood", detail=f"{name}: {message}"
    )


def _unknown(name: str, message: str) -> bool:
    """/jsonrpc has no 404: a model it does not know is a UserError, a method an AttributeError."""
    if name == "odoo.exceptions.UserError":
        return message.startswith("Object ") and message.rstrip().endswith("doesn't exist")
    return name == "builtins.AttributeError" and message.startswith(("The method ", "type object "))


def foreign(response: Response) -> SyncError:
    """An answer that is not from Odoo's API: a proxy, a login page, a server without this database."""
    detail = f"HTTP {response.status} {response.headers.get('content-type', '')}"
    if response.status in (401, 403):
        return Misconfigured("Something in front of Odoo does not let us in.", detail=detail)
    if response.status == 429:
        after = response.headers.get("retry-after", "")
        return Retry("Odoo asks us to slow down.", after=float(after) if after.isdecimal() else None, detail=detail)
    if response.status >= 500:
        return Retry("Odoo is not available.", unknown=True, down=response.status in (502, 503, 504), detail=detail)
    if response.status == 404:
        return Misconfigured("There is no such database, or no API of Odoo's at this address.", detail=detail)
    return Misconfigured("What answers at this address is not Odoo's API.", detail=detail)


def first_line(message: str) -> str:
    """The first sentence of a message; the rest names groups and field definitions."""
    return message.strip().partition("\n")[0]
