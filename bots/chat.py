"""Asking: the one way into the pipeline, for every channel.

The question, its pending answer and the caller's idempotency key are written in one transaction;
the nudge comes after the commit and may fail (rule 1).
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from bots.models import Conversation, IdempotencyKey, Message, Person, Prompt
from bots.models.chat import UNSETTLED
from portal import nudges
from portal.models import ServiceNumber

IDEMPOTENCY_KEPT = timedelta(hours=24)
PROMPT_KEPT = timedelta(hours=1)
TITLE_LENGTH = 60
PLATFORM_PREFIX = "o_"
QUESTION_LENGTH_AT_MOST = 16_000
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL refuses both; every door does


class UnknownPerson(Exception):
    """An `o_…` name that the platform never gave out: callers may not invent them."""


class UnknownConversation(Exception):
    """No such conversation of this person with this number."""


class TooManyPending(Exception):
    """The person has as many unanswered questions as are allowed at once."""


class IdempotencyConflict(Exception):
    """The key was used before, with another request."""


@dataclass(frozen=True)
class Given:
    """What a caller brings along instead of a conversation; see the model Prompt.

    `request` is all that he sent, in one spelling: it is compared for a repeated key.
    """

    turns: list[dict[str, str]]
    params: dict[str, Any] = field(default_factory=dict)
    request: str = ""


@dataclass(frozen=True)
class Question:
    """One ask, as every door hands it over.

    Without a conversation the latest open one goes on, or with `new_conversation` one begins.
    What is `given` makes a conversation of its own, which goes on only where it is named.
    `vouched`: the platform itself made this openID, so a newcomer by it is let in.
    """

    number: ServiceNumber
    open_id: str
    text: str
    channel: str
    conversation_id: str | None = None
    idempotency_key: str = ""
    new_conversation: bool = False
    vouched: bool = False
    given: Given | None = None

    @property
    def digest(self) -> str:
        """What must be equal for a repeated key: person, message and conversation, or all."""
        content: list[str | bool | None] = [self.open_id, self.text, self.conversation_id]
        if self.new_conversation:
            content.append(True)
        if self.given:
            content.append(self.given.request)
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def ask(question: Question) -> Message:
    """Accept the question and return its message, or the earlier one of the same idempotency key.

    Raises UnknownPerson, UnknownConversation, TooManyPending, IdempotencyConflict; then nothing
    was written, the key included.
    """
    try:
        return _accept(question)
    except IntegrityError:
        if not question.idempotency_key:
            raise
        return _accept(question)  # a twin took the key meanwhile: this time it is found


@transaction.atomic
def _accept(question: Question) -> Message:
    person = _locked_person(question)
    earlier = replayed(question)
    if earlier:
        return earlier
    pending = person.messages.unsettled()[: settings.PENDING_PER_PERSON]
    if len(pending) >= settings.PENDING_PER_PERSON:
        raise TooManyPending
    message = _write(question, person, _conversation(question, person))
    transaction.on_commit(lambda: nudges.nudge("bots.tasks.answer", message.pk))
    message.is_new = True
    return message


def replayed(question: Question) -> Message | None:
    """The earlier message of the question's idempotency key; raises IdempotencyConflict."""
    if not question.idempotency_key:
        return None
    kept = IdempotencyKey.objects.filter(number=question.number, key=question.idempotency_key)
    fresh = kept.filter(created_at__gt=timezone.now() - IDEMPOTENCY_KEPT)
    found = fresh.select_related("message__person").first()
    if found is None:
        return None
    if found.digest != question.digest:
        raise IdempotencyConflict
    return found.message


def _locked_person(question: Question) -> Person:
    """The person's row, locked: one person's questions are accepted one after the other."""
    people = Person.objects.filter(number=question.number, open_id=question.open_id)
    if not people.exists():
        if question.open_id.startswith(PLATFORM_PREFIX) and not question.vouched:
            raise UnknownPerson
        newcomer = Person(number=question.number, open_id=question.open_id)
        Person.objects.bulk_create([newcomer], ignore_conflicts=True)
    return people.select_for_update(no_key=True).get()


def _conversation(question: Question, person: Person) -> Conversation:
    if question.conversation_id:
        theirs = person.conversations.kept().filter(pk=question.conversation_id).first()
        if theirs is None:
            raise UnknownConversation
        return theirs
    going_on = person.conversations.kept().filter(closed_at=None).order_by("-last_at", "-pk")
    latest = None if question.new_conversation or question.given else going_on.first()
    return latest or Conversation.objects.create(
        number=question.number,
        person=person,
        channel=question.channel,
        title=" ".join(question.text.split())[:TITLE_LENGTH],
        closed_at=timezone.now() if question.given else None,
    )


def _write(question: Question, person: Person, conversation: Conversation) -> Message:
    now = timezone.now()
    conversation.length += 1
    conversation.last_at = now
    conversation.save(update_fields=["length", "last_at"])
    message = Message.objects.create(
        number=question.number,
        person=person,
        conversation=conversation,
        position=conversation.length,
        channel=question.channel,
        question=question.text,
        asked_at=now,
        due_at=now + timedelta(seconds=settings.NUDGE_AGAIN_SECONDS),
    )
    if question.given:
        turns, params = question.given.turns, question.given.params
        Prompt.objects.create(message=message, turns=turns, params=params)
    if question.idempotency_key:
        same = {"number": question.number, "key": question.idempotency_key}
        stale = IdempotencyKey.objects.filter(created_at__lte=now - IDEMPOTENCY_KEPT, **same)
        stale.delete()
        IdempotencyKey.objects.create(digest=question.digest, message=message, **same)
    return message


def forget_prompts(limit: int = 10_000) -> None:
    """What callers gave is of no use once it is answered; the question itself stays."""
    settled = Prompt.objects.exclude(message__status__in=UNSETTLED)
    old = settled.filter(message__answered_at__lte=timezone.now() - PROMPT_KEPT)
    Prompt.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()


def forget_idempotency_keys() -> None:
    cutoff = timezone.now() - IDEMPOTENCY_KEPT
    IdempotencyKey.objects.filter(created_at__lte=cutoff).delete()
