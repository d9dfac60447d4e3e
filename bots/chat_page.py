"""What the chat page shows of a conversation."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Q
from django.forms import BoundField
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from bots import demo, faults, pending, people, ratings, rendered, robots
from bots.access import Door
from bots.chat_forms import AskForm, RatingForm
from bots.models import Conversation, Message, Robot, Status
from bots.news import Unread

MESSAGES_SHOWN = 50
CONVERSATIONS_SHOWN = 30
# By what the provider called it.
CUT_SHORT = {
    "length": _("The answer has reached its length limit and ends here."),
    "content_filter": _("The provider's content rules end the answer here."),
}


@dataclass(frozen=True)
class Shown:
    """One question with its answer, or with what it waits for."""

    message: Message
    ahead: int = 0
    rating_form: RatingForm | None = None
    budget: rendered.Budget | None = None

    @property
    def is_pending(self) -> bool:
        return not self.message.is_settled

    @cached_property
    def html(self) -> SafeString:
        return rendered.answers.html_of(self.message.answer or "", self.budget)

    @cached_property
    def waiting(self) -> pending.Waiting:
        return pending.waiting(self.message, self.ahead)

    @property
    def fault(self) -> str:
        return faults.sentence(self.message.error_code)

    @property
    def remedy(self) -> faults.Remedy | None:
        return faults.REMEDIES.get(self.message.error_code or 0)

    @property
    def was_stopped(self) -> bool:
        return self.message.status == Status.CANCELLED and self.message.error_code is None

    @property
    def cut_short(self) -> str:
        """Why the answer ends before its end; "" where it is whole."""
        sentence = CUT_SHORT.get(self.message.finish_reason)
        return str(sentence) if sentence else ""

    @property
    def is_rateable(self) -> bool:
        return ratings.is_rateable(self.message)

    @property
    def comment(self) -> BoundField:
        kept = {"comment": self.message.comment}
        form = self.rating_form or RatingForm(initial=kept, auto_id=f"{self.message.pk}-%s")
        return form["comment"]


def show(message: Message, rating_form: RatingForm | None = None) -> Shown:
    ahead = 0 if message.is_settled else pending.ahead_of(message)
    return Shown(message, ahead, rating_form)


def _in_line(messages: Iterable[Message]) -> list[Shown]:
    shown, ahead, budget = [], 0, rendered.Budget()
    for message in messages:
        shown.append(Shown(message, ahead, budget=budget))
        ahead += not message.is_settled
    return shown


def _messages(conversation: Conversation, before: int | None) -> list[Message]:
    """The last ones, or those before a position; one more than is shown says that there are."""
    messages = conversation.messages.order_by("-position")
    if before is not None:
        messages = messages.filter(position__lt=before)
    return list(messages[: MESSAGES_SHOWN + 1])


def _conversations(door: Door, older: Conversation | None) -> list[Conversation]:
    """Newest first, from a conversation on; one more than is shown says that there are."""
    if door.person is None:
        return []
    rows = door.person.conversations.kept().order_by("-last_at", "-pk")
    if older:
        rows = rows.filter(Q(last_at__lt=older.last_at) | Q(last_at=older.last_at, pk__lt=older.pk))
    return list(rows[: CONVERSATIONS_SHOWN + 1])


def latest(door: Door) -> Conversation | None:
    if door.person is None:
        return None
    return door.person.conversations.kept().order_by("-last_at", "-pk").first()


def suggestions(robot: Robot | None) -> list[str]:
    return list(robot.suggested_questions or [])[: robots.SUGGESTIONS_AT_MOST] if robot else []


def context(
    door: Door,
    conversation: Conversation | None,
    *,
    before: int | None = None,
    older: Conversation | None = None,
    form: AskForm | None = None,
) -> dict[str, Any]:
    """Everything that the page's template needs."""
    found = _messages(conversation, before) if conversation else []
    messages = _in_line(reversed(found[:MESSAGES_SHOWN]))
    return {
        **frame(door, older),
        "conversation": conversation,
        "shown": messages,
        "earlier": found[MESSAGES_SHOWN - 1].position if len(found) > MESSAGES_SHOWN else None,
        "is_past": before is not None,
        "is_simulated": door.may_ask and door.number.api_keys.are_simulated(),
        "suggestions": [] if conversation else suggestions(door.robot),
        "form": form or _empty_form(door, conversation),
    }


def frame(door: Door, older: Conversation | None = None) -> dict[str, Any]:
    """What all pages of a number's chat share: its head, and the list beside them."""
    listed = _conversations(door, older)
    return {
        "door": door,
        "number": door.number,
        **_words(door),
        "follows": door.follows,
        "unread": door.inbox.unread() if door.inbox else Unread(),
        "conversations": listed[:CONVERSATIONS_SHOWN],
        "older": listed[CONVERSATIONS_SHOWN - 1] if len(listed) > CONVERSATIONS_SHOWN else None,
    }


def _words(door: Door) -> dict[str, str]:
    """What the number says of itself."""
    greeting = door.robot.greeting if door.robot else ""
    own = {
        "name": door.number.name,
        "introduction": door.number.introduction,
        "greeting": greeting,
    }
    return {name: demo.translated(door.number, text) for name, text in own.items()}


def _empty_form(door: Door, conversation: Conversation | None) -> AskForm:
    is_newcomer = door.user is None and not door.guest
    return AskForm(
        initial={
            "conversation": conversation.pk if conversation else "",
            "key": secrets.token_hex(16),
            "seed": people.new_seed() if is_newcomer else "",
        }
    )
