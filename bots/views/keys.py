"""The API keys of a number, and their verdicts."""

from django.http import HttpRequest, HttpResponse

from portal.access import owner_only
from portal.models import ServiceNumber


@owner_only
def keys(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    raise NotImplementedError


@owner_only
def edit(request: HttpRequest, number: ServiceNumber, key_id: str) -> HttpResponse:
    raise NotImplementedError


@owner_only
def row(request: HttpRequest, number: ServiceNumber, key_id: str) -> HttpResponse:
    raise NotImplementedError


@owner_only
def check(request: HttpRequest, number: ServiceNumber, key_id: str) -> HttpResponse:
    raise NotImplementedError


@owner_only
def remove(request: HttpRequest, number: ServiceNumber, key_id: str) -> HttpResponse:
    raise NotImplementedError
