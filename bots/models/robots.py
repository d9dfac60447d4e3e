"""The robot behind a service number."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Robot(models.Model):
    """What the robot is told and allowed. Budgets are in tokens, estimated before the call."""

    number = models.OneToOneField(
        "portal.ServiceNumber", models.CASCADE, primary_key=True, related_name="robot"
    )
    model = models.CharField(_("model"), max_length=120)
    system_prompt = models.TextField(_("system prompt"), max_length=20_000, blank=True)
    temperature = models.FloatField(
        _("temperature"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(2)],
    )
    greeting = models.TextField(_("greeting"), max_length=2_000, blank=True)
    suggested_questions = models.JSONField(_("suggested questions"), default=list, blank=True)
    guests_allowed = models.BooleanField(_("guests allowed"), default=False)
    context_tokens = models.PositiveIntegerField(_("context budget"), default=4_000)
    answer_tokens = models.PositiveIntegerField(_("answer budget"), null=True, blank=True)
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
