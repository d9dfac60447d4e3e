"""What only the signed-in person may see is kept by nobody: no proxy, and no Back button."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

PATHS = ("/accounts/", "/console/", "/review/")


class NoStoreMiddleware:
    """Recovery codes, prompts and other people's questions are on these pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith(PATHS):
            response["Cache-Control"] = "private, no-store"
        return response
