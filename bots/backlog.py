"""Backpressure: a question that could not be answered in the stated time is refused, not kept.

How long a new question of a number would wait is what waits already by how fast it was answered
lately. Each number for itself: one whose provider hangs refuses, the others go on.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from bots.models import FeedEntry, Kind, Message, Status

LATELY = timedelta(seconds=30)
COUNTED_AT_MOST = 20_000
# Of a queue that has only begun, nothing is known yet: then each place takes so many seconds.
ANSWER_TAKES_SECONDS = 10
KNOWN_FOR_SECONDS = 1.0
NUMBERS_KNOWN = 10_000
COME_AGAIN_SECONDS = (5, 60)


@dataclass
class TooLong(Exception):
    """The queue is longer than can be answered in the stated time; ask again after a while."""

    retry_after: int


_known: dict[int, tuple[float, float]] = {}  # until when, and the seconds


def refuse_if_too_long(number_id: int) -> None:
    """Raises TooLong. What is known of a number is a second old at most."""
    now = time.monotonic()
    until, seconds = _known.get(number_id, (0.0, 0.0))
    if until < now:
        seconds = wait_of(number_id)
        if len(_known) >= NUMBERS_KNOWN:
            _known.clear()
        _known[number_id] = (now + KNOWN_FOR_SECONDS, seconds)
    if seconds > settings.QUEUE_SECONDS_AT_MOST:
        least, most = COME_AGAIN_SECONDS
        too_many = seconds - settings.QUEUE_SECONDS_AT_MOST
        raise TooLong(round(min(max(too_many, least), most)))


def wait_of(number_id: int) -> float:
    """Seconds that a new question of the number would wait, estimated."""
    now = timezone.now()
    waiting = Message.objects.filter(number=number_id, status=Status.QUEUED).claimable(now)
    oldest: datetime | None = (
        waiting.order_by("asked_at").values_list("asked_at", flat=True).first()
    )
    if oldest is None:
        return 0.0
    age = now - oldest
    rate = _answered_lately(number_id, now) / LATELY.total_seconds()
    if age < LATELY:
        rate = max(rate, settings.ANSWERS_PER_NUMBER / ANSWER_TAKES_SECONDS)
    count = waiting.values("pk")[:COUNTED_AT_MOST].count()
    return count / rate if rate else age.total_seconds()


def _answered_lately(number_id: int, now: datetime) -> int:
    entries = FeedEntry.objects.filter(number=number_id, kind=Kind.ANSWER, at__gte=now - LATELY)
    return entries.values("pk")[:COUNTED_AT_MOST].count()
