"""The contract for people and programs: the document, a page that shows it, and a page that explains the problems."""

import threading
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.views.decorators.csrf import csrf_exempt

from retailsync.partners import contract
from retailsync.partners.problems import CODES, EXPLAINED

#: The page's program would fetch its maker's logo.
_NOTHING_FROM_ELSEWHERE = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "style-src 'self' 'unsafe-inline'",
        "script-src 'self' 'unsafe-inline'",
        "worker-src blob:",
    )
)
_one_at_a_time = threading.Lock()


def openapi(request: HttpRequest) -> JsonResponse:
    """GET /api/v1/openapi.json"""
    return JsonResponse(_document(), json_dumps_params={"ensure_ascii": False})


def reference(request: HttpRequest) -> HttpResponse:
    """GET /api/v1/docs: every call, with examples."""
    page = render(request, "partners/reference.html")
    page["Content-Security-Policy"] = _NOTHING_FROM_ELSEWHERE
    return page


def problems(request: HttpRequest) -> HttpResponse:
    """GET /api/v1/docs/problems: every code, and what to do about it. A problem's `type` leads to its line."""
    codes = [(code, kind, _marked(kind.advice)) for code, kind in CODES.items()]
    return render(request, "partners/problems.html", {"codes": codes})


def _marked(text: str) -> str:
    """What stands between backticks as code."""
    parts = text.split("`")
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", p) if n % 2 else p,) for n, p in enumerate(parts))
    )


@csrf_exempt
def nothing(request: HttpRequest, rest: str = "") -> JsonResponse:
    """Any other address below /api/v1/: a problem like every other, not a page."""
    kind = CODES["not_found"]
    data = {
        "type": f"{EXPLAINED}not_found",
        "title": kind.title,
        "status": 404,
        "detail": kind.title,
        "code": "not_found",
    }
    return JsonResponse(data, status=404, content_type="application/problem+json")


def _document() -> dict[str, Any]:
    with _one_at_a_time:  # the generator is not made for threads
        return _generated()


@cache
def _generated() -> dict[str, Any]:
    return contract.document()
