"""The call log of a number, readable."""

import re
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ddio_api import call_history
from ddio_api.console.call_forms import CallFilterForm
from portal.access import owner_only
from portal.models import ServiceNumber

_ID = re.compile(r"\d{1,18}", re.ASCII)


@require_safe
@owner_only
def call_log(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    form = CallFilterForm(request.GET)
    if not form.is_valid():
        return render(request, "ddio_api/call_log.html", {"number": number, "form": form})
    wanted = call_history.Look(
        number.pk,
        before=_place(request, "before"),
        after=_place(request, "after"),
        filters=form.filters(),
    )
    view = call_history.look(wanted)
    shown = {
        "number": number,
        "form": form,
        "view": view,
        "gaps": call_history.gaps_within(view, is_top=view.newer is None),
        "is_filtered": wanted.is_filtered,
        "walk_at_most": call_history.WALK_AT_MOST,
        "days": settings.CALL_LOG_DAYS,
        "query": urlencode(form.given()),
    }
    return render(request, "ddio_api/call_log.html", shown)


def _place(request: HttpRequest, name: str) -> int | None:
    """The id that the reader came from; a forged one is none at all."""
    text = request.GET.get(name, "")
    return int(text) if _ID.fullmatch(text) else None
