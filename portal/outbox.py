"""The outbox: consequences written with their cause, carried out afterwards, at least once.

Portal imports neither bots nor ddio_api; what it must cause there travels through here. An app
registers a handler for a topic when it starts (`AppConfig.ready`); handlers are idempotent.

Topics whose handlers wait for the outside world (mail) are slow ones. They have a turn of their
own, one a process, so that a server that hangs holds up neither the others nor the answers.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import timezone

from portal import nudges, statements
from portal.models import OutboxEntry

logger = structlog.get_logger(__name__)

Handler = Callable[[dict[str, Any]], None]
AGAIN_AFTER = timedelta(seconds=30)  # twice as long after each failure, up to:
AGAIN_AFTER_AT_MOST = timedelta(minutes=16)
KEEP_DONE = timedelta(days=7)
BATCH = 100
DELIVER, DELIVER_SLOWLY = "portal.tasks.deliver_outbox", "portal.tasks.deliver_outbox_slowly"
# What a handler may die of without holding up the entries behind it: the world, or its own bug.
FAILURES = (DatabaseError, OSError, AttributeError, LookupError, TypeError, ValueError)

_handlers: dict[str, list[Handler]] = {}
_slow: set[str] = set()
_slow_turn = threading.Lock()


def handle(topic: str, handler: Handler, *, slow: bool = False) -> None:
    """Name one more handler of a topic. Each is called again when one of them failed."""
    _handlers.setdefault(topic, []).append(handler)
    if slow:
        _slow.add(topic)


def add(topic: str, **payload: Any) -> OutboxEntry:
    """Write a consequence inside the caller's transaction, and nudge a worker after its commit."""
    entry = OutboxEntry.objects.create(topic=topic, payload=payload)
    transaction.on_commit(lambda: nudges.nudge(DELIVER))
    return entry


def add_once(key: str, topic: str, **payload: Any) -> None:
    """Like `add`, for a handler that may run again: what has this key is written once."""
    entry = OutboxEntry(key=key, topic=topic, payload=payload)
    OutboxEntry.objects.bulk_create([entry], ignore_conflicts=True)
    transaction.on_commit(lambda: nudges.nudge(DELIVER))


def deliver() -> int:
    """Carry out what is due; returns how many entries were done."""
    due = OutboxEntry.objects.due()
    done = sum(_deliver_one(entry) for entry in due.exclude(topic__in=_slow)[:BATCH])
    if due.filter(topic__in=_slow).exists():
        nudges.nudge(DELIVER_SLOWLY)
    return done


def deliver_slowly() -> int:
    """The same for the slow topics, up to the first failure: the next would wait as long."""
    if not _slow_turn.acquire(blocking=False):
        return 0
    try:
        done = 0
        for entry in OutboxEntry.objects.due().filter(topic__in=_slow)[:BATCH]:
            if not _deliver_one(entry):
                break
            done += 1
        return done
    finally:
        _slow_turn.release()


def _deliver_one(entry: OutboxEntry) -> bool:
    due = OutboxEntry.objects.filter(pk=entry.pk, done_at=None, due_at=entry.due_at)
    again_at = timezone.now() + _pause(entry.attempts)
    with statements.turn():
        claimed = due.update(due_at=again_at, attempts=F("attempts") + 1)
    handlers = _handlers.get(entry.topic)
    if not claimed or handlers is None:
        return False
    failed = [handler for handler in handlers if not _carried_out(entry, handler)]
    if failed:
        return False
    with statements.turn():
        OutboxEntry.objects.filter(pk=entry.pk).update(done_at=timezone.now())
    return True


def _pause(attempts: int) -> timedelta:
    """How long an entry rests that was tried so often before."""
    return min(AGAIN_AFTER * 2 ** min(attempts, 10), AGAIN_AFTER_AT_MOST)


def _carried_out(entry: OutboxEntry, handler: Handler) -> bool:
    try:
        handler(entry.payload)
    except FAILURES as error:
        logger.error("outbox_entry_failed", entry=entry.pk, topic=entry.topic, exc_info=error)
        return False
    return True


def forget_done() -> None:
    OutboxEntry.objects.filter(done_at__lt=timezone.now() - KEEP_DONE).delete()
