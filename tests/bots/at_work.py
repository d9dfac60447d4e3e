"""A worker at work on what a test tells it, until nothing of that is left to do."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from bots.line import Waiting
from bots.worker import Worker


def answer_now(worker: Worker, *message_ids: str) -> None:
    """Have these answered, as far as they can be, and wait for the end of the attempts."""
    worker.tell(Waiting(message_id, None) for message_id in message_ids)
    worker.run(_until_idle(worker))


async def _until_idle(worker: Worker) -> None:
    desk = worker.desk
    while len(desk._line) or desk._claiming.locked() or desk._held:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def wait_for(true: Callable[[], Any], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
