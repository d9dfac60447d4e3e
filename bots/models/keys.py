"""API keys, sealed, with every verdict that was ever given on them."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bots import vault
from portal.ids import new_key_id


class KeyStatus(models.TextChoices):
    PENDING = "pending", _("checking")
    VALID = "valid", _("valid")
    INVALID = "invalid", _("invalid")
    NO_ACCESS = "no_access", _("no access to the model")
    OUT_OF_QUOTA = "out_of_quota", _("out of quota")
    RATE_LIMITED = "rate_limited", _("rate-limited")
    UNREACHABLE = "unreachable", _("unreachable")


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def bound(self) -> "ApiKeyQuerySet":
        return self.filter(removed_at=None)

    def usable(self) -> "ApiKeyQuerySet":
        """In the order in which they are tried. A key without a verdict is tried all the same.

        Only a refused key (401) is left out for good; the other troubles pass by themselves, and
        such keys come last.
        """
        trouble = models.Case(
            models.When(status__in=[KeyStatus.VALID, KeyStatus.PENDING], then=0), default=1
        )
        usable = self.bound().exclude(status=KeyStatus.INVALID)
        return usable.order_by(trouble, "priority", "created_at")


class ApiKey(models.Model):
    """A key bound to a number's robot; `local` ones mean the model that ships with the platform."""

    id = models.CharField(primary_key=True, max_length=40, default=new_key_id)
    number = models.ForeignKey("portal.ServiceNumber", models.CASCADE, related_name="api_keys")
    label = models.CharField(_("label"), max_length=60, blank=True)
    is_local = models.BooleanField(default=False)
    base_url = models.CharField(_("base URL"), max_length=500, blank=True)
    sealed = models.TextField(editable=False, blank=True)
    mask = models.CharField(max_length=20, blank=True)
    status = models.CharField(
        max_length=12, choices=KeyStatus.choices, default=KeyStatus.PENDING, editable=False
    )
    checked_at = models.DateTimeField(null=True, editable=False)
    check_due_at = models.DateTimeField(null=True, editable=False, db_index=True)
    models_listed = models.JSONField(default=list, editable=False)
    priority = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return self.label or self.pk  # not the mask: the admin says this of keys

    def seal(self, api_key: str) -> None:
        self.sealed = vault.seal(api_key, row_id=self.pk, base_url=self.base_url)
        self.mask = vault.mask(api_key)

    def open(self) -> tuple[str, str]:
        """(base URL, key in clear); raises vault.VaultError where the ciphertext does not open."""
        if self.is_local:
            return settings.LOCAL_MODEL_URL, settings.LOCAL_MODEL_API_KEY
        return self.base_url, vault.unseal(self.sealed, row_id=self.pk, base_url=self.base_url)

    def take_verdict(self, status: str, evidence: str, listed: list[str] | None = None) -> None:
        """Keep the verdict with its time; `evidence` never holds the key.

        A verdict on a key that was replaced during its check is nobody's any more.
        """
        now = timezone.now()
        changes: dict[str, Any] = {"status": status, "checked_at": now, "check_due_at": None}
        if listed is not None:
            changes["models_listed"] = listed
        if not ApiKey.objects.filter(pk=self.pk, sealed=self.sealed).update(**changes):
            return
        if status != self.status:
            self.verdicts.create(status=status, evidence=evidence[:500], at=now)
        for name, value in changes.items():
            setattr(self, name, value)


class KeyVerdict(models.Model):
    """A change of what is known of a key, and what showed it."""

    key = models.ForeignKey(ApiKey, models.CASCADE, related_name="verdicts")
    at = models.DateTimeField(default=timezone.now)
    status = models.CharField(max_length=12, choices=KeyStatus.choices)
    evidence = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = _("verdict")
        verbose_name_plural = _("verdicts")

    def __str__(self) -> str:
        return f"{self.key_id}: {self.status}"
