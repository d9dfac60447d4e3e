"""appSecrets at rest: digests only, several live at a time, each a generation of its own."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

USE_IS_NOTED_EVERY = timedelta(minutes=1)


class AppSecretQuerySet(models.QuerySet["AppSecret"]):
    def live(self, now: datetime | None = None) -> "AppSecretQuerySet":
        """Neither revoked nor past the end of its overlap. A frozen secret is live but refused."""
        now = now or timezone.now()
        unexpired = Q(expires_at=None) | Q(expires_at__gt=now)
        return self.filter(unexpired, revoked_at=None)

    def note_use(self, now: datetime) -> None:
        """Note that these were used: at most once a minute, whoever else notes it too."""
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_IS_NOTED_EVERY)
        self.filter(stale).update(last_used_at=now)


class AppSecret(models.Model):
    """One appSecret of a number. The secret itself is shown once and never stored."""

    number = models.ForeignKey("portal.ServiceNumber", models.CASCADE, related_name="secrets")
    generation = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    last_four = models.CharField(max_length=4)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = AppSecretQuerySet.as_manager()

    class Meta:
        verbose_name = _("appSecret")
        verbose_name_plural = _("appSecrets")
        constraints = [
            models.UniqueConstraint(fields=["number", "generation"], name="secret_generation_once")
        ]

    def __str__(self) -> str:
        return f"…{self.last_four}"

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class RevokedTokenQuerySet(models.QuerySet["RevokedToken"]):
    def still_dangerous(self, now: datetime | None = None) -> "RevokedTokenQuerySet":
        """Those that would be good for something if they were not revoked."""
        return self.filter(expires_at__gt=now or timezone.now())


class RevokedToken(models.Model):
    """An accessToken that was killed before its time; past that its row is of no use."""

    number = models.ForeignKey("portal.ServiceNumber", models.CASCADE, related_name="+")
    token_id = models.CharField(max_length=32)
    expires_at = models.DateTimeField(db_index=True)

    objects = RevokedTokenQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number", "token_id"], name="token_revoked_once")
        ]

    def __str__(self) -> str:
        return f"{self.number_id}: {self.expires_at:%F %T}"


class AllowedNetwork(models.Model):
    """Where a number's systems may call from: an address or a network (CIDR), of IPv4 or IPv6.

    Without a row they may call from everywhere.
    """

    number = models.ForeignKey("portal.ServiceNumber", models.CASCADE, related_name="networks")
    network = models.CharField(_("address or network"), max_length=43)
    note = models.CharField(_("note"), max_length=60, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("allowed network")
        verbose_name_plural = _("allowed networks")
        constraints = [
            models.UniqueConstraint(fields=["number", "network"], name="network_allowed_once")
        ]

    def __str__(self) -> str:
        return self.network
