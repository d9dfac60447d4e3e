"""The credentials page: appId and appSecrets."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from portal import credentials as secrets
from portal.access import owner_only, user_of
from portal.credential_forms import ResetForm, SecretForm
from portal.models import ServiceNumber, State

DEAD_SHOWN = 10

_DEEDS = {"freeze": secrets.freeze, "thaw": secrets.thaw, "revoke": secrets.revoke}
_DONE = {
    "freeze": gettext_lazy(
        "Frozen: …%(last_four)s and its accessTokens are refused until you thaw it."
    ),
    "thaw": gettext_lazy("Thawed: …%(last_four)s works again."),
    "revoke": gettext_lazy("Revoked: …%(last_four)s and its accessTokens work no more."),
}


@require_safe
@never_cache
@owner_only
def credentials(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    now = timezone.now()
    latest = secrets.latest_generation(number)
    live = number.secrets.live(now).order_by("-generation")
    dead = number.secrets.exclude(pk__in=live.values("pk")).order_by("-generation")
    shown = {
        "number": number,
        "live": live,
        "dead": dead[:DEAD_SHOWN],
        "now": now,
        "form": SecretForm(initial={"after": latest}),
        "reset_form": ResetForm(initial={"after": latest}, auto_id="reset_%s"),
        "is_open": number.state != State.CLOSED,
        "is_full": len(live) >= secrets.LIVE_AT_MOST,
        "live_at_most": secrets.LIVE_AT_MOST,
        "networks": number.networks.count(),
        "curl": _token_call(number),
    }
    return render(request, "portal/number_credentials.html", shown)


def _token_call(number: ServiceNumber) -> str:
    """The secret comes from the shell's environment, not from its history."""
    body = f'{{\\"appID\\": \\"{number.app_id}\\", \\"appSecret\\": \\"$APP_SECRET\\"}}'
    address = settings.SITE_URL + reverse("ddio-token")
    return f"curl {address} -H 'Content-Type: application/json' -d \"{body}\""


@require_POST
@never_cache
@owner_only
def new(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    """The one answer that holds a secret: `no-store`, and not behind an address of its own."""
    form = ResetForm(request.POST) if "reset" in request.POST else SecretForm(request.POST)
    try:
        issued = form.issue(number, user_of(request))
    except secrets.SecretRefused as error:
        messages.error(request, str(error))
        return redirect("number-credentials", number.app_id)
    older = number.secrets.live().exclude(pk=issued.row.pk).order_by("-generation")
    shown = {"number": number, "secret": issued.clear, "older": older}
    return render(request, "portal/secret_shown.html", shown)


@require_POST
@owner_only
def change(request: HttpRequest, number: ServiceNumber, generation: int, deed: str) -> HttpResponse:
    if deed not in _DEEDS:
        raise Http404
    secret = get_object_or_404(number.secrets, generation=generation)
    if _DEEDS[deed](secret, actor=user_of(request)):
        messages.success(request, _DONE[deed] % {"last_four": secret.last_four})
    else:
        messages.info(request, _("Nothing changed: it had been done before."))
    return redirect("number-credentials", number.app_id)
