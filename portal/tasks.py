"""Celery's doors into the portal: load, call, nothing else."""

from celery import shared_task
from django.core.management import call_command

from portal import outbox


@shared_task
def deliver_outbox() -> None:
    outbox.deliver()


@shared_task
def tidy() -> None:
    """Forget what nobody needs any more: delivered outbox entries, expired sessions."""
    outbox.forget_done()
    call_command("clearsessions")
