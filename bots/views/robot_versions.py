"""The versions of a number's robot: what changed when, each whole, and the way back to one."""

import re

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from bots import robots
from bots import versions as read
from bots.models import RobotVersion
from bots.views.robot import tell_live, warn_of_model
from portal.access import owner_only, user_of
from portal.models import ServiceNumber
from portal.numbers import EditRefused

_NO = re.compile(r"\d{1,9}", re.ASCII)


def _no(given: str) -> int:
    if not _NO.fullmatch(given):
        raise Http404
    return int(given)


@require_safe
@owner_only
def versions(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    given = request.GET.get("before")
    before = None if given is None else _no(given)
    context = {"number": number, "page": read.page(number, before), "is_first": before is None}
    return render(request, "bots/robot_versions.html", context)


@require_safe
@owner_only
def version(request: HttpRequest, number: ServiceNumber, no: str) -> HttpResponse:
    """One of them, whole, and how it differs from the live one."""
    found = number.versions.select_related("published_by").filter(no=_no(no)).first()
    live = number.versions.live()
    if found is None or live is None:
        raise Http404
    context = {
        "number": number,
        "version": found,
        "live": live,
        "changes": read.changes(live, found),
    }
    return render(request, "bots/robot_version.html", context)


@require_POST
@owner_only
def roll_back(request: HttpRequest, number: ServiceNumber, no: str) -> HttpResponse:
    try:
        live = robots.roll_back(number, _no(no), actor=user_of(request))
    except RobotVersion.DoesNotExist as error:
        raise Http404 from error
    except EditRefused as refusal:
        messages.error(request, str(refusal))
    else:
        sentence = _("What version %(old)s said is live again, as version %(new)s.")
        tell_live(request, number, sentence % {"old": _no(no), "new": live.no})
        warn_of_model(request, live.model, list(number.api_keys.bound()))
    return redirect("robot-versions", number.app_id)
