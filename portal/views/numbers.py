"""Creating a service number, and its profile."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from portal import moderation, numbers
from portal.access import owner_only, user_of
from portal.categories import category_label
from portal.models import ServiceNumber
from portal.number_forms import CloseForm, NewNumberForm, ProfileForm

_MOVED = {
    "submit": gettext_lazy("Submitted for review. A moderator will decide, and you will be told."),
    "withdraw": gettext_lazy("Withdrawn: it is a draft again, and you may change everything."),
    "close": gettext_lazy("Closed. It answers nobody any more."),
}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = NewNumberForm()
    if request.method == "POST":
        form = NewNumberForm(request.POST, request.FILES)
        number = form.create(user_of(request)) if form.is_valid() else None
        if number:
            messages.success(request, _("%(name)s is created.") % {"name": number.name})
            return redirect("number", number.app_id)
    return render(request, "portal/number_new.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@owner_only
def profile(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    form = ProfileForm(number)
    if request.method == "POST":
        form = ProfileForm(number, request.POST, request.FILES)
        if form.is_valid() and form.save(user_of(request)):
            said = _MOVED["submit"] if form.submits else _("The profile is saved.")
            messages.success(request, str(said))
            return redirect("number-profile", number.app_id)
    shown = {
        "number": number,
        "form": form,
        "editable": numbers.editable(number),
        "category": category_label(number.category),
        "may_submit": number.state in moderation.SUBMIT.origins,
    }
    return render(request, "portal/number_profile.html", shown)


@require_POST
@owner_only
def move(request: HttpRequest, number: ServiceNumber, transition: str) -> HttpResponse:
    """What an owner may do with the state; the rest is the review desk's."""
    if transition not in _MOVED:
        raise Http404
    owner = user_of(request)
    try:
        if transition == "submit":
            numbers.submit(number, actor=owner)
        elif transition == "withdraw":
            moderation.move(number, moderation.WITHDRAW, actor=owner)
        else:
            CloseForm(request.POST).close(number, owner)
        messages.success(request, str(_MOVED[transition]))
    except moderation.TransitionRefused as error:
        messages.error(request, str(error))
    came_from_overview = request.POST.get("back") == "overview"
    return redirect("number" if came_from_overview else "number-profile", number.app_id)
