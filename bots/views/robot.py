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
from portal.access import owner_only, user_of
from portal.models import ServiceNumber
from portal.numbers import EditRefused


@require_http_methods(["GET", "HEAD", "POST"])
@owner_only
def robot(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    bound = list(number.api_keys.bound())
    listed = robots.models_of(bound)
    form = RobotForm(
        robots.robot_of(number, listed), request.POST if request.method == "POST" else None
    )
    if form.is_bound and form.is_valid():
        try:
            saved = robots.save(number, form.cleaned_data, actor=user_of(request))
        except EditRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            _tell(request, number, is_listed=not listed or saved.model in listed)
            return redirect("number-robot", number.app_id)
    shown = {"number": number, "form": form, "models": listed, "has_keys": bool(bound)}
    return render(request, "bots/robot.html", shown)


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
