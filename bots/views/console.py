"""The console: my service numbers, and one number at a glance."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse

from portal.access import owner_only
from portal.models import ServiceNumber


@login_required
def numbers(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError


@owner_only
def overview(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    raise NotImplementedError
