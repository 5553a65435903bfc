"""msgspec's message about a field → the field, and words for a person."""

import re
from collections.abc import Sequence

from connectors.partner.reading import arrivals, inventory

_WORDS = {**inventory.WORDS, **arrivals.WORDS}
_WHERE = re.compile(r"^(?P<what>.*?)(?: - at `\$?\.?(?P<where>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"^Object (?P<how>missing required|contains unknown) field `(?P<name>[^`]*)`$")
_EXPECTED: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"^Expected `int` >= (-?\d+)$"), r"must be at least \1"),
    (re.compile(r"^Expected `int` <= (\d+)$"), r"must be at most \1"),
    (re.compile(r"^Expected `str` of length >= 1$"), "must not be empty"),
    (re.compile(r"^Expected `str` of length <= (\d+)$"), r"must not be longer than \1 characters"),
    (re.compile(r"^Expected `array` of length >= 1$"), "must have at least one entry"),
    (re.compile(r"^Expected `array` of length <= (\d+)$"), r"must not have more than \1 entries"),
    (re.compile(r"^Expected `str` matching regex .*https.*$", re.DOTALL), "must be a web address beginning with http:// or https://"),
    (re.compile(r"^Expected `str` matching regex .*$", re.DOTALL), "must not contain NUL characters"),
    (re.compile(r"^Invalid RFC3339 .*$"), "must be a time like 2026-01-31T12:00:00Z"),
    (re.compile(r"^Expected `datetime` with a timezone component$"), "must be a time with its zone, like 2026-01-31T12:00:00Z"),
    (re.compile(r"^JSON is malformed: .*\(byte (\d+)\)$"), r"The message is not valid JSON (byte \1)."),
    (re.compile(r"^Input data was truncated$"), "The message is not complete JSON."),
)  # fmt: skip
_KINDS = {
    "int": "a whole number",
    "str": "text",
    "array": "a list",
    "object": "an object",
    "datetime": "a time",
    "null": "nothing",
    "float": "a fraction",
    "bool": "true or false",
}


def explained(text: str) -> tuple[str, str]:
    """msgspec's message as (field path, words for a person)."""
    match = _WHERE.match(text)
    what, where = (match["what"], match["where"] or "") if match else (text, "")
    if named := _FIELD.match(what):
        words = "is missing" if named["how"].startswith("missing") else "is not a field of this message"
        return f"{where}.{named['name']}".lstrip("."), words
    for pattern, words in _EXPECTED:
        if pattern.match(what):
            return where, pattern.sub(words, what)
    if what.startswith("Invalid enum value") and (field := where.rpartition(".")[2]) in _WORDS:
        return where, f"must be one of {', '.join(_WORDS[field])}"
    if kinds := re.match(r"^Expected `([^`]*)`, got `([^`]*)`$", what):
        wanted, got = (" or ".join(_KINDS.get(k, k) for k in group.split(" | ")) for group in kinds.groups())
        return where, f"must be {wanted}, not {got}"
    return where, what
