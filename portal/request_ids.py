"""Every request has an id: the caller's where it is a sound one, otherwise ours."""

import re
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from portal.ids import new_id

HEADER = "X-Request-ID"
_SOUND = re.compile(r"[A-Za-z0-9_-]{8,64}")


def request_id_of(request: HttpRequest) -> str:
    """The id that `RequestIdMiddleware` gave this request."""
    return str(request.META["fuwuhao.request_id"])


class RequestIdMiddleware:
    """Binds the id to everything that is logged meanwhile and sends it back."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        request_id = given if _SOUND.fullmatch(given) else new_id("req")
        request.META["fuwuhao.request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response[HEADER] = request_id
        return response
