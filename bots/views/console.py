"""The console: my service numbers, and one number at a glance."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from bots import overview as glance
from portal.access import owner_only, user_of
from portal.models import ServiceNumber, State


@require_safe
@login_required
def numbers(request: HttpRequest) -> HttpResponse:
    return render(request, "bots/console.html", {"glances": glance.glances(user_of(request))})


@require_safe
@owner_only
def overview(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    shown = {
        "number": number,
        "is_simulated": number.api_keys.are_simulated(),
        "checklist": None if number.state == State.CLOSED else glance.checklist(number),
        "figures": glance.figures(number),
        "chat_address": settings.SITE_URL + reverse("chat", args=[number.handle]),
    }
    return render(request, "bots/number_overview.html", shown)
