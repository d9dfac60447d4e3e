"""The robot of a number: model, prompt, greeting, guests."""

from django.http import HttpRequest, HttpResponse

from portal.access import owner_only
from portal.models import ServiceNumber


@owner_only
def robot(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    raise NotImplementedError
