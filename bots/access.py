"""The only doors to a person's conversations and messages on the web.

What is somebody else's and what does not exist answer alike: 404.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth import get_user
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache

from bots import news, people
from bots.models import Channel, Conversation, Message, Person, Robot
from portal.access import is_htmx
from portal.models import ServiceNumber, State, User

Rest = ParamSpec("Rest")

NOT_PUBLIC = (State.DRAFT, State.IN_REVIEW, State.REJECTED)
_NAME = re.compile("[A-Za-z0-9_-]{1,40}")


class LoginNeeded(Exception):
    """Nobody is signed in, and what is wanted is there only for somebody who is."""


@dataclass(frozen=True)
class Door:
    """Somebody at the chat of a number: who it is, and what may be done there."""

    request: HttpRequest
    number: ServiceNumber
    user: User | None
    guest: str

    @cached_property
    def robot(self) -> Robot | None:
        return getattr(self.number, "robot", None)

    @cached_property
    def person(self) -> Person | None:
        return people.known(self.number, self.user, self.guest)

    @cached_property
    def inbox(self) -> news.Inbox | None:
        return news.Inbox(self.person) if self.person else None

    @property
    def follows(self) -> bool:
        return self.inbox is not None and self.inbox.followed_from is not None

    @property
    def is_owner(self) -> bool:
        return self.user is not None and self.number.owner_id == self.user.pk

    @property
    def is_public(self) -> bool:
        return self.number.answers_people

    @property
    def may_ask(self) -> bool:
        return self.is_public or (self.is_owner and self.number.state in NOT_PUBLIC)

    @property
    def url(self) -> str:
        return reverse("chat", args=[self.number.handle])

    @property
    def is_script(self) -> bool:
        return is_htmx(self.request)

    def channel(self, conversation: Conversation | None) -> str:
        """A trial of the owner's stays one, even after the number was approved."""
        if conversation and conversation.channel == Channel.SANDBOX:
            return Channel.SANDBOX
        return Channel.WEB if self.is_public else Channel.SANDBOX

    def conversation(self, conversation_id: str) -> Conversation:
        """The person's own; Http404 for any other."""
        if self.person and _NAME.fullmatch(conversation_id):
            found = self.person.conversations.kept().filter(pk=conversation_id).first()
            if found:
                return found
        raise Http404

    def message(self, message_id: str) -> Message:
        """The person's own; Http404 for any other."""
        if self.person and _NAME.fullmatch(message_id):
            kept = self.person.messages.filter(conversation__erased_at=None)
            found = kept.filter(pk=message_id).first()
            if found:
                return found
        raise Http404

    def is_still_open(self) -> bool:
        """Whether who came through is still let in: the session, the account, the number's state.

        For those who stay: a stream asks this again at each look.
        """
        try:
            again = _entered(self.request, self.number.handle, _user_again(self), self.guest)
        except (Http404, LoginNeeded):
            return False
        return again.may_ask and bool(again.user) == bool(self.user)


def _user_again(door: Door) -> User | None:
    """Who the session names now; None where it has ended or the account is disabled."""
    if door.user is None:
        return None
    session = door.request.session
    asked = HttpRequest()
    asked.session = type(session)(session.session_key)
    found = get_user(asked)
    return found if isinstance(found, User) and found.pk == door.user.pk else None


def enter(request: HttpRequest, handle: str) -> Door:
    """Raises Http404 where nothing may be seen, LoginNeeded where signing in would help."""
    user = request.user if isinstance(request.user, User) else None
    return _entered(request, handle, user, people.guest_of(request))


def _entered(request: HttpRequest, handle: str, user: User | None, guest: str) -> Door:
    numbers = ServiceNumber.objects.select_related("robot")
    number = numbers.filter(handle=handle).first() if _NAME.fullmatch(handle) else None
    if number is None:
        raise Http404
    door = Door(request, number, user, guest)
    if door.is_owner:
        return door
    if not door.is_public:
        _refuse_newcomers(door)
    elif user is None and not (door.robot and door.robot.guests_allowed):
        raise LoginNeeded
    return door


def _refuse_newcomers(door: Door) -> None:
    """A number that is silent now may be read by those who talked with it, or heard from it."""
    was_here = (
        door.person
        and door.inbox
        and (door.person.conversations.kept().exists() or door.inbox.is_in_use)
    )
    if door.number.state in NOT_PUBLIC or not was_here:
        raise Http404


def chat_door(
    view: Callable[Concatenate[HttpRequest, Door, Rest], HttpResponse],
) -> Callable[..., HttpResponse]:
    """The view gets the door that its `handle` names, if it opens for who asks.

    It may raise LoginNeeded, too.
    """

    @never_cache
    @functools.wraps(view)
    def guarded(request: HttpRequest, handle: str, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, enter(request, handle), *args, **kwargs)
        except LoginNeeded:
            return _to_login(request, handle)

    return guarded


def _to_login(request: HttpRequest, handle: str) -> HttpResponse:
    """To the login and back; a script gets the way there as words, so that typed text stays."""
    back = request.get_full_path() if request.method == "GET" else reverse("chat", args=[handle])
    if not is_htmx(request):
        return redirect_to_login(back)
    context = {"next": reverse("chat", args=[handle]), "needs_login": True}
    return render(request, "bots/chat_refusal.html", context, status=401)
