"""Claims on messages: one worker at a time, for as long as its lease lasts.

Every change is a conditional UPDATE that names the attempt it belongs to, so a worker that lost its
lease (it was stopped, or its machine slept) writes nothing any more (rule 2).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from bots import suspects
from bots.line import Waiting
from bots.models import Message, Status
from bots.models.chat import MessageQuerySet
from portal import statements

SWEEP_BATCH = 200


def lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.LEASE_SECONDS)


# What an attempt needs; of a claimed message anything else is read when it is asked for.
_CLAIMED = ["id", "number_id", "person_id", "conversation_id", "position", "channel", "question"]
_CLAIMED += ["status", "attempt", "handed_back"]
# By the ORM a claim would be three statements. What another transaction holds is passed over, so
# two workers with the same hints never wait for each other. The conditions are those of
# MessageQuerySet.claimable.
_CLAIM = """UPDATE bots_message SET status = 'running', attempt = attempt + 1, claimed_by = %s,
    lease_until = %s, due_at = %s, next_attempt_at = NULL
    WHERE id IN (
        SELECT id FROM bots_message AS m WHERE {these} AND (
            status = 'queued' AND (next_attempt_at IS NULL OR next_attempt_at <= %s)
            OR status = 'running' AND lease_until < %s
        ) AND NOT EXISTS (
            SELECT 1 FROM bots_message AS earlier WHERE earlier.conversation_id = m.conversation_id
            AND earlier.position < m.position AND earlier.status IN ('queued', 'running')
        ) {lock}
    ) RETURNING {fields}"""


def claim_all(message_ids: Sequence[str], worker: str) -> list[Message]:
    """Take these messages for this worker: those for which there is something (more) to do."""
    now = timezone.now()
    until, now_is = (statements.moment(moment) for moment in (lease_end(now), now))
    these, ids = statements.among("id", message_ids)
    statement = _CLAIM.format(
        these=these,
        lock=statements.locked(waiting=False),
        fields=", ".join(_CLAIMED),
    )
    with statements.turn():
        found = statements.rows(statement, [worker, until, until, *ids, now_is, now_is])
    return [Message.from_db(DEFAULT_DB_ALIAS, _CLAIMED, row) for row in found]


def claim(message_id: str, worker: str) -> Message | None:
    """Take the one message; None where there is nothing (more) to do for it."""
    return next(iter(claim_all([message_id], worker)), None)


def _free(messages: MessageQuerySet) -> MessageQuerySet:
    """Those rows, locked, that no other transaction holds; SQLite has one writer anyway."""
    return messages.select_for_update(of=("self",), skip_locked=True, no_key=True)


def renew(worker: str, attempts: dict[str, int]) -> set[str]:
    """Prolong the leases of all these messages at once; returns those that are no longer ours."""
    until = lease_end(timezone.now())
    ours = Message.objects.claimed_by(worker, attempts)
    with transaction.atomic():  # what is being settled just now is passed over
        free = list(_free(ours).values_list("pk", flat=True))
        Message.objects.filter(pk__in=free).update(lease_until=until, due_at=until)
    still = dict(ours.values_list("pk", "attempt"))
    return {pk for pk, attempt in attempts.items() if still.get(pk) != attempt}


def retry_later(message_id: str, attempt: int, delay: float) -> bool:
    """Queue the message again for the time after `delay` seconds; a sweeper will find it."""
    held = Message.objects.filter(pk=message_id, status=Status.RUNNING, attempt=attempt)
    with statements.turn():
        return bool(held.update(**_queued(timezone.now() + timedelta(seconds=delay))))


def hand_back(attempts: Iterable[tuple[str, int]], delay: float = 0.0) -> list[Waiting]:
    """Give messages back, for the time after `delay` seconds: this worker is going away, or they
    must wait for others. Returns those that it still had.

    Nothing went wrong with them, so it does not count as one of the tries that they have.
    """
    again_at = timezone.now() + timedelta(seconds=delay)
    held = dict(attempts)
    running = Message.objects.filter(pk__in=held, status=Status.RUNNING)
    with transaction.atomic():  # in the order of their keys, as whoever settles locks them
        rows = running.order_by("pk").select_for_update(of=("self",), no_key=True)
        found = rows.values_list("pk", "attempt", "number_id")
        given = [Waiting(pk, number) for pk, attempt, number in found if held[pk] == attempt]
        Message.objects.filter(pk__in=[each.message_id for each in given]).update(
            handed_back=F("handed_back") + 1, **_queued(again_at)
        )
    return given


def _queued(again_at: datetime) -> dict[str, Any]:
    """Nobody's, and to be claimed again from then on."""
    nobodys = {"status": Status.QUEUED, "claimed_by": "", "lease_until": None}
    return {**nobodys, "next_attempt_at": again_at, "due_at": again_at}


def end_leases(workers: Sequence[str]) -> int:
    """These workers have died: what they held is due now. Returns how many messages that are.

    And what other dead workers had held before, for these may have been told of it and have died
    before they claimed it: due since it was left, so that nobody who died later comes first.
    """
    now = timezone.now()
    running = Message.objects.filter(status=Status.RUNNING)
    held = running.filter(claimed_by__in=workers, lease_until__gt=now)
    with statements.turn():
        count = held.update(lease_until=now, due_at=now)
        running.filter(lease_until__lte=now, due_at__gt=now).update(due_at=F("lease_until"))
    return count


def take_overdue(limit: int = SWEEP_BATCH) -> list[Waiting]:
    """The messages that should be claimed now, each found by one sweeper only.

    Without those that may have killed their worker (`take_suspects`), unless a stopping worker has
    handed them back meanwhile.

    The sweeper that moves `due_at` on has the right to it; another one finds nothing, so two
    sweepers never double the load. Numbers take turns, as in the line: the oldest of each first.
    """
    innocent = Q(status=Status.QUEUED) | Q(attempt__lt=F("handed_back") + suspects.FIRST)
    return _take(Message.objects.filter(innocent), limit)


def take_suspects(deaths: int, limit: int) -> list[Waiting]:
    """The same, of those whose workers went silent so many times (a key of suspects.TOGETHER)."""
    silent = Message.objects.filter(status=Status.RUNNING)
    return _take(silent.tried(*suspects.span(deaths)), limit)


def _take(messages: MessageQuerySet, limit: int) -> list[Waiting]:
    now = timezone.now()
    again = now + timedelta(seconds=settings.NUDGE_AGAIN_SECONDS)
    turn = Window(RowNumber(), partition_by=F("number_id"), order_by=F("due_at").asc())
    overdue = messages.overdue(now).annotate(turn=turn).order_by("turn", "due_at")
    found = list(overdue.values_list("pk", "number_id")[:limit])
    with transaction.atomic():
        still_due = Message.objects.unsettled().filter(pk__in=[pk for pk, _ in found])
        ours = set(_free(still_due.filter(due_at__lte=now)).values_list("pk", flat=True))
        Message.objects.filter(pk__in=ours).update(due_at=again)
    return [Waiting(pk, number_id) for pk, number_id in found if pk in ours]
