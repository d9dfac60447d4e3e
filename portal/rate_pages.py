"""What a person sees who came too often: when to come again, never only that it was too often."""

from math import ceil

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

# Every rate of allauth's that ends in a 429 counts within one minute, so this is always enough.
ALLAUTH_WINDOW_SECONDS = 60
IN_MINUTES_FROM = 120


@never_cache
def too_many(request: HttpRequest, wait: float) -> HttpResponse:
    """The answer of 429 to whoever has to wait so many seconds."""
    seconds = max(1, ceil(wait))
    shown = {"seconds": seconds, "minutes": ceil(seconds / 60) if seconds >= IN_MINUTES_FROM else 0}
    response = render(request, "429.html", shown, status=429)
    response["Retry-After"] = str(seconds)
    return response


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """The handler that allauth's rate limits look for in the URL conf."""
    return too_many(request, ALLAUTH_WINDOW_SECONDS)
