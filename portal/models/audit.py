"""The audit trail: who did what, written in the transaction that did it, and only ever added to."""

from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    """One deed. `actor_name` outlives the account, and names the operator where there is none."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey("portal.User", models.SET_NULL, null=True, related_name="+")
    actor_name = models.CharField(max_length=254)
    action = models.CharField(max_length=40)
    number = models.ForeignKey("portal.ServiceNumber", models.SET_NULL, null=True, related_name="+")
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = [models.Index(fields=["number", "-id"], name="audit_by_number")]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            self._refuse()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        raise TypeError("The audit trail is only ever added to.")
