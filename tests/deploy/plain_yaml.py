"""Reads as much YAML as deploy/compose.yaml uses, so that checking it needs no further dependency: mappings by indentation, values as
JSON or plain words, lists on one line, anchors of mappings and `<<`. Whatever else is written there is an error, not a guess."""

import json
import re
from typing import Any

_LINE = re.compile(r"^( *)([\w.<-]+):(?: +(.*))?$")


class NotPlain(Exception):
    """Something this reader does not know."""


def read(text: str) -> dict[str, Any]:
    """The document as a mapping; merged keys are copied in, own keys win."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    anchors: dict[str, Any] = {}
    found, rest = _mapping(lines, 0, anchors)
    if rest:
        raise NotPlain(rest[0])
    return found


def _mapping(lines: list[str], indent: int, anchors: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    while lines and (match := _match(lines[0])) and len(match[1]) == indent:
        key, value, lines = match[2], match[3] or "", lines[1:]
        if key == "<<":
            if value[1:] not in anchors:
                raise NotPlain(value)
            merged |= anchors[value[1:]]
        elif key in own:
            raise NotPlain(f"{key} twice")
        elif not value or value.startswith("&"):
            own[key], lines = _mapping(lines, indent + 2, anchors)
            if value:
                anchors[value[1:]] = own[key]
        else:
            own[key] = _value(value)
    return merged | own, lines


def _match(line: str) -> re.Match[str]:
    if not (match := _LINE.match(line)):
        raise NotPlain(line)
    return match


def _value(text: str) -> Any:
    """JSON where it looks like it, else plain words."""
    if text[0] in '[{"' or text in ("true", "false"):
        return json.loads(text)
    if text[0] in "'|>*!-?@`" or " #" in text or ": " in text:
        raise NotPlain(text)
    return text
