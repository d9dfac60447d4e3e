"""Claims on messages: one worker at a time, for as long as its lease lasts.

Every change is a conditional UPDATE that names the attempt it belongs to, so a worker that lost its
lease (it was stopped, or its machine slept) writes nothing any more (rule 2).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from bots.models import Message, Status

SWEEP_BATCH = 200


def lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.LEASE_SECONDS)


@transaction.atomic
def claim(message_id: str, worker: str) -> Message | None:
    """Take the message for this worker; None where there is nothing (more) to do for it.

    One transaction: read after the commit, the row might be another worker's next attempt.
    """
    now = timezone.now()
    until = lease_end(now)
    claimed = (
        Message.objects.filter(pk=message_id)
        .claimable(now)
        .update(
            status=Status.RUNNING,
            attempt=F("attempt") + 1,
            claimed_by=worker,
            lease_until=until,
            next_attempt_at=None,
            due_at=until,
        )
    )
    if not claimed:
        return None
    return Message.objects.select_related("number__robot").get(pk=message_id)


def renew(worker: str, attempts: dict[str, int]) -> set[str]:
    """Prolong the leases of all these messages at once; returns those that are no longer ours."""
    until = lease_end(timezone.now())
    ours = Message.objects.claimed_by(worker, attempts)
    ours.update(lease_until=until, due_at=until)
    still = dict(ours.values_list("pk", "attempt"))
    return {pk for pk, attempt in attempts.items() if still.get(pk) != attempt}


def _give_up(message_id: str, attempt: int, again_at: datetime) -> bool:
    held = Message.objects.filter(pk=message_id, status=Status.RUNNING, attempt=attempt)
    given = held.update(
        status=Status.QUEUED,
        claimed_by="",
        lease_until=None,
        next_attempt_at=again_at,
        due_at=again_at,
    )
    return bool(given)


def retry_later(message_id: str, attempt: int, delay: float) -> bool:
    """Queue the message again for the time after `delay` seconds; a sweeper will nudge it."""
    return _give_up(message_id, attempt, timezone.now() + timedelta(seconds=delay))


def hand_back(attempts: Iterable[tuple[str, int]]) -> None:
    """Give messages back at once: this worker is going away."""
    for message_id, attempt in attempts:
        _give_up(message_id, attempt, timezone.now())


def take_overdue(limit: int = SWEEP_BATCH) -> list[str]:
    """The messages that should be nudged now, each by one sweeper only.

    The sweeper that moves `due_at` on has the right to nudge; another one finds nothing, so two
    sweepers never double the load.
    """
    now = timezone.now()
    again = now + timedelta(seconds=settings.NUDGE_AGAIN_SECONDS)
    overdue = Message.objects.overdue(now).order_by("due_at").values_list("pk", "due_at")[:limit]
    return [
        pk
        for pk, due_at in list(overdue)
        if Message.objects.unsettled().filter(pk=pk, due_at=due_at).update(due_at=again)
    ]
