"""The answering side of a Celery worker, started and stopped with it."""

from typing import Any

from celery import bootsteps

from bots import answering, worker


class Answering(bootsteps.StartStopStep):
    """Starts the loop and its timers after the pool; hands answers back before the pool waits."""

    requires = ("celery.worker.components:Pool",)

    def start(self, parent: Any) -> None:
        worker.start_current(answering.attempt)

    def stop(self, parent: Any) -> None:
        worker.stop_current()

    terminate = stop
