"""What an older release of Odoo calls otherwise. The connector speaks 19's words; here, and nowhere else, they are put into others.

A word is a field of a model. What is asked is translated on its way out, what is answered on its way in, so that no sender and no
reader knows releases. Source: sale_order.py, sale_order_line.py, stock_picking.py and stock_move.py of 14.0 to 19.0.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any, NamedTuple

import msgspec

NEWEST = 19


def _same(value: Any) -> Any:
    return value


def _plain(html: Any) -> Any:
    """HTML for a plain text field: a line per paragraph and break."""
    return unescape(re.sub(r"<[^>]*>", "", re.sub(r"<br/?>|</p>(?=.)", "\n", html, flags=re.DOTALL))) if html else html


def _html(text: Any) -> Any:
    """A plain text field as 15 and later would hold it: a paragraph per line."""
    return "".join(f"<p>{escape(line, quote=False)}</p>" for line in text.splitlines()) if text else text


class Word(NamedTuple):
    """A field there: its name, our value as it is written there (None: nothing is), its value as we read it."""

    theirs: str
    write: Callable[[Any], Any] = _same
    read: Callable[[Any], Any] = _same


#: (model, our field) → the first release that says so too, and how those before it do. Until 16 a move is picked when a quantity is
#: done, and not to pick it is to do none of it.
WORDS: Mapping[tuple[str, str], tuple[int, Word]] = {
    ("res.partner", "comment"): (15, Word("comment", _plain, _html)),
    ("sale.order", "note"): (15, Word("note", _plain, _html)),
    ("sale.order", "locked"): (17, Word("state", read=lambda state: state == "done")),
    ("sale.order.line", "tax_ids"): (19, Word("tax_id")),
    ("stock.picking", "note"): (15, Word("note", _plain, _html)),
    ("stock.picking", "move_ids"): (16, Word("move_lines")),
    ("stock.move", "quantity"): (17, Word("quantity_done")),
    ("stock.move", "picked"): (17, Word("quantity_done", lambda picked: None if picked else 0, bool)),
}
#: Where records of another model are named or written inside one's own.
INSIDE: Mapping[tuple[str, str], str] = {
    ("sale.order", "order_line"): "sale.order.line",
    ("stock.picking", "move_ids"): "stock.move",
}


@dataclass(frozen=True, slots=True)
class Release:
    """One release by its number (17 for «saas-17.4» too)."""

    number: int = NEWEST

    @classmethod
    def named(cls, version: str) -> "Release":
        """The release of a version: «16.0», «saas~17.4», «19.1a1+e». One without a number is taken for the newest."""
        found = re.search(r"\d+", version)
        return cls(int(found[0][:4])) if found else cls()

    @property
    def pricelist_required(self) -> bool:
        """Until 16 every order has a pricelist, also one in the company's own currency."""
        return self.number < 17

    @property
    def moves_named(self) -> bool:
        """Until 18 every move has a description of its own."""
        return self.number < 19

    # -- what we ask
    def told(self, model: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """A call's arguments in this release's words."""
        if self.number >= NEWEST:
            return dict(arguments)
        said = {name: _TOLD[name](self, model, value) if name in _TOLD else value for name, value in arguments.items()}
        if "data" in arguments:  # of load(): its columns are `fields`
            writes = [self._word(*_end(model, path)).write for path in arguments["fields"]]
            said["data"] = [[write(cell) for write, cell in zip(writes, row, strict=True)] for row in arguments["data"]]
        return said

    def _word(self, model: str, name: str) -> Word:
        since, word = WORDS.get((model, name), (0, Word(name)))
        return word if self.number < since else Word(name)

    def _path(self, model: str, path: str, separator: str) -> str:
        """A field, or a field of a record inside: order_line/tax_ids/.id."""
        first, mark, rest = path.partition(separator)
        inner = self._path(INSIDE.get((model, first), ""), rest, separator) if first and rest else rest
        return self._word(model, first).theirs + mark + inner

    def _names(self, model: str, names: Sequence[str]) -> list[str]:
        """Names or load()'s paths, each once per way of saying it."""
        return list(dict.fromkeys(self._path(model, name, "/") for name in names))

    def _domain(self, model: str, domain: Sequence[Any]) -> list[Any]:
        return [t if isinstance(t, str) else [self._path(model, t[0], "."), *t[1:]] for t in domain]

    def _values(self, model: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of one record; those of records inside are commands like (1, id, values)."""
        said: dict[str, Any] = {}
        for name, value in values.items():
            word, inner = self._word(model, name), INSIDE.get((model, name))
            written = word.write(self._commands(inner, value) if inner else value)
            if written is not None:
                said[word.theirs] = written
        return said

    def _commands(self, model: str, commands: Sequence[Sequence[Any]]) -> list[list[Any]]:
        return [[self._values(model, part) if isinstance(part, dict) else part for part in c] for c in commands]

    # -- what is answered
    def heard(self, model: str, method: str, arguments: Mapping[str, Any], result: bytes) -> bytes:
        """An answer in our words, `arguments` being ours. Raises msgspec.ValidationError for one of another shape."""
        asked = arguments.get(_ASKED.get(method, ""), ())
        words = {name: word for name in asked if (word := self._word(model, name)) != Word(name)}
        if not words:
            return result
        if method == "fields_get":
            return msgspec.json.encode(_ours(msgspec.json.decode(result, type=_Row), words, asked))
        return msgspec.json.encode([_ours(row, words, asked) for row in msgspec.json.decode(result, type=list[_Row])])


_Row = dict[str, msgspec.Raw]  # numbers stay as they were written
_ASKED = {
    "search_read": "fields",
    "read": "fields",
    "fields_get": "allfields",
}  # the argument that names what is answered
_TOLD: Mapping[str, Callable[[Release, str, Any], Any]] = {
    "fields": Release._names,
    "allfields": Release._names,
    "domain": Release._domain,
    "vals": Release._values,
    "vals_list": lambda release, model, many: [release._values(model, values) for values in many],
}


def _end(model: str, path: str) -> tuple[str, str]:
    """The model and the name of the field a path of load() leads to."""
    first, _, rest = path.partition("/")
    inner = INSIDE.get((model, first))
    return _end(inner, rest) if inner and rest else (model, first)


def _ours(row: _Row, words: Mapping[str, Word], asked: Sequence[str]) -> dict[str, Any]:
    """One row by our names, old ones that nobody asked for taken out."""
    extra = {word.theirs for word in words.values()} - set(asked)
    kept = {name: value for name, value in row.items() if name not in extra}
    return kept | {
        name: word.read(msgspec.json.decode(row[word.theirs])) if word.read is not _same else row[word.theirs]
        for name, word in words.items()
        if word.theirs in row
    }
