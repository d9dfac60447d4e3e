"""API keys, sealed, with every verdict that was ever given on them.

A key that fails rests: until then it is asked only after all others of its number, and the longer
the more often it has failed. Its own row is the queue of record of the checks that bring it back.
"""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bots import vault
from bots.models.key_status import (
    IN_ROTATION,
    PATIENCE,
    SOFT,
    KeyStatus,
    as_told,
    rest_seconds,
)
from portal import outbox
from portal.ids import new_key_id

BUSY_CHECK_AFTER = timedelta(minutes=1)


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
        """In the order in which they are tried; equals take turns by their weight (`bots.plans`).

        A key without a verdict is tried all the same. Only a refused key (401) is left out; those
        in other trouble, and those that rest, come last.
        """
        asked_first = models.Q(status__in=IN_ROTATION) & (
            models.Q(rests_until=None) | models.Q(rests_until__lte=timezone.now())
        )
        usable = self.in_charge().exclude(status=KeyStatus.INVALID)
        rank = models.Case(models.When(asked_first, then=0), default=1)
        return usable.annotate(rank=rank).order_by("rank", "priority", "created_at")


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
    weight = models.PositiveSmallIntegerField(default=1, db_default=1)
    # In a row; an answer begins anew.
    failures = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    rests_until = models.DateTimeField(null=True, editable=False)
    # What its owner was told last: see `as_told`.
    told = models.CharField(max_length=12, blank=True, default="", db_default="", editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True, editable=False)

    LOCAL_LANE = "local"
    CHANGED = "key.changed"  # the topic of the outbox under which its owner is told
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

    def is_resting(self, now: datetime) -> bool:
        return self.rests_until is not None and now < self.rests_until

    def take_verdict(self, status: str, evidence: str, retry_after: float | None = None) -> None:
        """Keep what an answer showed; `evidence` never holds the key, `retry_after` is in seconds.

        A check knows better: one that its owner waits for, and one that has come meanwhile. This
        instance stays as it was read: what it is the fence of, another answer's may be as well.
        """
        known = ApiKey.objects.filter(checked_at=self.checked_at)
        with transaction.atomic():
            row = self._locked(known.exclude(status=KeyStatus.PENDING))
            if row is None:
                return
            if status == KeyStatus.VALID:
                row.failures = 0
            elif not row.fail(status, retry_after):
                row.save(update_fields=["failures"])
                return
            row.keep(status, evidence)

    def end_check(
        self,
        status: str,
        evidence: str,
        listed: list[str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Keep the verdict of the check that `bots.keys.begin_check` began.

        Nobody's any more is that of a check which another was asked for, or begun, after.
        """
        with transaction.atomic():
            row = self._locked(ApiKey.objects.filter(check_due_at=self.check_due_at))
            if row is None:
                return
            if listed is not None:
                row.models_listed = listed
            if status != KeyStatus.VALID:
                row.fail(status, retry_after, patience=1)
            elif row.status == KeyStatus.PENDING:
                row.failures = 0  # otherwise only an answer shows that it is over
            row.keep(status, evidence)
        self._become(row)

    def _locked(self, known: models.QuerySet["ApiKey"]) -> "ApiKey | None":
        """The row, if it is among these. A key that was replaced or removed is nobody's."""
        same = known.filter(pk=self.pk, generation=self.generation, removed_at=None)
        return same.select_for_update(of=("self",), no_key=True).first()

    def fail(self, status: str, retry_after: float | None, patience: int = PATIENCE) -> bool:
        """Count a failure, and rest after it; whether this says something of the key by now.

        What fails during its rest was asked for want of others: it makes the rest no longer. But
        how long one that is too fast wants to be left alone, only its provider knows.
        """
        now = timezone.now()
        rests = self.is_resting(now)
        if not rests:
            self.failures += 1
        if status in SOFT and self.failures < patience:
            return False
        if not rests or status == KeyStatus.RATE_LIMITED:
            seconds = rest_seconds(status, self.failures, retry_after)
            self.rests_until = now + timedelta(seconds=seconds)
        return True

    def keep(self, status: str, evidence: str) -> None:
        """The verdict, what it means for the checks to come, and its place in the history.

        Where all was well and is, nothing else is outdated by it.
        """
        was, is_first = self.status, self.checked_at is None
        self.status = status
        if self.checked_at is None or (was, status) != (KeyStatus.VALID, KeyStatus.VALID):
            self.checked_at = timezone.now()
        if status == KeyStatus.VALID:
            self.rests_until = None
        self.check_due_at = self.rests_until
        if status == KeyStatus.RATE_LIMITED and self.rests_until:
            self.check_due_at = self.rests_until + BUSY_CHECK_AFTER  # an answer comes before it
        if status != was:
            self.verdicts.create(status=status, evidence=evidence[:500], at=self.checked_at)
        self._tell_owner(evidence, is_watching=was == KeyStatus.PENDING, is_first=is_first)
        self.save(update_fields=[*_KEPT])

    def _tell_owner(self, evidence: str, *, is_watching: bool, is_first: bool) -> None:
        """Once for each change; not of what he asked for and sees, nor of the simulator."""
        telling = as_told(self.status)
        if telling is None or telling == self.told:
            return
        # A check that succeeds while answers fail again and again: one of those has to succeed.
        if not telling and self.failures > PATIENCE:
            return
        self.told = telling
        if self.is_sandbox or (is_watching and (is_first or not telling)):
            return
        outbox.add(
            self.CHANGED,
            key=self.pk,
            number=self.number_id,
            status=self.status,
            evidence=evidence[:500],
            at=self.checked_at.isoformat() if self.checked_at else "",
        )

    def _become(self, row: "ApiKey") -> None:
        for name in _KEPT:
            setattr(self, name, getattr(row, name))


_KEPT = ("status", "checked_at", "check_due_at", "models_listed", "failures", "rests_until", "told")


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
