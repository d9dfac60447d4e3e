"""The feedback results of a number, readable."""

from django.http import HttpRequest, HttpResponse

from portal.access import owner_only
from portal.models import ServiceNumber


@owner_only
def feedback(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    raise NotImplementedError
