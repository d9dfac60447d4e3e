"""The API keys of a number, and their verdicts."""

import re
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bots import key_table
from bots import keys as bound_keys
from bots.key_forms import BASE_URLS, BindForm, EditForm
from bots.models import ApiKey
from portal.access import is_htmx, owner_only, user_of
from portal.models import ServiceNumber
from portal.numbers import EditRefused

VERDICTS_SHOWN = 20
_ROW_ID = re.compile("[0-9]{1,18}")


def _key(number: ServiceNumber, key_id: str) -> ApiKey:
    try:
        return bound_keys.key_of(number, key_id)
    except ApiKey.DoesNotExist as error:
        raise Http404 from error


@never_cache
@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "HEAD", "POST"])
@owner_only
def keys(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    form = BindForm(number, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        given = form.cleaned_data
        try:
            bound_keys.bind(
                number,
                given["base_url"],
                given["api_key"],
                actor=user_of(request),
                label=given["label"],
            )
        except bound_keys.TooManyKeys:
            sentence = _("No more than %(count)d keys can be bound. Remove one first.")
            form.add_error(None, sentence % {"count": bound_keys.KEYS_AT_MOST})
        except EditRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The key is bound, and its check has begun."))
            return redirect("number-keys", number.app_id)
    shown = {
        "number": number,
        "form": form,
        "rows": key_table.rows(number),
        "base_urls": BASE_URLS,
        "keys_at_most": bound_keys.KEYS_AT_MOST,
        "has_local_model": settings.LOCAL_MODEL,
        "has_simulator": settings.SIMULATOR,
        "next_step": key_table.next_step(number),
        "is_open": form.is_bound or "add" in request.GET,
    }
    return render(request, "bots/keys.html", shown)


@never_cache
@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "HEAD", "POST"])
@owner_only
def edit(request: HttpRequest, number: ServiceNumber, key_id: str) -> HttpResponse:
    key = _key(number, key_id)
    form = EditForm(key, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            bound_keys.edit(key, form.wanted(), actor=user_of(request))
        except bound_keys.KeyNeededAgain:
            form.ask_for_key()
        except bound_keys.BoundAlready as error:
            form.refuse_twin(error.twin)
        except EditRefused as refusal:
            form.add_error(None, str(refusal))
        except ApiKey.DoesNotExist as error:
            raise Http404 from error  # removed meanwhile
        else:
            messages.success(request, _("The key's settings are saved."))
            return redirect("number-keys", number.app_id)
    shown = {
        "number": number,
        "key": key,
        "form": form,
        "base_urls": BASE_URLS,
        "local_model": settings.LOCAL_MODEL_NAME,
        **_history(key, request.GET.get("before", "")),
    }
    return render(request, "bots/key_edit.html", shown)


def _history(key: ApiKey, before: str) -> dict[str, Any]:
    """A page of the key's verdicts, newest first; `older` is where the next one begins."""
    verdicts = key.verdicts.order_by("-pk")
    if _ROW_ID.fullmatch(before):
        verdicts = verdicts.filter(pk__lt=int(before))
    rows = list(verdicts[: VERDICTS_SHOWN + 1])
    older = rows[VERDICTS_SHOWN - 1].pk if len(rows) > VERDICTS_SHOWN else None
    return {"verdicts": rows[:VERDICTS_SHOWN], "older": older, "before": before}


@never_cache
@require_safe
@owner_only
def row(request: HttpRequest, number: ServiceNumber, key_id: str) -> HttpResponse:
    """The table's row again. 204 while it would look the same: a page that polls stays quiet."""
    found = key_table.row(_key(number, key_id))
    if not is_htmx(request):
        return redirect("number-keys", number.app_id)
    if found.is_pending and found.waits_for == request.GET.get("shown", ""):
        return HttpResponse(status=204)
    return _row_alone(request, number, found)


def _row_alone(request: HttpRequest, number: ServiceNumber, found: key_table.Row) -> HttpResponse:
    shown = {"number": number, "row": found, "next_step": key_table.next_step(number)}
    return render(request, "bots/keys_row_alone.html", shown)


@require_POST
@owner_only
def check(request: HttpRequest, number: ServiceNumber, key_id: str) -> HttpResponse:
    key = _key(number, key_id)
    bound_keys.check_again(key, actor=user_of(request))
    if is_htmx(request):
        return _row_alone(request, number, key_table.row(key))
    return redirect("number-keys", number.app_id)


@require_POST
@owner_only
def remove(request: HttpRequest, number: ServiceNumber, key_id: str) -> HttpResponse:
    key = _key(number, key_id)
    bound_keys.remove(key, actor=user_of(request))
    messages.success(request, _("The key is removed, and its stored copy is deleted."))
    return redirect("number-keys", number.app_id)
