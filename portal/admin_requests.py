"""What Django's admin does not expect in a request."""

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.urls import reverse


class NoNulInAdminMiddleware:
    """A NUL in the path or the query is a bad request; PostgreSQL would make an error of it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request.path + request.META.get("QUERY_STRING", "")
        if ("\0" in asked or "%00" in asked) and request.path.startswith(reverse("admin:index")):
            raise BadRequest
        return self.get_response(request)
