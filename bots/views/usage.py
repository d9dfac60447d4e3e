"""What a number's calls have used and cost, and what may be spent."""

import re
from datetime import date

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bots import budget_settings, ledger_entries, months
from bots import usage as spent
from bots.budget_forms import BudgetForm, PriceForm
from bots.models import Channel, Price
from portal.access import owner_only, user_of
from portal.models import ServiceNumber
from portal.numbers import EditRefused

DAYS_SHOWN = 31
_MONTH = re.compile(r"20\d{2}-(0[1-9]|1[0-2])", re.ASCII)
_PLACE = re.compile(r"\d{1,18}", re.ASCII)


def _month(request: HttpRequest) -> date:
    """The one that was asked for; a forged one is this month."""
    text = request.GET.get("month", "")
    is_month = _MONTH.fullmatch(text)
    return date.fromisoformat(f"{text}-01") if is_month else months.month_of(timezone.now())


def _place(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if _PLACE.fullmatch(text) else None


@require_safe
@owner_only
def usage(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    month, days = _month(request), spent.of_last_days(number, DAYS_SHOWN)
    shown = {
        "number": number,
        "month": month,
        "months": spent.months_of(number),
        "usage": spent.of_month(number, month),
        "channels": dict(Channel.choices),
        "days": days,
        "busiest": max(1, *(sums.tokens for sums in days.values())),
        "standing": spent.standing(number.pk),
        "currency": settings.CURRENCY,
    }
    return render(request, "bots/usage.html", shown)


@require_safe
@owner_only
def entries(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    month = _month(request)
    of_month = ledger_entries.Month(number, month)
    view = ledger_entries.look(of_month, _place(request, "before"), _place(request, "after"))
    shown = {"number": number, "month": month, "view": view, "currency": settings.CURRENCY}
    return render(request, "bots/usage_entries.html", shown)


@require_safe
@owner_only
def export(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    month = _month(request)
    of_month = ledger_entries.Month(number, month)
    content = ledger_entries.lines(of_month, settings.CURRENCY)
    response = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
    name = f"usage-{number.app_id}-{month:%Y-%m}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response  # type: ignore[return-value]  # what streams is none by its type


@require_http_methods(["GET", "HEAD", "POST"])
@owner_only
def budget(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    given = request.POST if request.method == "POST" else None
    form = BudgetForm(budget_settings.budget_of(number), given)
    if form.is_bound and form.is_valid():
        try:
            budget_settings.save(number, form.wanted(), actor=user_of(request))
        except EditRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The budget is saved. It holds from the next call on."))
            return redirect("number-budget", number.app_id)
    return _budget_page(request, number, form, PriceForm())


@require_POST
@owner_only
def price(request: HttpRequest, number: ServiceNumber) -> HttpResponse:
    form = PriceForm(request.POST)
    if form.is_valid():
        model = form.cleaned_data["model"]
        try:
            budget_settings.set_price(number, model, form.prices(), actor=user_of(request))
        except budget_settings.TooManyPrices:
            sentence = _("No more than %(count)d models can have a price. Remove one first.")
            form.add_error(None, sentence % {"count": budget_settings.PRICES_AT_MOST})
        except EditRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The price is saved. It holds from the next call on."))
            return redirect("number-budget", number.app_id)
    return _budget_page(request, number, BudgetForm(budget_settings.budget_of(number)), form)


@require_POST
@owner_only
def remove_price(request: HttpRequest, number: ServiceNumber, price_id: int) -> HttpResponse:
    found = Price.objects.filter(number=number, pk=price_id).first()
    if found is None:
        raise Http404
    try:
        budget_settings.remove_price(found, actor=user_of(request))
    except EditRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The price is removed. What was charged stays as it is."))
    return redirect("number-budget", number.app_id)


def _budget_page(
    request: HttpRequest, number: ServiceNumber, form: BudgetForm, price_form: PriceForm
) -> HttpResponse:
    shown = {
        "number": number,
        "form": form,
        "price_form": price_form,
        "prices": number.prices.order_by("model"),
        "models": budget_settings.models_of(number),
        "without_price": budget_settings.without_price(number),
        "currency": settings.CURRENCY,
        "standing": spent.standing(number.pk),
    }
    return render(request, "bots/usage_budget.html", shown)
