"""What the web server calls: plain doors by path prefix, Django for the rest. Knows no routes of Django."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "retailsync.settings")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

django = get_wsgi_application()

from retailsync.hooks import door  # noqa: E402  needs the apps that the line above loaded
from retailsync.platform import health  # noqa: E402  likewise

# Prefix -> a plain WSGI callable, for paths too hot for Django's middleware or asked under any host name.
DOORS: dict[str, Application] = {door.PREFIX: door.application, health.PREFIX: health.application}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Hand the request to the door whose prefix it has, else to Django."""
    path = environ.get("PATH_INFO", "")
    for prefix, answer in DOORS.items():
        if path.startswith(prefix):
            return answer(environ, start_response)
    return django(environ, start_response)
