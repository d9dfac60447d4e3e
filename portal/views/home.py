"""The portal's pages."""

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from portal import accounts
from portal.forms import FirstAdministratorForm
from portal.models import ServiceNumber, State
from portal.numbers import DEMO_HANDLE


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What this is, and where to begin."""
    demo = ServiceNumber.objects.filter(handle=DEMO_HANDLE, state=State.APPROVED)
    shown = {"demo_handle": DEMO_HANDLE if settings.LOCAL_MODEL and demo.exists() else ""}
    return render(request, "portal/home.html", shown)


@never_cache
@require_http_methods(["GET", "POST"])
def first_administrator(request: HttpRequest, token: str) -> HttpResponse:
    """The one-time link of a fresh installation; it is gone once there is an administrator."""
    try:
        accounts.check_link(token)
        form = FirstAdministratorForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            user = accounts.become_first_administrator(
                token, form.cleaned_data["email"], form.cleaned_data["password"]
            )
            backend = "allauth.account.auth_backends.AuthenticationBackend"
            login(request, user, backend=backend)
            UserSession.objects.create_from_request(request)  # allauth's list of sessions
            messages.success(
                request,
                _(
                    "You are administrator and moderator now. Review is in the bar above;"
                    " Administration is in the menu under your address."
                ),
            )
            return redirect("home")
    except accounts.LinkUsedUp as error:
        raise Http404 from error
    return render(request, "portal/first_administrator.html", {"form": form})
