"""The robot of a number: model, prompt, greeting, guests; what is live, and the draft."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from bots import robots, versions
from bots.models import ApiKey, Robot, RobotDraft
from bots.robot_forms import RobotForm
from bots.simulator import behaviours
from portal.access import owner_only, user_of
from portal.models import ServiceNumber
from portal.numbers import EditRefused


@require_http_methods(["GET", "HEAD", "POST"])
@owner_only
def robot(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    bound = list(number.api_keys.bound())
    listed = robots.models_of(bound)
    is_simulated = robots.are_simulated(bound)
    robot = robots.robot_of(number, listed, is_simulated=is_simulated)
    draft = RobotDraft.objects.filter(number=number).select_related("saved_by").first()
    shown = draft if draft and "draft" in request.GET else robot
    form = RobotForm(shown, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            return _keep(request, number, form, bound)
        except EditRefused as refusal:
            form.add_error(None, str(refusal))
    context = {
        "number": number,
        "form": form,
        "models": listed,
        "has_keys": bool(bound),
        "is_simulated": is_simulated,
        "simulated": simulated_models() if is_simulated else [],
        **_around(number, robot, draft),
        "shows_draft": shown is draft,
    }
    return render(request, "bots/robot.html", context)


def _around(number: ServiceNumber, robot: Robot, draft: RobotDraft | None) -> dict[str, Any]:
    """What is live, and what waits beside it."""
    is_live = Robot.objects.filter(number=number).exists()
    return {
        "live": number.versions.select_related("published_by").live(),
        "is_live": is_live,
        "draft": draft,
        "differing": versions.differing(robot, draft) if draft and is_live else [],
    }


def _keep(
    request: HttpRequest, number: ServiceNumber, form: RobotForm, bound: list[ApiKey]
) -> HttpResponse:
    """Live at once, or as the draft, whichever button was pressed."""
    actor = user_of(request)
    page = reverse("number-robot", args=[number.app_id])
    if request.POST.get("as") == "draft":
        robots.keep_draft(number, form.wanted, actor=actor, note=form.why)
        messages.success(request, _("The draft is saved. People still get the live version."))
        return redirect(f"{page}?draft")
    saved = robots.save(number, form.wanted, actor=actor, note=form.why)
    tell_live(request, number, _("The robot is saved."))
    warn_of_model(request, saved.model, bound)
    return redirect(page)


def simulated_models() -> list[tuple[str, str]]:
    """The simulator's models, each with what it does, in the reader's language."""
    return [(name, _(sentence)) for name, sentence in behaviours.catalogue().items()]


def tell_live(request: HttpRequest, number: ServiceNumber, sentence: str) -> None:
    link = format_html(
        '{} <a class="alert-link" href="{}">{}</a>',
        sentence,
        reverse("chat", args=[number.handle]),
        _("Try it in the chat"),
    )
    messages.success(request, link)


def warn_of_model(request: HttpRequest, model: str, bound: list[ApiKey]) -> None:
    if not robots.is_listed(bound, model):
        messages.warning(
            request,
            _("None of your API keys lists this model. Look at their verdicts in a moment."),
        )


@require_POST
@owner_only
def publish(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    """The draft is live, in one click."""

    def do() -> None:
        seen = request.POST.get("seen", "")
        version = robots.publish_draft(number, seen, actor=user_of(request))
        sentence = _("Version %(no)d is live.") % {"no": version.no}
        tell_live(request, number, sentence)
        warn_of_model(request, version.model, list(number.api_keys.bound()))

    return _unless_refused(request, number, do)


@require_POST
@owner_only
def discard(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    def do() -> None:
        robots.discard_draft(number, request.POST.get("seen", ""))
        messages.success(request, _("The draft is thrown away. The live version is what it was."))

    return _unless_refused(request, number, do)


def _unless_refused(
    request: HttpRequest, number: ServiceNumber, do: Callable[[], None]
) -> HttpResponse:
    """Back to the page, where it is said why nothing was done."""
    try:
        do()
    except (EditRefused, robots.DraftRefused) as refusal:
        messages.error(request, str(refusal))
    return redirect("number-robot", number.app_id)
