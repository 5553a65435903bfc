"""Whether a newer contract breaks what was built against an older one: what is answered may only grow, what is taken may only widen."""

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
_LOWER, _UPPER = ("minLength", "minimum", "minItems"), ("maxLength", "maximum", "maxItems")


def broken(old: Document, new: Document) -> list[str]:
    """Every break, in words."""
    return [*_calls(old, new), *_schemas(old, new)]


def _calls(old: Document, new: Document) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method, before in methods.items():
            after = new["paths"].get(path, {}).get(method)
            if after is None:
                yield f"{method.upper()} {path} is gone"
                continue
            for each in _operation(before, after):
                yield f"{method.upper()} {path}: {each}"


def _operation(before: Document, after: Document) -> Iterator[str]:
    was, now = ({p["name"]: p for p in one.get("parameters", ())} for one in (before, after))
    yield from (f"parameter {name} is gone" for name in was if name not in now)
    yield from (f"parameter {name} is needed now" for name, p in now.items() if p.get("required") and name not in was)
    for name in was.keys() & now.keys():
        lost = set(was[name]["schema"].get("enum", ())) - set(now[name]["schema"].get("enum", ()))
        if lost and "enum" in now[name]["schema"]:
            yield f"parameter {name} takes no {sorted(lost)} any more"
    if _body(before) != _body(after):
        yield f"the body is {_body(after)}, not {_body(before)}"
    for status in before["responses"]:
        if status not in after["responses"]:
            yield f"{status} is not answered any more"
        elif status < "300" and _answer(before, status) != _answer(after, status):
            yield f"{status} answers something else"


def _body(operation: Document) -> Any:
    return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")


def _answer(operation: Document, status: str) -> Any:
    return operation["responses"][status].get("content", {}).get("application/json", {}).get("schema")


def _schemas(old: Document, new: Document) -> Iterator[str]:
    said = _said(old)
    for name, before in old["components"]["schemas"].items():
        after = new["components"]["schemas"].get(name)
        if after is None:
            yield f"{name} is gone"
            continue
        for field, was in before.get("properties", {}).items():
            now = after.get("properties", {}).get(field)
            yield from (f"{name}.{field}: {each}" for each in _field(was, now, taken=name in said))
        if name in said:
            more = set(after.get("required", ())) - set(before.get("required", ()))
            yield from (f"{name}.{field} is needed now" for field in sorted(more))
        if not before.get("properties"):
            yield from (f"{name}: {each}" for each in _field(before, after, taken=name in said))


def _field(was: Document, now: Document | None, *, taken: bool) -> Iterator[str]:
    if now is None:
        yield "is gone"
        return
    kinds = [
        {key: value for key, value in each.items() if key in ("type", "$ref", "format", "anyOf", "allOf")}
        for each in (was, now)
    ]
    if kinds[0] != kinds[1]:
        yield "is of another kind"
    if taken:
        if set(was.get("enum", ())) - set(now.get("enum", was.get("enum", ()))):
            yield "takes fewer words"
        if any(now.get(key, was.get(key, 0)) > was.get(key, 0) for key in _LOWER):
            yield "takes less"
        if any(key in now and now[key] < was.get(key, float("inf")) for key in _UPPER):
            yield "takes less"


def _said(document: Document) -> set[str]:
    """Names of what partners send, with what it holds."""
    found: set[str] = set()
    waiting = [str(_body(o)) for methods in document["paths"].values() for o in methods.values() if _body(o)]
    while waiting:
        text = waiting.pop()
        for name, schema in document["components"]["schemas"].items():
            if f"/{name}'" in text and name not in found:
                found.add(name)
                waiting.append(str(schema))
    return found
