"""The call log: one row for each call of the open interface. Never a token, a query or a text."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Door(models.TextChoices):
    """By which family of paths a call came in."""

    DDIO = "ddio", "DDIO"
    OAUTH = "oauth", "OAuth 2"
    WECHAT = "wechat", "WeChat"
    OPENAI = "openai", "OpenAI"


class Outcome(models.TextChoices):
    """How a call ended: WeChat's doors refuse under HTTP 200, so the status alone does not say."""

    OK = "ok", _("OK")
    REFUSED = "refused", _("Refused")
    FAILED = "failed", _("Failed")
    LEFT = "left", _("Caller left")


class Call(models.Model):
    """One call, written once its answer was complete; so ids follow `at` but for a second or two.

    The number is null where the caller named none that exists. It is no constraint of the database:
    a number that was deleted meanwhile must not cost the log a whole batch.
    """

    number = models.ForeignKey(
        "portal.ServiceNumber",
        models.DO_NOTHING,
        null=True,
        related_name="calls",
        db_constraint=False,
        db_index=False,
        verbose_name=_("service number"),
    )
    at = models.DateTimeField(_("ended at"))
    door = models.CharField(_("door"), max_length=8, choices=Door)
    operation = models.CharField(_("operation"), max_length=60)
    method = models.CharField(_("method"), max_length=10)
    status = models.PositiveSmallIntegerField(_("HTTP status"))
    code = models.IntegerField(_("code"))
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome)
    duration_ms = models.PositiveIntegerField(_("duration in ms"))
    address = models.CharField(_("address"), max_length=45)
    request_id = models.CharField(_("request ID"), max_length=64)

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        indexes = [
            models.Index(fields=["number", "-id"], name="call_by_number"),
            models.Index(fields=["request_id", "number", "-id"], name="call_by_request"),
            models.Index(fields=["at"], name="call_by_time"),
        ]

    def __str__(self) -> str:
        return self.request_id


class Gap(models.Model):
    """How many calls a process could not record, and between when and when they ended."""

    began = models.DateTimeField(_("from"))
    ended = models.DateTimeField(_("until"), db_index=True)
    calls = models.PositiveIntegerField(_("calls"))

    class Meta:
        verbose_name = _("gap in the call log")
        verbose_name_plural = _("gaps in the call log")

    def __str__(self) -> str:
        return f"{self.began:%F %T}: {self.calls}"
