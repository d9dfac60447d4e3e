"""Celery's doors into the robots: they carry ids only and return quietly where the row is gone."""

from celery import shared_task

from bots import answering, chat, key_checks, worker


@shared_task
def answer(message_id: str) -> None:
    """Answer one message. The thread waits; the work is on the process's one asyncio loop."""
    current = worker.current()
    current.run(answering.answer(message_id, current))


@shared_task
def check_key(key_id: str) -> None:
    current = worker.current()
    current.run(key_checks.check(key_id, current))


@shared_task
def tidy() -> None:
    chat.forget_idempotency_keys()
