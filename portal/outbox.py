"""The outbox: consequences written with their cause, carried out afterwards, at least once.

Portal imports neither bots nor ddio_api; what it must cause there travels through here. An app
registers a handler for a topic when it starts (`AppConfig.ready`); handlers are idempotent.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import timezone

from portal import nudges
from portal.models import OutboxEntry

logger = structlog.get_logger(__name__)

Handler = Callable[[dict[str, Any]], None]
AGAIN_AFTER = timedelta(seconds=30)
KEEP_DONE = timedelta(days=7)
BATCH = 100
# What a handler may die of without holding up the entries behind it: the world, or its own bug.
FAILURES = (DatabaseError, OSError, AttributeError, LookupError, TypeError, ValueError)

_handlers: dict[str, Handler] = {}


def handle(topic: str, handler: Handler) -> None:
    """Name the one handler of a topic."""
    _handlers[topic] = handler


def add(topic: str, **payload: Any) -> OutboxEntry:
    """Write a consequence inside the caller's transaction, and nudge a worker after its commit."""
    entry = OutboxEntry.objects.create(topic=topic, payload=payload)
    transaction.on_commit(lambda: nudges.nudge("portal.tasks.deliver_outbox"))
    return entry


def deliver() -> int:
    """Carry out what is due; returns how many entries were done."""
    due = OutboxEntry.objects.filter(done_at=None, due_at__lte=timezone.now()).order_by("pk")
    return sum(_deliver_one(entry) for entry in due[:BATCH])


def _deliver_one(entry: OutboxEntry) -> bool:
    claimed = OutboxEntry.objects.filter(pk=entry.pk, done_at=None, due_at=entry.due_at).update(
        due_at=timezone.now() + AGAIN_AFTER, attempts=F("attempts") + 1
    )
    handler = _handlers.get(entry.topic)
    if not claimed or handler is None:
        return False
    try:
        handler(entry.payload)
    except FAILURES as error:
        logger.error("outbox_entry_failed", entry=entry.pk, topic=entry.topic, exc_info=error)
        return False
    OutboxEntry.objects.filter(pk=entry.pk).update(done_at=timezone.now())
    return True


def forget_done() -> None:
    OutboxEntry.objects.filter(done_at__lt=timezone.now() - KEEP_DONE).delete()
