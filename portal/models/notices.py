"""What the platform told a person about one of his numbers."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class NoticeQuerySet(models.QuerySet["Notice"]):
    def unread(self) -> "NoticeQuerySet":
        return self.filter(read_at=None)

    def newest_first(self) -> "NoticeQuerySet":
        """By the time of the decision: the outbox may carry two of them out in another order."""
        return self.order_by("-at", "-pk")

    def older_than(self, notice: "Notice") -> "NoticeQuerySet":
        return self.filter(models.Q(at__lt=notice.at) | models.Q(at=notice.at, pk__lt=notice.pk))


class Notice(models.Model):
    """A decision on a number, or what befell it, for its owner.

    `kind` is the action of the transition, and what `reason` holds depends on it: a moderator's
    words, or facts that whoever announced the kind puts into words (`portal.notices`).
    """

    class Kind(models.TextChoices):
        APPROVE = "approve", _("approved")
        REJECT = "reject", _("rejected")
        SUSPEND = "suspend", _("suspended")
        REINSTATE = "reinstate", _("reinstated")
        KEY_DOWN = "key_down", _("API key out of use")
        KEY_BACK = "key_back", _("API key back in use")
        ROBOT_DOWN = "robot_down", _("no usable API key")
        BUDGET_80 = "budget_80", _("budget 80 percent used")
        BUDGET_100 = "budget_100", _("budget used up")

    user = models.ForeignKey("portal.User", models.CASCADE, related_name="notices")
    number = models.ForeignKey("portal.ServiceNumber", models.CASCADE, related_name="+")
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    reason = models.TextField(_("reason"), blank=True)
    at = models.DateTimeField(_("happened at"))
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(_("read at"), null=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        constraints = [
            # The outbox carries a consequence out at least once; the notice is given once.
            models.UniqueConstraint(fields=["user", "number", "at"], name="notice_once")
        ]
        indexes = [
            models.Index(fields=["user", "-at"], name="notice_by_user"),
            models.Index(
                fields=["user"], condition=models.Q(read_at=None), name="notice_unread_by_user"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.number_id}"
