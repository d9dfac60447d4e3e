"""Celery's doors into the portal: load, call, nothing else."""

from celery import shared_task
from django.core.management import call_command

from portal import app_records, outbox
from portal.models import WorkerHeartbeat


@shared_task
def deliver_outbox() -> None:
    outbox.deliver()


@shared_task
def deliver_outbox_slowly() -> None:
    outbox.deliver_slowly()


@shared_task
def tidy() -> None:
    """Forget what nobody needs any more: carried out, expired, or dead."""
    outbox.forget_done()
    app_records.forget_revoked()
    WorkerHeartbeat.objects.dead().delete()
    call_command("clearsessions")
