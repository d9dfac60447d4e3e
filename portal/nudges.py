"""Nudges: wake-up hints through the broker. Losing one costs seconds, never a message.

Rule 1 of the promise: the database row is the queue of record. A nudge is sent after the commit,
with a short timeout; one that fails is logged, and the sweepers find the row.
A broker that hangs must not hold a thread for long, so publishing has connections of its own with
short timeouts; a worker's reading connection has none, because it waits for ever by design.
"""

import atexit
import os
import threading
import time
import uuid
from collections.abc import Sequence
from functools import cache
from typing import Any

import structlog
from celery import current_app
from kombu import Connection, pools
from kombu.exceptions import OperationalError

from portal.ending import at_the_end

logger = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0
BROKER_SECONDS = 0.5
FLUSH_SECONDS = 1.0
GATHER_SECONDS = 0.015
QUIET_SECONDS = 0.004  # after which a next one is not expected
# Whoever nudges leaves the interpreter to the sending thread for so long: it would have to wait for
# the rest of the request otherwise, and the worker with it.
HANDOVER_SECONDS = 0.00005
TOGETHER_AT_MOST = 100  # items in one message
WAITING_AT_MOST = 10_000


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


def _troubles() -> tuple[type[Exception], ...]:
    """What the broker's own library raises, for a broker that refuses, too."""
    connection = _connection()
    theirs: list[Any] = [*connection.connection_errors, *connection.channel_errors]
    return (OperationalError, OSError, *theirs)


def _headers(task_name: str) -> dict[str, Any]:
    """Those that Celery's message protocol 2 asks for. `send_task` would add a dozen that nobody
    reads here, and look up where the task goes: half of what sending costs.
    """
    task_id = uuid.uuid4().hex
    identity = {"lang": "py", "task": task_name, "id": task_id, "root_id": task_id}
    return identity | {"parent_id": None, "group": None, "ignore_result": True}


def send(task_name: str, *items: Any) -> bool:
    """Send the task's message and wait for the broker; returns whether it took it."""
    if time.monotonic() < _Broker.away_until:
        return False
    try:
        with pools.producers[_connection()].acquire(block=True, timeout=BROKER_SECONDS) as producer:
            producer.publish(
                [items, {}, {}],
                exchange="",  # the one that leads to the queue of the key's name, by definition
                routing_key=current_app.conf.task_default_queue,
                headers=_headers(task_name),
                serializer="json",
                retry=False,
            )
    except _troubles() as error:
        _Broker.away_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("nudge_failed", task=task_name, error=type(error).__name__)
        return False
    return True


class Sender:
    """Sends from a thread of its own: nobody who nudges waits for a broker, however it is.

    Nudges of one task that wait at the same time travel together, as one message. The first one
    goes at once; where others follow on its heels, they gather for a moment: by then the worker
    is busy with the first.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, list[Any]] = {}
        self._changed = threading.Condition()
        self._is_sending = False
        self._thread: threading.Thread | None = None

    def put(self, task_name: str, items: Sequence[Any]) -> None:
        """What does not fit any more is left to the sweepers."""
        with self._changed:
            waiting = self._waiting.setdefault(task_name, [])
            if len(waiting) < WAITING_AT_MOST:
                waiting.extend(items)
            if self._thread is None or not self._thread.is_alive():
                self._start()
            rests = not self._is_sending
            self._changed.notify()
        if rests:
            time.sleep(HANDOVER_SECONDS)

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until all is sent, or for so long."""
        until = time.monotonic() + seconds
        while (self._waiting or self._is_sending) and time.monotonic() < until:
            time.sleep(0.005)

    def _start(self) -> None:
        if self._thread is None:
            atexit.register(self.flush)
            at_the_end(self.flush)
        self._thread = threading.Thread(target=self._run, name="nudges", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_sending = False
                self._changed.wait_for(lambda: self._waiting)
                self._is_sending = True
                task_name = next(iter(self._waiting))  # the one that has waited longest
                items = self._waiting.pop(task_name)
            for start in range(0, len(items) or 1, TOGETHER_AT_MOST):
                send(task_name, *items[start : start + TOGETHER_AT_MOST])
            self._gather()

    def _gather(self) -> None:
        with self._changed:
            follows = self._changed.wait_for(lambda: self._waiting, QUIET_SECONDS)
        if follows:
            time.sleep(GATHER_SECONDS - QUIET_SECONDS)


_sender = Sender()


def _forget_thread() -> None:
    """A forked process has none of its parent's threads, and owes nobody its parent's nudges."""
    global _sender  # noqa: PLW0603
    _sender = Sender()


os.register_at_fork(after_in_child=_forget_thread)


def nudge(task_name: str, *items: Any) -> None:
    """Have the task's message sent, with whatever else its task has to be told by then."""
    _sender.put(task_name, items)
