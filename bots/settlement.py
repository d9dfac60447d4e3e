"""Settling: the one way out of the pipeline, for every channel and every fate.

A message is settled once. The row, its place in the feed and what follows are written in one
transaction; the write is fenced by the attempt, and a cancel that came first wins (rule 5).
"""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple

import structlog
from django.db import transaction
from django.utils import timezone

from bots import blocked, budget_warnings, faults, feed, journal, ledger
from bots.blocked import Finding
from bots.line import Waiting
from bots.models import ApiKey, Message, Status
from portal import nudges, statements, wakeups
from portal.models import State

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
    finding: Finding | None = None  # why the safety filter blocked it


def failure(code: int) -> Outcome:
    return Outcome(Status.FAILED, error_code=code)


class Settling(NamedTuple):
    """An attempt that has ended: the message as it was claimed, and what came of it."""

    message: Message
    outcome: Outcome


@dataclass(frozen=True)
class Settled:
    """What one transaction has settled, and the questions whose turn it is after that."""

    ids: frozenset[str]
    next_in_line: list[Waiting]

    @classmethod
    def by(cls, ours: Sequence[Settling]) -> "Settled":
        return cls(frozenset(message.pk for message, _outcome in ours), _next_in_line(ours))


def settle_all(ended: Sequence[Settling]) -> Settled:
    """Settle these attempts, as far as they are still ours, in one transaction.

    Whoever calls it sees to what is next in line.
    """
    with transaction.atomic():
        ours = _settle(ended, Fence.RUNNING)
    return Settled.by(ours)


def settle(message: Message, outcome: Outcome) -> bool:
    """Settle the attempt that `message` was claimed for; False where it is not ours any more."""
    settled = settle_all([Settling(message, outcome)])
    nudge_all(settled.next_in_line)
    return message.pk in settled.ids


def cancel(message: Message, error_code: int | None = None, *, keeps_text: bool = True) -> bool:
    """Stop an answer wherever it stands, keeping what it has said; False if it is settled.

    With an error code (50002), or where the number may not publish any more, the text is withheld
    instead of kept.
    """
    keeps_text = keeps_text and not error_code
    message = copy(message)  # the caller's own stays as he has read it
    while not _cancel(message, error_code, keeps_text=keeps_text):
        stands = Message.objects.unsettled().filter(pk=message.pk)
        attempt = stands.values_list("attempt", flat=True).first()
        if attempt is None:
            return False
        message.attempt = attempt  # the text that we would have kept was another attempt's
    return True


def _cancel(message: Message, error_code: int | None, *, keeps_text: bool) -> bool:
    """False where it is settled, or where the text to keep is not that of its last attempt."""
    partial = journal.text_so_far(message.pk, message.attempt) if keeps_text else ""
    outcome = Outcome(Status.CANCELLED, answer=partial, error_code=error_code)
    fence = Fence.LAST if keeps_text else Fence.NONE
    return bool(_stop([Settling(message, outcome)], fence))


def _stop(ended: Sequence[Settling], fence: "Fence") -> list[Settling]:
    with transaction.atomic():
        ours = _settle(ended, fence)
        if ours:
            transaction.on_commit(lambda: wakeups.publish(STOPS_CHANNEL))
    nudge_all(_next_in_line(ours))
    return ours


def withhold_all(messages: Sequence[Message]) -> int:
    """Stop these answers and show nothing of them, 50002; how many were not settled yet."""
    outcome = Outcome(Status.CANCELLED, answer="", error_code=faults.WITHHELD)
    return len(_stop([Settling(message, outcome) for message in messages], Fence.NONE))


def nudge_all(waiting: Iterable[Waiting]) -> None:
    for each in waiting:
        nudges.nudge("bots.tasks.answer", each)


class Fence(Enum):
    """What must be true of an unsettled message, for one of its attempts to settle it."""

    RUNNING = "this attempt runs"
    LAST = "this attempt is the last one there was, whether it runs or not"
    NONE = "nothing"

    def lets_in(self, attempt: int, row: "_Unsettled") -> bool:
        if self is Fence.RUNNING:
            return row == (attempt, True)
        return self is Fence.NONE or row.attempt == attempt


class _Unsettled(NamedTuple):
    attempt: int
    is_running: bool


def _settle(ended: Sequence[Settling], fence: Fence) -> list[Settling]:
    """Settle what is unsettled of these, as far as the fence lets them in.

    One worker may bring two attempts of a message at once: it lost the first, and claimed it again.
    Locks numbers, messages, the ledger's rows, counters: always in this order and each in the order
    of their keys, so that two who settle never wait for each other in a circle.
    """
    if not ended:
        return []
    publishes = _lock_numbers({message.number_id for message, _outcome in ended})
    held = _lock_unsettled([message.pk for message, _outcome in ended])
    ours = [
        Settling(message, outcome if publishes[message.number_id] else _withheld(outcome))
        for message, outcome in ended
        if message.pk in held and fence.lets_in(message.attempt, held[message.pk])
    ]
    if ours:
        _write(ours, timezone.now())
        transaction.on_commit(lambda: _announce(ours))
    return ours


_NUMBERS = "SELECT id, state FROM portal_servicenumber WHERE {these} ORDER BY id {lock}"
_UNSETTLED = """SELECT id, attempt, status = 'running' FROM bots_message
    WHERE {these} AND status IN ('queued', 'running') ORDER BY id {lock}"""
_IN_LINE = """SELECT conversation_id, id, number_id FROM bots_message
    WHERE {these} AND status IN ('queued', 'running') ORDER BY position"""


def _lock_numbers(number_ids: set[int]) -> dict[int, bool]:
    """Whether each may publish, locked against a suspension: that comes before this outcome or
    after it, never beside it."""
    these, values = statements.among("id", list(number_ids))
    statement = _NUMBERS.format(these=these, lock=statements.locked())
    silent = (State.SUSPENDED, State.CLOSED)
    return {
        number_id: state not in silent for number_id, state in statements.rows(statement, values)
    }


def _lock_unsettled(ids: list[str]) -> dict[str, _Unsettled]:
    """Those of these messages that are unsettled, locked."""
    these, values = statements.among("id", ids)
    statement = _UNSETTLED.format(these=these, lock=statements.locked())
    found = statements.rows(statement, values)
    return {pk: _Unsettled(attempt, bool(runs)) for pk, attempt, runs in found}


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


# One prepared statement for them all: by the ORM each row would cost as much as its answer.
_UPDATE = """UPDATE bots_message SET
    status = %s, answer = %s, error_code = %s, model = %s, finish_reason = %s, prompt_tokens = %s,
    completion_tokens = %s, api_key_id = %s, answered_at = %s, seq = %s,
    lease_until = NULL, claimed_by = '', next_attempt_at = NULL, due_at = %s
    WHERE id = %s"""


def _write(ours: list[Settling], now: datetime) -> None:
    """The rows are locked already; the numbering is the last thing that anybody waits for."""
    ledger.settle_all(
        ledger.Ended(message, ledger.BY_STATUS[outcome.status]) for message, outcome in ours
    )
    budget_warnings.look([message for message, _outcome in ours], now)
    messages = [message for message, _outcome in ours]
    numbered = feed.append_answers(messages, now)
    at = statements.moment(now)
    rows = [
        [
            *(outcome.status, outcome.answer, outcome.error_code, outcome.model),
            *(outcome.finish_reason, outcome.prompt_tokens, outcome.completion_tokens),
            *(outcome.api_key.pk if outcome.api_key else None, at, numbered[message.pk]),
            *(at, message.pk),
        ]
        for message, outcome in ours
    ]
    statements.run_each(_UPDATE, rows)
    found = [(message, outcome.finding) for message, outcome in ours if outcome.finding]
    if found:
        blocked.record(found, now)


def _next_in_line(ours: Sequence[Settling]) -> list[Waiting]:
    """The oldest question of each of these conversations that still wants an answer.

    Read after the commit: a question that is accepted later than that finds its way free itself.
    """
    conversations = list({message.conversation_id for message, _outcome in ours})
    if not conversations:
        return []
    these, values = statements.among("conversation_id", conversations)
    statement = _IN_LINE.format(these=these)
    first: dict[str, Waiting] = {}
    for conversation, message_id, number_id in statements.rows(statement, values):
        first.setdefault(conversation, Waiting(message_id, number_id))
    return list(first.values())


def _announce(ours: list[Settling]) -> None:
    """After the commit: wake the readers."""
    for message, outcome in ours:
        logger.info(
            "message_settled",
            message=message.pk,
            status=outcome.status,
            error_code=outcome.error_code,
            attempt=message.attempt,
        )
    journal.end_all([(message.pk, message.number_id) for message, _outcome in ours])
