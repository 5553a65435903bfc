"""Errors as `application/problem+json` (RFC 9457): one shape for everything that goes wrong in the partner API."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from connectors.partner.reading import Wrong


class TooLarge(exceptions.APIException):
    """More than a message may be."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The message is too large."


class LengthRequired(exceptions.APIException):
    """A message of unknown length: WSGI gives us nothing of it, and an empty message would mean "nothing to add"."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "Send the message with a Content-Length."


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook. What it does not know stays an error of ours and becomes a 500."""
    if isinstance(error, Wrong):
        return problem(400, "The message is not understood.", error.words, field=error.field)
    if isinstance(error, RequestDataTooBig):
        error = TooLarge()
    response = exception_handler(error, context)
    if response is None:
        return None
    detail = "There is nothing here by that reference." if isinstance(error, Http404) else _detail(response.data)
    kept = {
        name: value for name, value in response.headers.items() if name in ("WWW-Authenticate", "Retry-After", "Allow")
    }
    return problem(response.status_code, response.status_text, detail, headers=kept)


def problem(code: int, title: str, detail: str, *, field: str = "", headers: dict[str, str] | None = None) -> Response:
    """One problem; `field` is the path of what is wrong in the message, where there is one."""
    data = {"type": "about:blank", "title": title, "status": code, "detail": detail}
    if field:
        data["field"] = field
    return Response(data, status=code, headers=headers, content_type="application/problem+json")


def _detail(data: Any) -> str:
    return str(data.get("detail", "")) if isinstance(data, dict) else str(data)
