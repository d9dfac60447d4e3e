"""Service numbers, and the states they go through."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal import names
from portal.ids import new_app_id


class State(models.TextChoices):
    DRAFT = "draft", _("draft")
    IN_REVIEW = "in_review", _("in review")
    APPROVED = "approved", _("approved")
    REJECTED = "rejected", _("rejected")
    SUSPENDED = "suspended", _("suspended")
    CLOSED = "closed", _("closed")


class ServiceNumberQuerySet(models.QuerySet["ServiceNumber"]):
    def locked(self, pk: int) -> "ServiceNumber":
        """The row as it is now, to be changed by nobody else before this transaction ends.

        Questions are accepted meanwhile, because they only refer to it (PostgreSQL's NO KEY); an
        answer is settled after it.
        """
        return self.select_for_update(no_key=True).get(pk=pk)


class ServiceNumber(models.Model):
    """A public service number. Its state changes only through `portal.moderation`."""

    app_id = models.CharField("appId", max_length=18, unique=True, default=new_app_id)
    owner = models.ForeignKey("portal.User", models.PROTECT, related_name="numbers")
    name = models.CharField(_("name"), max_length=60)
    name_key = models.CharField(max_length=120, unique=True, editable=False)
    handle = models.SlugField(_("handle"), max_length=40, unique=True)
    introduction = models.TextField(_("introduction"), max_length=500, blank=True)
    avatar_digest = models.CharField(max_length=64, blank=True, editable=False)
    category = models.CharField(_("category"), max_length=40, blank=True)
    state = models.CharField(
        _("state"), max_length=12, choices=State.choices, default=State.DRAFT, editable=False
    )
    state_reason = models.TextField(_("reason"), blank=True, editable=False)
    state_changed_at = models.DateTimeField(default=timezone.now, editable=False)
    record_version = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ServiceNumberQuerySet.as_manager()

    class Meta:
        verbose_name = _("service number")
        verbose_name_plural = _("service numbers")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=State.values), name="number_state_is_known"
            )
        ]
        indexes = [models.Index(fields=["state", "state_changed_at"], name="number_by_state")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.name = names.normalise(self.name)
        names.validate(self.name)
        self.name_key = names.comparison_key(self.name)

    @property
    def answers_people(self) -> bool:
        return self.state == State.APPROVED
