"""Following a number, and reading its news."""

import re
from http import HTTPStatus

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from bots import asking, chat_page, followers, news_page
from bots import news as telling
from bots.access import Door, LoginNeeded, chat_door

_SEQ = re.compile(r"\d{1,18}", re.ASCII)


@require_POST
@chat_door
def follow(request: HttpRequest, door: Door) -> HttpResponse:
    """Begin to follow, or with `following` empty end it; sent twice it is done once."""
    if door.user is None:
        raise LoginNeeded
    wanted = bool(request.POST.get("following"))
    if not wanted and door.person:
        followers.unfollow(door.person)
    if wanted:
        try:
            followers.follow(door.number, door.user)
        except followers.NotApproved:
            return _refuse(request, door)
    if not door.is_script:
        return redirect(door.url)
    context = {"door": door, "number": door.number, "follows": wanted}
    return render(request, "bots/chat_follow.html", context)


def _refuse(request: HttpRequest, door: Door) -> HttpResponse:
    refused = asking.Refused.silent()
    if door.is_script:
        template, context = "bots/chat_refusal.html", {"door": door}
    else:
        template, context = "bots/chat.html", chat_page.context(door, chat_page.latest(door))
    return render(request, template, context | {"refused": refused}, status=refused.status)


@require_safe
@chat_door
def news(request: HttpRequest, door: Door) -> HttpResponse:
    given = request.GET.get("before")
    if given is not None and not _SEQ.fullmatch(given):
        raise Http404
    before = None if given is None else int(given)
    return render(request, "bots/chat_news.html", news_page.context(door, before))


@require_POST
@chat_door
def seen(request: HttpRequest, door: Door) -> HttpResponse:
    """The page says up to which message it was seen: looking at it alone changes nothing."""
    given = request.POST.get("seq", "")
    if door.person and _SEQ.fullmatch(given):
        telling.see(door.person, int(given))
    if door.is_script:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return redirect("chat-news", door.number.handle)
