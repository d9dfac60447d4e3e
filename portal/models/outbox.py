"""What must follow a change, written in the change's own transaction."""

from django.db import models
from django.utils import timezone


class OutboxEntry(models.Model):
    """One consequence to carry out, at least once; `portal.outbox` knows who carries out what."""

    topic = models.CharField(max_length=40)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "outbox entries"
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(done_at=None), name="outbox_undone_by_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.topic} #{self.pk}"
