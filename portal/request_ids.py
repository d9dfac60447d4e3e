"""Every request has an id: the caller's where it is a sound one, otherwise ours.

Here is also by which paths machines ask, because every answer to them names that id.
"""

import re
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from portal.ids import new_id

HEADER = "X-Request-ID"
OPENAI_PATH = "/v1/"
# Under these even a failure is JSON, in the words of the path's protocol.
MACHINE_PATHS = ("/platform/", "/oauth2/", "/cgi-bin/", OPENAI_PATH, "/.well-known/")
_SOUND = re.compile(r"[A-Za-z0-9_-]{8,64}")


def sound_or_new(given: str) -> str:
    """The id that the caller gave where it is a sound one, otherwise a new one."""
    return given if _SOUND.fullmatch(given) else new_id("req")


def request_id_of(request: HttpRequest) -> str:
    """The id that `RequestIdMiddleware` gave this request."""
    return str(request.META["fuwuhao.request_id"])


class RequestIdMiddleware:
    """Binds the id to everything that is logged meanwhile and sends it back."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = sound_or_new(request.headers.get(HEADER, ""))
        request.META["fuwuhao.request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response[HEADER] = request_id
        return response
