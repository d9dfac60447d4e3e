"""Pictures of service numbers."""

from django.http import HttpRequest, HttpResponse


def avatar(request: HttpRequest, digest: str) -> HttpResponse:
    raise NotImplementedError
