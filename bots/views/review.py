"""The review desk."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from bots import review
from bots.review_forms import DecisionForm, QueueForm
from portal import moderation
from portal.access import any_number, moderator_only, user_of
from portal.models import ServiceNumber, State

TABS = [State.IN_REVIEW, State.APPROVED, State.SUSPENDED, State.REJECTED]


@require_safe
@moderator_only
def queue(request: HttpRequest) -> HttpResponse:
    form = QueueForm(request.GET)
    state, words, page = form.wanted()
    content = {
        "form": form,
        "queue": review.queue(state, words, page),
        "tabs": [*((each.value, each.label) for each in TABS), (review.ALL, _("all"))],
        "state": state,
        "words": words,
        "page": page,
    }
    return render(request, "bots/review.html", content)


@require_safe
@moderator_only
def detail(request: HttpRequest, app_id: str) -> HttpResponse:
    number = any_number(app_id)
    seen = moderation.version_of(number)  # before anything is read that a decision rests on
    number.refresh_from_db()
    return _page(request, number, DecisionForm(initial={"seen": seen}))


@require_POST
@moderator_only
def decide(request: HttpRequest, app_id: str) -> HttpResponse:
    number = any_number(app_id)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _page(request, number, form, status=422)
    try:
        moderation.move(
            number,
            form.transition,
            actor=user_of(request),
            reason=form.full_reason,
            seen=form.cleaned_data["seen"],
        )
    except moderation.TransitionRefused as refusal:
        messages.error(request, str(refusal))
        again = {name: form.cleaned_data[name] for name in ("rule", "reason")}
        again["seen"] = moderation.version_of(number)
        return _page(request, any_number(app_id), DecisionForm(initial=again), status=409)
    done = _("“%(name)s” is %(state)s now. Its owner is told.")
    messages.success(request, done % {"name": number.name, "state": number.get_state_display()})
    return redirect("review-number", number.app_id)


def _page(
    request: HttpRequest, number: ServiceNumber, form: DecisionForm, status: int = 200
) -> HttpResponse:
    moderator = user_of(request)
    content = {
        "number": number,
        "dossier": review.dossier(number),
        "form": form,
        "is_own": number.owner_id == moderator.pk,
        "next": review.next_for(moderator, number),
    }
    return render(request, "bots/review_number.html", content, status=status)
