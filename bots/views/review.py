"""The review desk."""

from django.http import HttpRequest, HttpResponse

from portal.access import moderator_only


@moderator_only
def queue(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError


@moderator_only
def detail(request: HttpRequest, app_id: str) -> HttpResponse:
    raise NotImplementedError


@moderator_only
def decide(request: HttpRequest, app_id: str) -> HttpResponse:
    raise NotImplementedError
