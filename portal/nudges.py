"""Nudges: wake-up hints through the broker. Losing one costs seconds, never a message.

Rule 1 of the promise: the database row is the queue of record. A nudge is sent after the commit,
with a short timeout; one that fails is logged, and the sweepers find the row.
"""

import time
from typing import Any

import structlog
from celery import current_app
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0


class _Broker:
    """Remembers for a moment that the broker is away, so that not every ask waits for it."""

    away_until = 0.0


def nudge(task_name: str, *args: Any) -> bool:
    """Send the task's message once; returns whether the broker took it."""
    if time.monotonic() < _Broker.away_until:
        return False
    try:
        current_app.send_task(task_name, args=args, retry=False, ignore_result=True)
    except (OperationalError, OSError) as error:
        _Broker.away_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("nudge_failed", task=task_name, error=type(error).__name__)
        return False
    return True
