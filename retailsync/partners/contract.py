"""The partner API's contract, OpenAPI 3.1, from what the views state (`PartnerView`) and the shapes messages are checked against.

Nothing is described twice: bodies are the msgspec types that decode them, answers the serializers that write them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from connectors.partner.reading import SHAPES, Statement
from retailsync.partners.examples import EXAMPLES
from retailsync.partners.outlines import ProblemOutline
from retailsync.partners.problems import CODES
from retailsync.partners.views.base import PartnerView

ROOT = "/api/v1"
#: In the order of work: what each part of the contract is for.
TAGS = {
    "fulfilment requests": "What to ship, and what became of it.",
    "events": "What changed, in an order that never skips anything.",
    "webhooks": "Being told of events instead of asking for them.",
    "inventory": "What lies on the shelves.",
    "skus": "What may have to be shipped.",
    "inbound shipments": "What is on its way to the warehouse.",
    "returns": "What comes back.",
    "acknowledgements": "How fast requests are answered, in working time.",
    "sandbox": "Orders that are not real, and the certification.",
}
#: Codes that any call may be answered with, and those that only some are.
_ANY = ("invalid_key", "missing_scope", "rate_limited", "unavailable")
_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER,
    description="Up to 255 characters of yours, new for each call. A repetition within seven days gets the first answer.",
)  # fmt: skip


class Generator(SchemaGenerator):  # type: ignore[misc]
    """Only the partner API, and the shapes of its messages among the components."""

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        schema: dict[str, Any] = super().get_schema(request, public)
        schema["components"].setdefault("schemas", {}).update(_components(self._shapes()))
        schema["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "bearerFormat": "rsk_live_…"}
        }
        schema["components"]["schemas"] = dict(sorted(schema["components"]["schemas"].items()))
        there = {
            tag for methods in schema["paths"].values() for operation in methods.values() for tag in operation["tags"]
        }
        schema["tags"] = [{"name": name, "description": words} for name, words in TAGS.items() if name in there]
        return schema

    def _shapes(self) -> list[type[Any]]:
        views = [view for _, _, _, view in self.endpoints]
        return [shape for view in views for shape in _shapes_of(view.cls, view.initkwargs).values()]


class Schema(AutoSchema):  # type: ignore[misc]
    """One operation, from what its view states."""

    view: PartnerView

    def get_operation_id(self) -> str:
        words = re.sub(r"\{\w+\}", "", self.path.removeprefix(ROOT)).strip("/").replace("-", "_").split("/")
        one = "one_" if self.method == "GET" and self.path.endswith("}") else ""
        return f"{self.method.lower()}_{one}{'_'.join(word for word in words if word)}"

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix(ROOT).strip("/").split("/")[0].replace("-", " ")]

    def get_summary(self) -> str:
        title = self.view.titles.get(self.method)
        if action := getattr(self.view, "action", ""):
            title = f"{action.capitalize()} a {'change' if '{change}' in self.path else 'request'}"
        return title or re.split(r"[.,:;]", self._said()[0].replace("`", ""))[0]

    def get_description(self) -> str:
        shape, scope = self._shape(), self.view.scopes.get(self.method, "")
        said = self._said()
        if shape is not None and shape.__doc__ and getattr(self.view, "action", ""):
            said[0] = " ".join(shape.__doc__.split())
        return "\n\n".join(filter(None, [*said, f"Scope: `{scope}`." if scope else ""]))

    def _said(self) -> list[str]:
        """The view's docstring without the address it begins with; a method's own comes first."""
        own = getattr(getattr(self.view, self.method.lower(), None), "__doc__", None)
        text = own or type(self.view).__doc__ or ""
        first, *rest = re.split(r"\n\s*\n", text.strip())
        first = " ".join(first.split())
        first = re.sub(r"^(?:(?:GET|POST|PATCH|PUT|DELETE)[ /]*)+\S[^:]*: ", "", first)
        return [first[:1].upper() + first[1:], *(" ".join(part.split()) for part in rest)]

    def get_auth(self) -> list[dict[str, list[str]]]:
        return [{"key": []}]

    def get_override_parameters(self) -> list[OpenApiParameter]:
        if self.method == "GET":
            return [
                OpenApiParameter(q.name, int if q.whole else str, description=q.words, enum=q.choices or None)
                for q in self.view.queries
            ]
        return [_KEY] if self.method == "POST" else []

    def get_request_serializer(self) -> None:
        return None

    def _shape(self) -> type[Any] | None:
        return _shapes_of(type(self.view), {"topic": getattr(self.view, "topic", "")}).get(self.method)

    def _get_request_body(self, direction: str = "request") -> dict[str, Any] | None:
        shape = self._shape()
        if shape is None:
            return None
        content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{shape.__name__}"}}
        if example := EXAMPLES.get(shape.__name__):
            content["example"] = example
        needed = any(field.required for field in msgspec.structs.fields(shape) if field.name not in _address(shape))
        return {"content": {"application/json": content}, "required": needed}

    def get_response_serializers(self) -> dict[Any, Any]:
        status, outline = self.view.outlines[self.method]
        answers: dict[Any, Any] = {status: OpenApiResponse(outline or None, description="As asked.")}
        by_status: dict[int, list[str]] = {}
        for code in self._codes():
            by_status.setdefault(CODES[code].status, []).append(code)
        for number, codes in sorted(by_status.items()):
            words = " ".join(f"`{code}`: {CODES[code].title}" for code in codes)
            answers[number, "application/problem+json"] = OpenApiResponse(ProblemOutline, description=words)
        return answers

    def _codes(self) -> Sequence[str]:
        named = [code for code in CODES if code not in _ANY]
        if self.method == "GET":
            named = [
                "invalid",
                "unknown_field",
                *(["not_found"] if "{" in self.path or getattr(self.view, "hidden", False) else []),
            ]
        return [*named, *_ANY]


def document() -> dict[str, Any]:
    """The whole contract."""
    return Generator(urlconf="retailsync.urls").get_schema(request=None, public=True)


def only_ours(endpoints: Sequence[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """drf-spectacular's hook: views of the partner API, and none besides."""
    return [each for each in endpoints if issubclass(getattr(each[3], "cls", type), PartnerView)]


def _shapes_of(view: type[PartnerView], given: Mapping[str, Any]) -> dict[str, type[Any]]:
    """Method → the type of its body."""
    topic = given.get("topic") or getattr(view, "topic", "")
    return {**({"POST": SHAPES[topic]} if topic in SHAPES else {}), **view.shapes}


def _address(shape: type[Any]) -> Sequence[str]:
    return shape.address if issubclass(shape, Statement) and hasattr(shape, "address") else ()


def _components(shapes: Sequence[type[Any]]) -> dict[str, Any]:
    """JSON schemas of these types and what they hold. What the address says already is left out."""
    _, found = msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")
    for shape in shapes:
        for name in _address(shape):
            found[shape.__name__]["properties"].pop(name, None)
    return found
