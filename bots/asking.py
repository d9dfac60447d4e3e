"""Asking from the page: who asks, within which quotas, and what a refusal says."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _

from bots import chat, people, quotas
from bots.access import Door
from bots.chat_forms import AskForm
from bots.models import Message

SOON_SECONDS = 5


class Refused(Exception):
    """Why nothing was asked, as the person reads it."""

    def __init__(
        self, sentence: str, status: int, *, retry_after: int = 0, login_helps: bool = False
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.retry_after = retry_after
        self.login_helps = login_helps

    @classmethod
    def by(cls, form: AskForm) -> "Refused":
        """The first of the form's errors; those of hidden fields mean a page out of date."""
        errors = form.errors.get("message")
        return cls(str(errors[0]) if errors else _("Reload the page, then send it again."), 400)


@dataclass(frozen=True)
class Accepted:
    message: Message
    guest: str

    def remember_guest(self, response: HttpResponse) -> None:
        if self.guest:
            people.remember(response, self.guest)


def ask(door: Door, asked: dict[str, Any]) -> Accepted:
    """Hand the question over; raises Refused, and Http404 for a foreign conversation."""
    if not door.may_ask:
        raise Refused(_("This service number does not answer at present."), 409)
    conversation = door.conversation(asked["conversation"]) if asked["conversation"] else None
    guest = "" if door.user else door.guest or people.guest_from(asked["seed"])
    open_id = _open_id(door, guest)
    question = chat.Question(
        number=door.number,
        open_id=open_id,
        text=asked["message"],
        channel=door.channel(conversation),
        conversation_id=conversation.pk if conversation else None,
        idempotency_key=f"web:{open_id}:{asked['key']}" if asked["key"] else "",
        new_conversation=conversation is None,
        vouched=True,
    )
    return Accepted(_accepted(question, _limits(door, open_id)), guest)


def _open_id(door: Door, guest: str) -> str:
    if door.user:
        return people.of_user(door.number, door.user).open_id
    return people.guest_open_id(door.number, guest)


def _limits(door: Door, open_id: str) -> list[quotas.Limit]:
    """Guests cost their number's owner money: so many each, and so many at one address."""
    if door.user:
        return []
    address = door.request.META.get("REMOTE_ADDR", "")
    return [
        quotas.Limit(f"guest:{open_id}", settings.GUEST_ASKS_PER_DAY),
        quotas.Limit(f"address:{address}", settings.GUEST_ASKS_PER_ADDRESS_AND_DAY),
    ]


def _accepted(question: chat.Question, limits: list[quotas.Limit]) -> Message:
    try:
        return quotas.ask(question, *limits)
    except chat.UnknownConversation as error:
        raise Http404 from error
    except chat.TooManyPending as error:
        sentence = _("Too many of your questions wait for an answer. Send this one after the next.")
        raise Refused(sentence, 429, retry_after=SOON_SECONDS) from error
    except chat.IdempotencyConflict as error:
        raise Refused(_("Something else was sent meanwhile. Send this once more."), 409) from error
    except quotas.QuotaUsedUp as error:
        raise _used_up(error, limits) from error


def _used_up(error: quotas.QuotaUsedUp, guest_limits: list[quotas.Limit]) -> Refused:
    """The sentence names the quota that ended it: the reader's own, or one shared with others."""
    limit = error.limit
    if limit in guest_limits[:1]:
        sentence = _(
            "You have used today's %(count)s questions. Sign in for more, or come back tomorrow."
        )
    elif limit in guest_limits:
        sentence = _(
            "Guests in your network have used today's %(count)s questions. Sign in to go on."
        )
    elif ":" in limit.name:
        sentence = _("You have used today's %(count)s questions. Come back tomorrow.")
    else:
        sentence = _("The robot has taken its %(count)s questions of today. Come back tomorrow.")
    return Refused(
        sentence % {"count": limit.at_most},
        429,
        retry_after=error.retry_after,
        login_helps=limit in guest_limits,
    )
