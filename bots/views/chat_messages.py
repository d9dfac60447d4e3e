"""The chat page's messages: ask, follow, stop, rate."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from bots import asking, chat_page, chat_stream, open_streams, ratings, settlement
from bots.access import Door, chat_door
from bots.chat_forms import AskForm, RatingForm
from bots.following import Place
from bots.models import Conversation, Message
from portal.hold import HeldStream
from portal.slots import COME_AGAIN_SECONDS


@require_POST
@chat_door
def ask(request: HttpRequest, door: Door) -> HttpResponse:
    form = AskForm(request.POST)
    if not form.is_valid():
        return _refuse_question(request, door, form, asking.Refused.by(form))
    try:
        accepted = asking.ask(door, form.cleaned_data)
    except asking.Refused as refused:
        form.add_error("message", refused.sentence)
        return _refuse_question(request, door, form, refused)
    response = _one(request, door, accepted.message, "bots/chat_asked.html")
    accepted.remember_guest(response)
    return response


def _refuse_question(
    request: HttpRequest, door: Door, form: AskForm, refused: asking.Refused
) -> HttpResponse:
    """With the page as it was, where there is no script that keeps what was typed."""
    current = "" if door.is_script else form.cleaned_data.get("conversation") or ""
    return _refuse(request, door, refused, asking.conversation_of(door, current), form)


def _refuse(
    request: HttpRequest,
    door: Door,
    refused: asking.Refused,
    shown: Conversation | None,
    form: AskForm | None = None,
) -> HttpResponse:
    """The reason: alone for the script, or with the page around it."""
    if door.is_script:
        template, context = "bots/chat_refusal.html", {"door": door, "refused": refused}
    else:
        template, context = "bots/chat.html", chat_page.context(door, shown, form=form)
        context["refused"] = refused
    response = render(request, template, context, status=refused.status)
    if refused.retry_after:
        response["Retry-After"] = str(refused.retry_after)
    return response


def _one(
    request: HttpRequest, door: Door, message: Message, template: str = "bots/chat_message.html"
) -> HttpResponse:
    """The message as a fragment for the script; otherwise the page, at that message."""
    if not door.is_script:
        where = {"Location": _page_of(door, message)}
        return HttpResponse(status=HTTPStatus.SEE_OTHER, headers=where)
    context = {"door": door, "number": door.number, "each": chat_page.show(message)}
    return render(request, template, context)


def _page_of(door: Door, message: Message) -> str:
    page = reverse("chat-conversation", args=[door.number.handle, message.conversation_id])
    return f"{page}#{message.pk}"


@require_safe
@chat_door
def message(request: HttpRequest, door: Door, message_id: str) -> HttpResponse:
    return _one(request, door, door.message(message_id))


@require_safe
@chat_door
def stream(request: HttpRequest, door: Door, message_id: str) -> HttpResponse:
    found = door.message(message_id)
    place = Place.parse(request.headers.get("Last-Event-ID") or request.GET.get("from", ""))
    if place.ended:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    slots = open_streams.slots(found.person_id, request.META.get("REMOTE_ADDR", ""))
    if slots.are_full():
        wait = {"Retry-After": str(COME_AGAIN_SECONDS)}
        return HttpResponse(status=HTTPStatus.TOO_MANY_REQUESTS, headers=wait)
    return HeldStream(lambda: slots.counted(chat_stream.chunks(door, found.pk, place)))


@require_POST
@chat_door
def stop(request: HttpRequest, door: Door, message_id: str) -> HttpResponse:
    """What was said is kept. An answer that was settled meanwhile stays as it is."""
    found = door.message(message_id)
    settlement.cancel(found)
    found.refresh_from_db()
    return _one(request, door, found)


@require_POST
@chat_door
def rate(request: HttpRequest, door: Door, message_id: str) -> HttpResponse:
    found = door.message(message_id)
    form = RatingForm(request.POST, auto_id=f"{message_id}-%s")
    if not door.may_ask:
        return _refuse(request, door, asking.Refused.silent(), found.conversation)
    if not ratings.is_rateable(found):
        return _refuse_rating(request, door, found)
    if not form.is_valid():
        context = {"door": door, "number": door.number, "each": chat_page.show(found, form)}
        return render(request, "bots/chat_rating.html", context, status=HTTPStatus.BAD_REQUEST)
    try:
        ratings.rate(found, form.cleaned_data["rating"], form.cleaned_data["comment"])
    except ratings.NotRateable:  # erased meanwhile
        return _refuse_rating(request, door, found)
    return _one(request, door, found, "bots/chat_rating.html")


def _refuse_rating(request: HttpRequest, door: Door, found: Message) -> HttpResponse:
    refused = asking.Refused(_("There is no answer here that can be rated."), 409)
    return _refuse(request, door, refused, found.conversation)
