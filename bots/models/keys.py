"""API keys, sealed, with every verdict that was ever given on them."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext
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

    def sealed(self) -> "ApiKeyQuerySet":
        """Those with a ciphertext: neither removed nor built in."""
        return self.exclude(sealed="")

    def are_simulated(self) -> bool:
        """Whether the bound keys of these, which are one number's, are the simulator's alone."""
        return set(self.bound().values_list("is_sandbox", flat=True)) == {True}

    def in_charge(self) -> "ApiKeyQuerySet":
        """The bound ones, of which the simulator counts only where its number has no other.

        Or people would be given simulated answers on the day on which a real key breaks.
        """
        real = ApiKey.objects.bound().filter(number=models.OuterRef("number"), is_sandbox=False)
        return self.bound().filter(models.Q(is_sandbox=False) | ~models.Exists(real))

    def usable(self) -> "ApiKeyQuerySet":
        """In the order in which they are tried. A key without a verdict is tried all the same.

        Only a refused key (401) is left out for good; the other troubles pass by themselves, and
        such keys come last.
        """
        trouble = models.Case(
            models.When(status__in=[KeyStatus.VALID, KeyStatus.PENDING], then=0), default=1
        )
        usable = self.in_charge().exclude(status=KeyStatus.INVALID)
        return usable.order_by(trouble, "priority", "created_at")


class ApiKey(models.Model):
    """A key bound to a number's robot.

    `local` ones mean the model that ships with the platform, `sandbox` ones its simulator.
    """

    id = models.CharField(primary_key=True, max_length=40, default=new_key_id)
    number = models.ForeignKey("portal.ServiceNumber", models.CASCADE, related_name="api_keys")
    label = models.CharField(_("label"), max_length=60, blank=True)
    is_local = models.BooleanField(default=False)
    is_sandbox = models.BooleanField(default=False, db_default=False)
    base_url = models.CharField(_("base URL"), max_length=500, blank=True)
    sealed = models.TextField(editable=False, blank=True)
    # The master key's fingerprint. Blank: sealed by a release that did not note it.
    sealed_with = models.CharField(
        max_length=16, blank=True, default="", db_default="", editable=False
    )
    # Counts the keys that were typed into this row; sealed anew, a key stays the same one.
    generation = models.PositiveIntegerField(default=0, db_default=0, editable=False)
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

    LOCAL_LANE = "local"
    SEALED = ("sealed", "sealed_with", "mask", "generation")  # what `seal` sets

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        """Not its mask: the admin says this of keys, and so does the review desk."""
        if self.label:
            return self.label
        if self.is_built_in:
            return gettext("Simulator") if self.is_sandbox else gettext("Built-in model")
        return urlsplit(self.base_url).hostname or self.pk

    @property
    def is_built_in(self) -> bool:
        """Whether it means a part of the platform, and has neither base URL nor key of its own."""
        return self.is_local or self.is_sandbox

    @property
    def lane(self) -> str:
        """What calls with this key are counted with: the built-in model is one for all numbers.

        The simulator is not: one number's calls that hang there must not keep another's waiting.
        """
        return self.LOCAL_LANE if self.is_local else self.pk

    def seal(self, api_key: str) -> None:
        sealed = vault.seal(api_key, row_id=self.pk, base_url=self.base_url)
        self.sealed, self.sealed_with = sealed
        self.mask = vault.mask(api_key)
        self.generation += 1

    def open(self) -> tuple[str, str]:
        """(base URL, key in clear); raises vault.VaultError where the ciphertext does not open."""
        if self.is_local:
            return settings.LOCAL_MODEL_URL, settings.LOCAL_MODEL_API_KEY
        if self.is_sandbox:
            return settings.SIMULATOR_URL.rstrip("/"), settings.SIMULATOR_API_KEY
        return self.base_url, vault.unseal(self.sealed, row_id=self.pk, base_url=self.base_url)

    def take_verdict(self, status: str, evidence: str) -> None:
        """Keep what an answer showed; `evidence` never holds the key.

        A check knows better, one that is still to come and one that has come meanwhile.
        """
        known = ApiKey.objects.filter(check_due_at=None, checked_at=self.checked_at)
        self._keep_verdict(known, {"status": status}, evidence)

    def end_check(self, status: str, evidence: str, listed: list[str] | None = None) -> None:
        """Keep the verdict of the check that `bots.keys.begin_check` began.

        Nobody's any more is that of a check which another was asked for, or begun, after.
        """
        changes: dict[str, Any] = {"status": status, "check_due_at": None}
        if listed is not None:
            changes["models_listed"] = listed
        begun = ApiKey.objects.filter(check_due_at=self.check_due_at)
        self._keep_verdict(begun, changes, evidence)

    def _keep_verdict(
        self, known: models.QuerySet["ApiKey"], changes: dict[str, Any], evidence: str
    ) -> None:
        """A verdict on a key that was replaced or removed meanwhile is nobody's either."""
        changes["checked_at"] = timezone.now()
        here = known.filter(pk=self.pk, generation=self.generation, removed_at=None)
        with transaction.atomic():
            if not here.update(**changes):
                return
            if changes["status"] != self.status:
                self.verdicts.create(
                    status=changes["status"], evidence=evidence[:500], at=changes["checked_at"]
                )
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
