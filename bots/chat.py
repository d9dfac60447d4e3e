"""Asking: the one way into the pipeline, for every channel.

The question, its pending answer and the caller's idempotency key are written in one transaction;
the nudge comes after the commit and may fail (rule 1).
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from bots.line import Waiting
from bots.models import Conversation, IdempotencyKey, Message, Person, Prompt
from bots.models.chat import UNSETTLED
from portal import nudges, statements
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

    `request` is all that he sent, in one spelling: it is compared for a repeated key. `robot` is
    what answers instead of the number's live one.
    """

    turns: list[dict[str, str]]
    params: dict[str, Any] = field(default_factory=dict)
    request: str = ""
    robot: dict[str, Any] | None = None


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
    person_id = _locked_person(question)
    earlier = replayed(question)
    if earlier:
        return earlier
    now = timezone.now()
    message = _write(question, person_id, _place(question, person_id, now), now)
    waiting = Waiting(message.pk, message.number_id)
    transaction.on_commit(lambda: nudges.nudge("bots.tasks.answer", waiting))
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


_PERSON = "SELECT id FROM bots_person WHERE number_id = %s AND open_id = %s {lock}"


def _locked_person(question: Question) -> int:
    """The person, locked: one person's questions are accepted one after the other."""
    of_number = [question.number.pk, question.open_id]
    statement = _PERSON.format(lock=statements.locked())
    found = statements.rows(statement, of_number)
    if not found:
        if question.open_id.startswith(PLATFORM_PREFIX) and not question.vouched:
            raise UnknownPerson
        newcomer = Person(number=question.number, open_id=question.open_id)
        Person.objects.bulk_create([newcomer], ignore_conflicts=True)
        found = statements.rows(statement, of_number)
    return int(found[0][0])


class _Place(NamedTuple):
    """Where a question goes: the conversation, and which of its questions it is."""

    conversation_id: str
    position: int
    pending: int = 0


# In one statement: the conversation is made longer, and says how many questions of the person wait.
_LENGTHEN = """UPDATE bots_conversation SET length = length + 1, last_at = %s WHERE id = {which}
    RETURNING id, length, (SELECT COUNT(*) FROM (SELECT 1 FROM bots_message
        WHERE person_id = %s AND status IN ('queued', 'running') LIMIT %s) AS pending)"""
_NAMED = """(SELECT id FROM bots_conversation
    WHERE id = %s AND person_id = %s AND erased_at IS NULL)"""
_LATEST = """(SELECT id FROM bots_conversation
    WHERE person_id = %s AND erased_at IS NULL AND closed_at IS NULL
    ORDER BY last_at DESC, id DESC LIMIT 1)"""


def _place(question: Question, person_id: int, now: datetime) -> _Place:
    """A place in the conversation that goes on, or in a new one; raises TooManyPending."""
    at = statements.moment(now)
    pending = [person_id, settings.PENDING_PER_PERSON]
    found: list[tuple[Any, ...]] = []
    if question.conversation_id:
        named = [at, question.conversation_id, person_id, *pending]
        found = statements.rows(_LENGTHEN.format(which=_NAMED), named)
        if not found:
            raise UnknownConversation
    elif not question.new_conversation and not question.given:
        latest = [at, person_id, *pending]
        found = statements.rows(_LENGTHEN.format(which=_LATEST), latest)
    place = _Place(*found[0]) if found else _new_conversation(question, person_id, now)
    if place.pending >= settings.PENDING_PER_PERSON:
        raise TooManyPending
    return place


def _new_conversation(question: Question, person_id: int, now: datetime) -> _Place:
    unsettled = Message.objects.unsettled().filter(person=person_id)
    conversation = Conversation.objects.create(
        number=question.number,
        person_id=person_id,
        channel=question.channel,
        title=" ".join(question.text.split())[:TITLE_LENGTH],
        started_at=now,
        last_at=now,
        closed_at=now if question.given else None,
        length=1,
    )
    pending = unsettled.values_list("pk")[: settings.PENDING_PER_PERSON]
    return _Place(conversation.pk, 1, len(pending))


# What it does not name has its database's default or is null.
_ACCEPT = """INSERT INTO bots_message (id, number_id, person_id, conversation_id, position, channel,
    question, asked_at, due_at, status, attempt, model, rating, comment, claimed_by)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'queued', 0, '', '', '', '')"""


def _write(question: Question, person_id: int, place: _Place, now: datetime) -> Message:
    message = Message(
        number=question.number,
        person_id=person_id,
        conversation_id=place.conversation_id,
        position=place.position,
        channel=question.channel,
        question=question.text,
        asked_at=now,
        due_at=now + timedelta(seconds=settings.NUDGE_AGAIN_SECONDS),
    )
    statements.run_each(_ACCEPT, [_accepted_row(message)])
    if question.given:
        given = question.given
        Prompt.objects.create(
            message=message, turns=given.turns, params=given.params, robot=given.robot
        )
    if question.idempotency_key:
        same = {"number": question.number, "key": question.idempotency_key}
        stale = IdempotencyKey.objects.filter(created_at__lte=now - IDEMPOTENCY_KEPT, **same)
        stale.delete()
        IdempotencyKey.objects.create(digest=question.digest, message=message, **same)
    return message


def _accepted_row(message: Message) -> list[Any]:
    moments = [statements.moment(moment) for moment in (message.asked_at, message.due_at)]
    place = [message.number_id, message.person_id, message.conversation_id, message.position]
    return [message.pk, *place, message.channel, message.question, *moments]


def forget_prompts(limit: int = 10_000) -> None:
    """What callers gave is of no use once it is answered; the question itself stays."""
    settled = Prompt.objects.exclude(message__status__in=UNSETTLED)
    old = settled.filter(message__answered_at__lte=timezone.now() - PROMPT_KEPT)
    Prompt.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()


def forget_idempotency_keys() -> None:
    cutoff = timezone.now() - IDEMPOTENCY_KEPT
    IdempotencyKey.objects.filter(created_at__lte=cutoff).delete()
