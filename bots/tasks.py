"""Celery's doors into the robots: they carry ids only and return quietly where the row is gone."""

from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from celery import shared_task

from bots import answering, chat, erasing, key_checks, worker
from bots.worker import NoWorker, Worker


def _run(work: Callable[[Worker], Coroutine[Any, Any, None]]) -> None:
    """Wait for work on the process's one asyncio loop.

    Work that a stopping process lets go of is not lost: its row says so, and a sweeper looks.
    """
    with suppress(NoWorker, CancelledError):
        current = worker.current()
        current.run(work(current))


@shared_task
def answer(message_id: str) -> None:
    _run(lambda current: answering.answer(message_id, current))


@shared_task
def check_key(key_id: str) -> None:
    _run(lambda current: key_checks.check(key_id, current))


@shared_task
def tidy() -> None:
    chat.forget_idempotency_keys()
    chat.forget_prompts()
    erasing.finish_interrupted()
