"""Settling: the one way out of the pipeline, for every channel and every fate.

A message is settled once. The row, its place in the feed and what follows are written in one
transaction; the write is fenced by the attempt, and a cancel that came first wins (rule 5).
"""

from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from bots import faults, feed, journal
from bots.models import ApiKey, Message, Status
from portal import nudges, wakeups
from portal.models import ServiceNumber, State

logger = structlog.get_logger(__name__)

STOPS_CHANNEL = "fw:stops"


@dataclass(frozen=True)
class Outcome:
    """How an answer ended; `answer` is None only where it failed."""

    status: str
    answer: str | None = None
    error_code: int | None = None
    model: str = ""
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    api_key: ApiKey | None = None


def failure(code: int) -> Outcome:
    return Outcome(Status.FAILED, error_code=code)


def settle(message: Message, outcome: Outcome) -> bool:
    """Settle the attempt that `message` was claimed for; False where it is not ours any more."""
    held = Message.objects.filter(pk=message.pk, status=Status.RUNNING, attempt=message.attempt)
    with transaction.atomic():
        return _write(held, message, _publishable(message, outcome))


def cancel(message: Message, error_code: int | None = None, *, keeps_text: bool = True) -> bool:
    """Stop an answer wherever it stands, keeping what it has said; False if it is settled.

    With an error code (50002), or where the number may not publish any more, the text is withheld
    instead of kept.
    """
    keeps_text = keeps_text and not error_code
    partial = journal.text_so_far(message.pk, message.attempt) if keeps_text else ""
    with transaction.atomic():
        unsettled = Message.objects.unsettled().filter(pk=message.pk)
        outcome = Outcome(Status.CANCELLED, answer=partial, error_code=error_code)
        stopped = _write(unsettled, message, _publishable(message, outcome))
        if stopped:
            transaction.on_commit(lambda: wakeups.publish(STOPS_CHANNEL))
    return stopped


def _publishable(message: Message, outcome: Outcome) -> Outcome:
    """The outcome, or what is left of it where the number is suspended or closed.

    Locks the number against a suspension: it comes before this outcome or after it, never beside
    it. Number, message, counter: always in this order, never a deadlock.
    """
    numbers = ServiceNumber.objects.select_for_update(no_key=True)
    state = numbers.values_list("state", flat=True).get(pk=message.number_id)
    return _withheld(outcome) if state in (State.SUSPENDED, State.CLOSED) else outcome


def _withheld(outcome: Outcome) -> Outcome:
    return Outcome(
        Status.CANCELLED,
        answer="",
        error_code=faults.WITHHELD,
        model=outcome.model,
        prompt_tokens=outcome.prompt_tokens,
        completion_tokens=outcome.completion_tokens,
        api_key=outcome.api_key,
    )


def _write(held: Any, message: Message, outcome: Outcome) -> bool:
    """Lock the row by writing to it, then number it."""
    now = timezone.now()
    written = held.update(lease_until=None, claimed_by="", next_attempt_at=None, due_at=now)
    if not written:
        return False
    seq = feed.next_seq(message.number_id)
    Message.objects.filter(pk=message.pk).update(
        status=outcome.status,
        answer=outcome.answer,
        error_code=outcome.error_code,
        model=outcome.model,
        finish_reason=outcome.finish_reason,
        prompt_tokens=outcome.prompt_tokens,
        completion_tokens=outcome.completion_tokens,
        api_key=outcome.api_key,
        answered_at=now,
        seq=seq,
    )
    feed.append_answer(message, seq, now)
    transaction.on_commit(lambda: _announce(message, outcome))
    return True


def _announce(message: Message, outcome: Outcome) -> None:
    """After the commit: wake the readers, and the next question of the conversation."""
    logger.info(
        "message_settled",
        message=message.pk,
        status=outcome.status,
        error_code=outcome.error_code,
        attempt=message.attempt,
    )
    journal.end(message.pk, message.attempt)
    wakeups.publish(wakeups.number_channel(message.number_id))
    following = message.next_in_line()
    if following:
        nudges.nudge("bots.tasks.answer", following.pk)
