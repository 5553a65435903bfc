"""`load()`: rows → records with external ids, all or nothing, with Odoo's messages. Knows no business rule beyond `Sales.create`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.odoo.simulated.records import INVERSE, MODELS, Model, Records, Trouble, value_error

Message = dict[str, Any]
CONFLICT = "could not serialize access due to concurrent update\n"


class Bad(Exception):
    """A cell that cannot be converted."""


class Loader:
    """One call of load(). `create`, `write` and `check` are the business rules' own, so that totals and defaults come out as usual."""

    def __init__(
        self,
        records: Records,
        create: Callable[[str, Mapping[str, Any]], int],
        write: Callable[[str, int, Mapping[str, Any]], None],
        check: Callable[[str, Mapping[str, Any]], None],
        context: Mapping[str, Any],
    ) -> None:
        self.records = records
        self.xids = records.store.table("xid")
        self.create, self.write, self.check = create, write, check
        self.update = context.get("mode", "init") == "update"
        self.noupdate = bool(context.get("noupdate"))
        self.messages: list[Message] = []

    def load(self, model: str, fields: Sequence[str], data: Sequence[Sequence[str]]) -> dict[str, Any]:
        """ids in the order of the records, or False with messages; nothing is kept when anything is wrong."""
        paths = [field.split("/") for field in fields]
        for path in paths:
            _known(MODELS[model], path)
        extracted = list(_extract(model, paths, data))
        converted = [self._converted(model, number, spans, cells) for number, (spans, cells) in enumerate(extracted)]
        self._check_required(model, converted)
        self._check_rules(model, converted)
        if self.messages:
            return {"ids": False, "messages": self.messages, "nextrow": 0}
        return {"ids": [self._stored(model, c["values"]) for c in converted], "messages": [], "nextrow": 0}

    # -- cells → values
    def _converted(self, model: str, number: int, rows: tuple[int, int], cells: Mapping[str, Any]) -> dict[str, Any]:
        info = {"rows": {"from": rows[0], "to": rows[1]}, "record": number, "type": "error"}
        values: dict[str, Any] = {}
        for name, cell in cells.items():
            try:
                values[name] = self._value(MODELS[model], name, cell, "")
            except Bad as bad:
                label = MODELS[model].labels.get(name, name)
                self.messages.append({**info, "field": name, "message": str(bad), "field_name": label})
        return {"info": info, "values": values}

    def _value(self, model: Model, name: str, cell: Any, under: str) -> Any:
        """One field's value. Cells are texts; of relations {how: text}; of lines a list of such."""
        if name == "id":
            return cell
        kind, label = model.kind(name), under + model.labels.get(name, name)
        if kind == "one2many":
            inner = MODELS[model.relation(name)]
            return [{n: self._value(inner, n, c, f"{label}/") for n, c in line.items()} for line in cell]
        if kind == "many2one":
            return next(
                (self._reference(model.relation(name), how, text, label) for how, text in cell.items() if text), False
            )
        if kind == "many2many":
            texts = [text for texts in cell.values() for text in texts.split(",") if text]
            return [self._reference(model.relation(name), ".id", text, label) for text in texts]
        return _scalar(kind, cell, label)

    def _reference(self, model: str, how: str, text: str, label: str) -> int:
        if how == "id":
            found = self.xids.get(text, {}).get("id", 0)
        else:
            found = int(text) if text.isdecimal() else 0
        if not self.records.exists(model, found):
            what = "external" if how == "id" else "database"
            raise Bad(f"No matching record found for {what} id '{text}' in field '{label}'")
        return int(found)

    # -- checks
    def _check_required(self, model: str, converted: Sequence[Mapping[str, Any]]) -> None:
        """Missing required values of records to be created. After ten errors Odoo stops looking (and so names no others)."""
        errors = 0
        for number, record in enumerate(converted, 1):
            missing = [n for n in MODELS[model].required if not record["values"].get(n)]
            if self._existing(model, record["values"].get("id", "")) or not missing:
                continue
            label = MODELS[model].labels.get(missing[0], missing[0])
            words = (
                f"Missing required value for the field '{label}' ({missing[0]}).\nModel: '{MODELS[model].label}' ({model})\n"
                "- create/update: a mandatory field is not set\n"
                "- delete: another model requires the record being deleted, you can archive it instead\n"
            )
            self.messages.append({**record["info"], "field": missing[0], "message": words})
            errors += 1
            if errors >= 10 and errors >= number / 10:
                words = "Found more than 10 errors and more than one error per 10 records, interrupted to avoid showing too many errors."
                self.messages.append({"type": "warning", "message": words})
                return

    def _check_rules(self, model: str, converted: Sequence[Mapping[str, Any]]) -> None:
        """A record that breaks a rule is a message of its own, not an error of the call."""
        for record in converted:
            try:
                self.check(model, record["values"])
            except Trouble as trouble:
                self.messages.append({**record["info"], "message": trouble.message})

    # -- values → records
    def _existing(self, model: str, xid: str) -> int:
        """The record behind an external id; 0 when there is none or it was deleted."""
        known = self.xids.get(xid)
        return int(known["id"]) if known and self.records.exists(model, known["id"]) else 0

    def _stored(self, model: str, values: Mapping[str, Any]) -> int:
        """Create, update or leave alone one record, as `_load_records` does."""
        values = dict(values)
        xid = values.pop("id", "")
        id = self._existing(model, xid)
        if id and self.update and self.xids[xid]["noupdate"]:
            return id
        lines = {n: values.pop(n) for n in list(values) if MODELS[model].kind(n) == "one2many"}
        if id:
            self.write(model, id, values)
        else:
            id = self.create(model, values)
            if xid:
                self.records.store.put("xid", xid, {"model": model, "id": id, "noupdate": self.noupdate})
        for name, rows in lines.items():
            inner = MODELS[model].relation(name)
            back = next(field for (of, field), there in INVERSE.items() if (of, there) == (inner, (model, name)))
            for line in rows:
                self._stored(inner, {**line, back: id})
        return id


def _known(model: Model, path: Sequence[str]) -> None:
    if path[0] in ("id", ".id"):
        return
    if path[0] not in model.fields:
        raise value_error(f"Invalid field name '{path[0]}'")
    if len(path) > 1 and model.relation(path[0]):
        _known(MODELS[model.relation(path[0])], path[1:])


def _extract(model: str, paths: Sequence[Sequence[str]], data: Sequence[Sequence[str]]) -> Any:
    """Rows of one record: ((first, last), cells). A row whose own cells are all empty continues the record above it."""
    own = [i for i, path in enumerate(paths) if path[0] == "id" or MODELS[model].kind(path[0]) != "one2many"]
    start = 0
    while start < len(data):
        end = start + 1
        while end < len(data) and len(own) < len(paths) and not any(data[end][i] for i in own):
            end += 1
        yield (start, end - 1), _cells(model, paths, data[start:end])
        start = end


def _cells(model: str, paths: Sequence[Sequence[str]], rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Cells of one record by field: texts, {how: text} of relations, one such per row of lines."""
    cells: dict[str, Any] = {}
    for name in dict.fromkeys(path[0] for path in paths):
        columns = [i for i, path in enumerate(paths) if path[0] == name]
        if name == "id":
            cells[name] = rows[0][columns[0]]
        elif MODELS[model].kind(name) == "one2many":
            inner = [paths[i][1:] for i in columns]
            lines = [[row[i] for i in columns] for row in rows]
            cells[name] = [_cells(MODELS[model].relation(name), inner, [line]) for line in lines if any(line)]
        elif len(paths[columns[0]]) > 1:
            cells[name] = {paths[i][1]: rows[0][i] for i in columns}
        else:
            cells[name] = rows[0][columns[0]]
    return cells


def _scalar(kind: str, text: str, label: str) -> Any:
    if not text:
        return 0.0 if kind == "float" else False
    try:
        if kind == "float":
            return float(text)
        if kind == "boolean":
            return text.lower() in ("1", "true", "yes")
        if kind == "datetime":
            datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - Odoo's datetimes are naive UTC
    except ValueError as error:
        word = "number" if kind == "float" else "valid datetime"
        article = "a number" if word == "number" else "a valid datetime"
        raise Bad(f"'{text}' does not seem to be {article} for field '{label}'") from error
    return text


__all__ = ("CONFLICT", "Loader", "Trouble")
