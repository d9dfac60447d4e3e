"""Nudges: wake-up hints through the broker. Losing one costs seconds, never a message.

Rule 1 of the promise: the database row is the queue of record. A nudge is sent after the commit,
with a short timeout; one that fails is logged, and the sweepers find the row.
A broker that hangs must not hold a thread, so publishing has connections of its own with short
timeouts; a worker's reading connection has none, because it waits for ever by design.
"""

import time
from functools import cache
from typing import Any

import structlog
from celery import current_app
from kombu import Connection, pools
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0
BROKER_SECONDS = 0.5


class _Broker:
    """Remembers for a moment that the broker is away, so that not every ask waits for it."""

    away_until = 0.0


@cache
def _connection() -> Connection:
    options = dict(current_app.conf.broker_transport_options)
    if current_app.conf.broker_url.startswith(("amqp", "pyamqp")):
        options |= {"read_timeout": BROKER_SECONDS, "write_timeout": BROKER_SECONDS}
    else:
        options["socket_timeout"] = BROKER_SECONDS
    return current_app.connection_for_write(transport_options=options)


def nudge(task_name: str, *args: Any) -> bool:
    """Send the task's message once; returns whether the broker took it."""
    if time.monotonic() < _Broker.away_until:
        return False
    try:
        with pools.producers[_connection()].acquire(block=True, timeout=BROKER_SECONDS) as producer:
            current_app.send_task(
                task_name, args=args, producer=producer, retry=False, ignore_result=True
            )
    except (OperationalError, OSError) as error:
        _Broker.away_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("nudge_failed", task=task_name, error=type(error).__name__)
        return False
    return True
