"""Celery's door into the open interface: load, call, nothing else."""

from celery import shared_task

from ddio_api import call_history


@shared_task
def tidy() -> None:
    call_history.forget_old()
