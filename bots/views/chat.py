"""The chat page of a number."""

import re

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bots import chat_page, news_page
from bots.access import Door, chat_door
from bots.models import Conversation

_POSITION = re.compile(r"\d{1,9}", re.ASCII)


@require_safe
@chat_door
def chat(request: HttpRequest, door: Door) -> HttpResponse:
    """The latest conversation, or an empty composer for a new one; and the newest unread news."""
    shown = None if "new" in request.GET else chat_page.latest(door)
    return _page(request, door, shown, shows_news=True)


@require_safe
@chat_door
def conversation(request: HttpRequest, door: Door, conversation_id: str) -> HttpResponse:
    return _page(request, door, door.conversation(conversation_id))


def _page(
    request: HttpRequest, door: Door, shown: Conversation | None, *, shows_news: bool = False
) -> HttpResponse:
    """The page, or for its script the parts that another tab may have changed."""
    older = request.GET.get("older")
    context = chat_page.context(
        door,
        shown,
        before=_before(request),
        older=door.conversation(older) if older else None,
    )
    if shows_news and not context["is_past"]:
        context["card"] = news_page.card(context["unread"])
    template = "bots/chat_parts.html" if door.is_script else "bots/chat.html"
    return render(request, template, context)


def _before(request: HttpRequest) -> int | None:
    given = request.GET.get("before")
    if given is None:
        return None
    if not _POSITION.fullmatch(given):
        raise Http404
    return int(given)
