"""Pages of an account are never kept: neither by a proxy nor for the next person's Back button."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

PATHS = ("/accounts/",)


class NoStoreMiddleware:
    """Recovery codes and the secret of an authenticator app are among these pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith(PATHS):
            response["Cache-Control"] = "private, no-store"
        return response
