"""What must follow a change, written in the change's own transaction."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class OutboxEntryQuerySet(models.QuerySet["OutboxEntry"]):
    def due(self) -> "OutboxEntryQuerySet":
        """The longest due first, so what failed stands behind what was not tried yet."""
        return self.filter(done_at=None, due_at__lte=timezone.now()).order_by("due_at", "pk")


class OutboxEntry(models.Model):
    """One consequence to carry out, at least once; `portal.outbox` knows who carries out what."""

    key = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001  (null: no key)
    topic = models.CharField(max_length=40)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True)

    objects = OutboxEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("outbox entry")
        verbose_name_plural = _("outbox entries")
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(done_at=None), name="outbox_undone_by_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.topic} #{self.pk}"
