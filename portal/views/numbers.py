"""Creating a service number, and its profile."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse

from portal.access import owner_only
from portal.models import ServiceNumber


@login_required
def new(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError


@owner_only
def profile(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    raise NotImplementedError


@owner_only
def move(request: HttpRequest, number: ServiceNumber, transition: str) -> HttpResponse:
    raise NotImplementedError
