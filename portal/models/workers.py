"""Signs of life of the Celery workers, kept where every part can read them."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

FRESH = timedelta(seconds=15)
GONE = timedelta(hours=1)


class WorkerHeartbeatQuerySet(models.QuerySet["WorkerHeartbeat"]):
    def alive(self) -> "WorkerHeartbeatQuerySet":
        return self.filter(at__gt=timezone.now() - FRESH)

    def dead(self) -> "WorkerHeartbeatQuerySet":
        return self.filter(at__lt=timezone.now() - GONE)


class WorkerHeartbeat(models.Model):
    """One running worker process; it renews its row every few seconds while it takes tasks."""

    name = models.CharField(max_length=120, primary_key=True)
    started_at = models.DateTimeField(default=timezone.now)
    at = models.DateTimeField(default=timezone.now)

    objects = WorkerHeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
