"""The IP list of a number, beside the addresses that called lately."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from ddio_api import call_history
from ddio_api.call_history import Seen
from ddio_api.console.address_forms import NetworkForm
from portal import allowed_networks
from portal.access import owner_only, user_of
from portal.models import AllowedNetwork, ServiceNumber, State
from portal.networks import covers
from portal.numbers import EditRefused

SEEN_SHOWN = 20


@dataclass(frozen=True)
class Row:
    """A row of the list, and the address of the last caller that would be shut out without it."""

    row: AllowedNetwork
    shuts_out: Seen | None


@dataclass(frozen=True)
class Sighting:
    """An address that called lately; `is_listed` where a row of the list covers it."""

    seen: Seen
    is_listed: bool
    is_admitted: bool


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@owner_only
def addresses(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    form = NetworkForm(request.POST if request.method == "POST" else None)
    listed = list(number.networks.order_by("pk"))
    seen = call_history.seen_lately(number.pk)
    shut_out = None
    if form.is_bound and form.is_valid():
        given = form.cleaned_data
        shut_out = None if listed else _shut_out([given["network"]], seen)
        is_told = shut_out is None or given["anyway"] == shut_out.address
        if is_told and _add(request, number, form):
            return redirect("number-addresses", number.app_id)
    names = [row.network for row in listed]
    shown = {
        "number": number,
        "form": form,
        "shut_out": shut_out,
        "rows": [Row(row, _shut_out_without(row, names, seen)) for row in listed],
        "seen": [_sighting(each, names) for each in seen[:SEEN_SHOWN]],
        "is_open": number.state != State.CLOSED,
        "trusts_proxies": bool(settings.TRUSTED_PROXIES),
        "own_address": request.META.get("REMOTE_ADDR", ""),
        "networks_at_most": allowed_networks.NETWORKS_AT_MOST,
    }
    return render(request, "ddio_api/addresses.html", shown)


def _add(request: HttpRequest, number: ServiceNumber, form: NetworkForm) -> bool:
    given = form.cleaned_data
    try:
        added = allowed_networks.add(
            number, given["network"], actor=user_of(request), note=given["note"]
        )
    except (allowed_networks.NetworkRefused, EditRefused) as refusal:
        form.add_error("network", str(refusal))
        return False
    sentence = _("%(network)s is on the list: systems there may call.")
    messages.success(request, sentence % {"network": added.network})
    return True


def _sighting(seen: Seen, listed: Sequence[str]) -> Sighting:
    return Sighting(seen, covers(listed, seen.address), _admits(listed, seen.address))


def _admits(listed: Sequence[str], address: str) -> bool:
    return not listed or covers(listed, address)


def _shut_out(listed: Sequence[str], seen: Sequence[Seen]) -> Seen | None:
    """The last caller, if such a list would refuse it from now on."""
    last = seen[0] if seen else None
    return last if last and not _admits(listed, last.address) else None


def _shut_out_without(
    row: AllowedNetwork, listed: Sequence[str], seen: Sequence[Seen]
) -> Seen | None:
    """The last caller, if it is let in by this row alone."""
    if _shut_out(listed, seen):
        return None
    return _shut_out([network for network in listed if network != row.network], seen)


@require_POST
@owner_only
def remove(request: HttpRequest, number: ServiceNumber, network_id: int) -> HttpResponse:
    try:
        removed = allowed_networks.remove(number, network_id, actor=user_of(request))
    except EditRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("number-addresses", number.app_id)
    if removed is None:
        messages.info(request, _("Nothing changed: it had been done before."))
    elif number.networks.exists():
        messages.success(request, _("%(network)s is off the list.") % {"network": removed})
    else:
        sentence = _(
            "%(network)s is off the list, which is empty now: systems may call from everywhere."
        )
        messages.success(request, sentence % {"network": removed})
    return redirect("number-addresses", number.app_id)
