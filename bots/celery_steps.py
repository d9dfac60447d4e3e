"""The answering side of a Celery worker: started and stopped with it, and told by it."""

from collections.abc import Callable
from typing import Any

import structlog
from celery import bootsteps

from bots import answering, worker
from portal import garbage, starting

logger = structlog.get_logger(__name__)


class Answering(bootsteps.StartStopStep):
    """Starts the loop and its timers after the pool; hands answers back before the pool waits."""

    requires = ("celery.worker.components:Pool",)

    def start(self, parent: Any) -> None:
        starting.refuse_misconfigured("worker")
        worker.start_current(answering.attempt)
        garbage.look_rarely()

    def stop(self, parent: Any) -> None:
        worker.stop_current()

    terminate = stop


def at_once(task: Any, _app: Any, _consumer: Any, **_options: Any) -> Callable[..., None]:
    """A task's `Strategy`: run it in the thread that reads from the broker, and nothing around it.

    For tasks that only tell the loop: a place in the pool, a request, a trace and an
    acknowledgement (which the queue does not want) would cost many times what they do. What goes
    wrong is logged; the message is a hint, and what it told of is found by a sweeper.
    """

    def handle(message: Any, *_of_a_request: Any) -> None:
        try:
            arguments, _named, _embedded = message.payload
            task.run(*arguments)
        except (TypeError, ValueError, RuntimeError):  # no such message, or the loop has ended
            logger.exception("nudge_not_taken", task=task.name)

    return handle
