"""The robot of a number: model, prompt, greeting, guests."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from bots import robots
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
    form = RobotForm(robot, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            saved = robots.save(number, form.cleaned_data, actor=user_of(request))
        except EditRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            is_fine = is_simulated or not listed or saved.model in listed
            _tell(request, number, is_listed=is_fine)
            return redirect("number-robot", number.app_id)
    shown = {
        "number": number,
        "form": form,
        "models": listed,
        "has_keys": bool(bound),
        "is_simulated": is_simulated,
        "simulated": simulated_models() if is_simulated else [],
    }
    return render(request, "bots/robot.html", shown)


def simulated_models() -> list[tuple[str, str]]:
    """The simulator's models, each with what it does, in the reader's language."""
    return [(name, _(sentence)) for name, sentence in behaviours.catalogue().items()]


def _tell(request: HttpRequest, number: ServiceNumber, *, is_listed: bool) -> None:
    link = format_html(
        '{} <a class="alert-link" href="{}">{}</a>',
        _("The robot is saved."),
        reverse("chat", args=[number.handle]),
        _("Try it in the chat"),
    )
    messages.success(request, link)
    if not is_listed:
        messages.warning(
            request,
            _("None of your API keys lists this model. Look at their verdicts in a moment."),
        )
