"""The robot behind a service number, the versions that it had, and the one that is being tried."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

NOTE_LENGTH_AT_MOST = 200


class Configuration(models.Model):
    """What an answer is made with, and of what there are versions.

    Budgets are in tokens, estimated before the call.
    """

    VERSIONED = ("model", "system_prompt", "temperature", "context_tokens", "answer_tokens")

    model = models.CharField(_("model"), max_length=120)
    system_prompt = models.TextField(_("system prompt"), max_length=20_000, blank=True)
    temperature = models.FloatField(
        _("temperature"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(2)],
    )
    context_tokens = models.PositiveIntegerField(_("context budget"), default=4_000)
    answer_tokens = models.PositiveIntegerField(_("answer budget"), null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def versioned(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.VERSIONED}


class Settings(Configuration):
    """All that an owner sets. What people see at once is plain: there are no versions of it."""

    PLAIN = ("greeting", "suggested_questions", "guests_allowed")

    greeting = models.TextField(_("greeting"), max_length=2_000, blank=True)
    suggested_questions = models.JSONField(_("suggested questions"), default=list, blank=True)
    guests_allowed = models.BooleanField(_("guests allowed"), default=False)

    class Meta:
        abstract = True

    @property
    def settings(self) -> dict[str, Any]:
        return self.versioned | {name: getattr(self, name) for name in self.PLAIN}


class Robot(Settings):
    """What the robot is told and allowed now: the live one, where every answer reads it."""

    number = models.OneToOneField(
        "portal.ServiceNumber", models.CASCADE, primary_key=True, related_name="robot"
    )
    moderated = models.BooleanField(
        _("moderation by the provider"), default=False, db_default=False
    )
    # That of the number's BlockedWords; 0 where it has none.
    words_version = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        verbose_name = _("robot")
        verbose_name_plural = _("robots")

    def __str__(self) -> str:
        return f"{self.number_id}: {self.model}"


class RobotDraft(Settings):
    """What may be live one day: a number's one draft, which answers nobody but trials."""

    number = models.OneToOneField(
        "portal.ServiceNumber", models.CASCADE, primary_key=True, related_name="robot_draft"
    )
    note = models.CharField(max_length=NOTE_LENGTH_AT_MOST, blank=True)
    saved_at = models.DateTimeField()
    saved_by = models.ForeignKey("portal.User", models.SET_NULL, null=True, related_name="+")

    def __str__(self) -> str:
        return f"{self.number_id}: {self.model}"

    @property
    def stamp(self) -> str:
        """Another one as soon as it is saved again: so a page says which draft it shows."""
        return self.saved_at.isoformat()


class RobotVersionQuerySet(models.QuerySet["RobotVersion"]):
    def live(self) -> "RobotVersion | None":
        """Of one number's: the newest. Whoever goes back to an earlier one publishes it anew."""
        return self.order_by("-no").first()


class RobotVersion(Configuration):
    """What was published, once and as it was: rows are added, and never changed.

    `no` counts from 1 in each number. `back_to` is the version whose values it has again.
    """

    number = models.ForeignKey("portal.ServiceNumber", models.CASCADE, related_name="versions")
    no = models.PositiveIntegerField(_("version"))
    note = models.CharField(_("note"), max_length=NOTE_LENGTH_AT_MOST, blank=True)
    back_to = models.PositiveIntegerField(null=True)
    published_at = models.DateTimeField(_("published"), default=timezone.now)
    published_by = models.ForeignKey("portal.User", models.SET_NULL, null=True, related_name="+")

    objects = RobotVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("version of a robot")
        verbose_name_plural = _("versions of robots")
        constraints = [
            models.UniqueConstraint(fields=["number", "no"], name="robot_version_once_per_number"),
        ]

    def __str__(self) -> str:
        return f"{self.number_id}: {self.no}"
