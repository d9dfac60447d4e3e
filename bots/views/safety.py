"""The safety filter of a number: its words, the provider's moderation, and what was blocked."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from bots import blocked, safety_lists, safety_own
from bots.models import Robot
from bots.safety_forms import SafetyForm
from portal.access import owner_only, user_of
from portal.models import ServiceNumber
from portal.numbers import EditRefused


@require_http_methods(["GET", "HEAD", "POST"])
@owner_only
def safety(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    robot = Robot.objects.filter(number=number).first()
    shown = {"number": number, "robot": robot, "digest": blocked.digest(number)}
    if robot is None:
        return render(request, "bots/safety.html", shown)
    data = request.POST if request.method == "POST" else None
    words = safety_own.text_of(number)
    form = SafetyForm(words, moderated=robot.moderated, data=data)
    if form.is_bound and form.is_valid():
        try:
            safety_own.save(number, form.cleaned_data, actor=user_of(request))
        except EditRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            count = len(safety_lists.lines(form.cleaned_data["words"]))
            sentence = _("The safety filter is saved. Words on your list: %(count)d.")
            messages.success(request, sentence % {"count": count})
            return redirect("number-safety", number.app_id)
    return render(request, "bots/safety.html", shown | {"form": form})
