"""What the platform tells a person in the console."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse


@login_required
def notices(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError


@login_required
def read(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError
