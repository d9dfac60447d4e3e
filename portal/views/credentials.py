"""The credentials page: appId and appSecrets."""

from django.http import HttpRequest, HttpResponse

from portal.access import owner_only
from portal.models import ServiceNumber


@owner_only
def credentials(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    raise NotImplementedError


@owner_only
def new(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    raise NotImplementedError


@owner_only
def change(request: HttpRequest, number: ServiceNumber, generation: int, deed: str) -> HttpResponse:
    raise NotImplementedError
