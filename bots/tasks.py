"""Celery's doors into the robots: they carry ids only and return quietly where the row is gone.

What waits for a provider does so on the worker's one loop, not in a thread of Celery's pool: the
task ends as soon as the loop knows of it, and needs no thread of the pool itself. Nothing is lost
with that, because the row is the queue of record: it says what is claimed by whom, and a sweeper
finds what nobody works on.
"""

from contextlib import suppress
from functools import partial
from typing import Any

from celery import shared_task

from bots import chat, erasing, key_checks, keys, worker
from bots.line import Waiting
from bots.worker import NoWorker

AT_ONCE: dict[str, Any] = {"Strategy": "bots.celery_steps:at_once"}


@shared_task(**AT_ONCE)
def answer(*waiting: Any) -> None:
    """Answer these messages: each an id, or an id with the id of its number."""
    told = [Waiting(each, None) if isinstance(each, str) else Waiting(*each) for each in waiting]
    with suppress(NoWorker):
        worker.current().tell(told)


@shared_task(**AT_ONCE)
def check_key(*key_ids: str) -> None:
    with suppress(NoWorker):
        for key_id in key_ids:
            worker.current().begin(partial(key_checks.check, key_id))


@shared_task
def tidy() -> None:
    chat.forget_idempotency_keys()
    chat.forget_prompts()
    erasing.finish_interrupted()
    keys.forget_verdicts()
