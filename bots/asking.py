"""Asking from the page: who asks, within which quotas, and what a refusal says."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bots import backlog, chat, people, quotas, trials
from bots.access import Door, LoginNeeded
from bots.chat_forms import AskForm
from bots.models import Channel, Conversation, Message
from bots.quotas import Whose
from portal.networks import network_of

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

    @classmethod
    def silent(cls) -> "Refused":
        return cls(_("This service number does not answer at present."), 409)


@dataclass(frozen=True)
class Accepted:
    message: Message
    guest: str

    def remember_guest(self, response: HttpResponse) -> None:
        if self.guest:
            people.remember(response, self.guest)


def ask(door: Door, asked: dict[str, Any]) -> Accepted:
    """Hand the question over; raises Refused, and what `conversation_of` raises."""
    if not door.may_ask:
        raise Refused.silent()
    conversation = conversation_of(door, asked["conversation"])
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
    return Accepted(accept(question, _limits(door, question)), guest)


def conversation_of(door: Door, conversation_id: str) -> Conversation | None:
    """The one to go on with; raises Http404 for a foreign one.

    Raises LoginNeeded where nobody is signed in: at a number that admits guests, too, the owner of
    the conversation may be one whose session has ended.
    """
    if not conversation_id:
        return None
    try:
        return door.conversation(conversation_id)
    except Http404:
        if door.user:
            raise
        raise LoginNeeded from None


def _open_id(door: Door, guest: str) -> str:
    if door.user:
        return people.of_user(door.number, door.user).open_id
    return people.guest_open_id(door.number, guest)


def _limits(door: Door, question: chat.Question) -> list[quotas.Limit]:
    """Guests cost their number's owner money: so many each, and so many at one address.

    An owner's trials count with those of his systems.
    """
    if question.channel == Channel.SANDBOX:
        return [trials.limit_of(door.number)]
    if door.user:
        return []
    network = network_of(door.request.META.get("REMOTE_ADDR", ""))
    return [
        quotas.Limit(Whose.GUEST, question.open_id, settings.GUEST_ASKS_PER_DAY),
        quotas.Limit(Whose.ADDRESS, network, settings.GUEST_ASKS_PER_ADDRESS_AND_DAY),
    ]


def accept(question: chat.Question, limits: list[quotas.Limit]) -> Message:
    """Within the quotas; what stands against it is raised as Refused, in words."""
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
        raise _used_up(error) from error
    except backlog.TooLong as error:
        sentence = _("So many questions wait that yours would wait too long. Try again later.")
        raise Refused(sentence, 503, retry_after=error.retry_after) from error


def _used_up(error: quotas.QuotaUsedUp) -> Refused:
    """The sentence names the quota that ended it: the reader's own, or one shared with others."""
    count = error.limit.at_most
    sentences = {
        Whose.GUEST: ngettext(
            "You have used today's %(count)s question. Sign in for more, or come back tomorrow.",
            "You have used today's %(count)s questions. Sign in for more, or come back tomorrow.",
            count,
        ),
        Whose.ADDRESS: ngettext(
            "Guests in your network have used today's %(count)s question. Sign in to go on.",
            "Guests in your network have used today's %(count)s questions. Sign in to go on.",
            count,
        ),
        Whose.PERSON: ngettext(
            "You have used today's %(count)s question. Come back tomorrow.",
            "You have used today's %(count)s questions. Come back tomorrow.",
            count,
        ),
        Whose.TOKENS: _("You have used up your share of the robot for today. Come back tomorrow."),
        Whose.OWNER: ngettext(
            "You have used today's %(count)s trial of your service numbers. Come back tomorrow.",
            "You have used today's %(count)s trials of your service numbers. Come back tomorrow.",
            count,
        ),
        Whose.NUMBER: ngettext(
            "The robot has taken its %(count)s question of today. Come back tomorrow.",
            "The robot has taken its %(count)s questions of today. Come back tomorrow.",
            count,
        ),
    }
    return Refused(
        sentences[error.limit.whose] % {"count": count},
        429,
        retry_after=error.retry_after,
        login_helps=error.limit.whose in (Whose.GUEST, Whose.ADDRESS),
    )
