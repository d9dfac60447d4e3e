"""The draft tried beside the live robot: one question, two answers as they come."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from bots import asking, beside
from bots.models import Message, Robot, RobotDraft
from bots.robot_forms import TrialForm
from portal.access import is_htmx, owner_only
from portal.models import ServiceNumber


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@owner_only
def try_beside(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    live = Robot.objects.filter(number=number).first()
    draft = RobotDraft.objects.filter(number=number).first()
    asked = _asked(request, number)
    form = TrialForm(
        request.POST if request.method == "POST" else None,
        asked=asked[0].message.question if asked else "",
    )
    context = {
        "number": number,
        "form": form,
        "robot": live,
        "draft": draft,
        "live": number.versions.live(),
        "asked": asked,
        "trials_at_most": settings.SANDBOX_ASKS_PER_OWNER_AND_DAY,
    }
    if not (form.is_bound and form.is_valid() and live and draft):
        return render(request, "bots/robot_try.html", context)
    try:
        pair = beside.ask(number, form.cleaned_data["message"], live, draft)
    except asking.Refused as refused:
        form.add_error("message", refused.sentence)
        return _refuse(request, context, refused)
    page = reverse("robot-try", args=[number.app_id])
    return redirect(f"{page}?live={pair.live.pk}&draft={pair.draft.pk}")


def _refuse(request: HttpRequest, context: dict[str, Any], refused: asking.Refused) -> HttpResponse:
    response = render(request, "bots/robot_try.html", context, status=refused.status)
    if refused.retry_after:
        response["Retry-After"] = str(refused.retry_after)
    return response


def _asked(request: HttpRequest, number: ServiceNumber) -> list[beside.Answer]:
    """The two that the address names; Http404 for what is no trial of the number's."""
    names = [request.GET.get(which, "") for which in ("live", "draft")]
    return [beside.answer(_trial(number, name)) for name in names] if any(names) else []


def _trial(number: ServiceNumber, message_id: str) -> Message:
    found = beside.trial(number, message_id)
    if found is None:
        raise Http404
    return found


@never_cache
@require_safe
@owner_only
def trial(request: HttpRequest, number: ServiceNumber, message_id: str) -> HttpResponse:
    """One answer again. 204 while it would look the same: a page that polls stays quiet."""
    found = beside.answer(_trial(number, message_id))
    if not is_htmx(request):
        return redirect("robot-try", number.app_id)
    if found.look == request.GET.get("shown"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    context = {"number": number, "answer": found}
    return render(request, "bots/robot_try_answer.html", context)
