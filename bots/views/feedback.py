"""The feedback results of a number, readable."""

import re
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bots import feed
from bots.feedback_command import curl_line
from bots.feedback_forms import FilterForm
from portal.access import owner_only
from portal.models import ServiceNumber

_SEQ = re.compile(r"\d{1,18}", re.ASCII)


@require_safe
@owner_only
def feedback(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    form = FilterForm(request.GET)
    if not form.is_valid():
        return render(request, "bots/feedback.html", {"number": number, "form": form})
    wanted = feed.Look(
        number.pk,
        before=_place(request, "before"),
        after=_place(request, "after"),
        filters=form.filters(),
    )
    view = feed.look(wanted)
    shown = {
        "number": number,
        "form": form,
        "view": view,
        "is_filtered": wanted.is_filtered,
        "walk_at_most": feed.WALK_AT_MOST,
        "query": urlencode(form.given()),
        "command": curl_line(view, form.given()),
    }
    return render(request, "bots/feedback.html", shown)


def _place(request: HttpRequest, name: str) -> int | None:
    """The `seq` that the reader came from; a forged one is none at all."""
    text = request.GET.get(name, "")
    return int(text) if _SEQ.fullmatch(text) else None
