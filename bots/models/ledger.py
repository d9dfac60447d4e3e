"""The ledger: what each upstream call has cost, what may be spent, and what a token's price is.

Tokens are whole numbers. Prices are micro-units (10⁻⁶) of the currency per million tokens, so a
cost, tokens times price, is a whole number, too: of 10⁻¹² of the currency. Nothing is rounded.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from bots.models.chat import Channel

MICRO = 1_000_000
COST_UNIT = MICRO * MICRO  # so many of them are one of the currency


class EntryState(models.TextChoices):
    """How a call ended. RESERVED: it has not, and its figures are the most that it may use."""

    RESERVED = "reserved", _("reserved")
    USED = "used", _("used")
    CANCELLED = "cancelled", _("cancelled")
    FAILED = "failed", _("failed")
    UNKNOWN = "unknown", _("unknown")  # its worker died: charged as reserved


class LedgerEntry(models.Model):
    """One upstream call. `call` counts those of one attempt: the second one failed over.

    Its month and its day (UTC) are those of `at`, when it was reserved. Estimated figures are no
    provider's. The prices stay with the entry, whatever they are later. Its references are not
    checked by the database, which would look up each of them for each call: what they name goes
    with its number alone.
    """

    number = models.ForeignKey(
        "portal.ServiceNumber", models.CASCADE, related_name="ledger", db_index=False
    )
    message = models.ForeignKey(
        "bots.Message",
        models.SET_NULL,
        null=True,
        related_name="ledger",
        db_index=False,
        db_constraint=False,
    )
    person = models.ForeignKey(
        "bots.Person",
        models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    api_key = models.ForeignKey(
        "bots.ApiKey",
        models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    attempt = models.PositiveSmallIntegerField()
    call = models.PositiveSmallIntegerField(default=1)
    model = models.CharField(max_length=120)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    state = models.CharField(max_length=9, choices=EntryState.choices)
    prompt_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    is_estimated = models.BooleanField()
    reserved_tokens = models.BigIntegerField()
    input_price = models.BigIntegerField()
    output_price = models.BigIntegerField()
    cost = models.BigIntegerField()
    at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger")
        constraints = [
            models.UniqueConstraint(
                fields=["message", "attempt", "call"], name="ledger_once_per_call"
            ),
        ]
        indexes = [
            models.Index(fields=["number", "at"], name="ledger_by_number_and_time"),
            models.Index(fields=["person", "at"], name="ledger_by_person_and_time"),
            models.Index(
                fields=["number"], condition=Q(state=EntryState.RESERVED), name="ledger_reserved"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} {self.attempt}.{self.call}"

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class LedgerDay(models.Model):
    """What the entries of one day, model and channel add up to, kept with each that is settled.

    So a year's pages read some hundred rows of it, however many entries there are.
    """

    number = models.ForeignKey(
        "portal.ServiceNumber", models.CASCADE, related_name="ledger_days", db_index=False
    )
    day = models.DateField()
    model = models.CharField(max_length=120)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    used = models.PositiveIntegerField()
    cancelled = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    unknown = models.PositiveIntegerField()
    prompt_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    estimated_tokens = models.BigIntegerField()
    cost = models.BigIntegerField()

    class Meta:
        verbose_name = _("day of the ledger")
        verbose_name_plural = _("days of the ledger")
        constraints = [
            models.UniqueConstraint(
                fields=["number", "day", "model", "channel"], name="ledger_day_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number_id} {self.day} {self.model} {self.channel}"


class Price(models.Model):
    """What a number's owner pays for a million tokens of a model, in micro-units."""

    number = models.ForeignKey(
        "portal.ServiceNumber", models.CASCADE, related_name="prices", db_index=False
    )
    model = models.CharField(_("model"), max_length=120)
    input = models.BigIntegerField()
    output = models.BigIntegerField()

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints = [
            models.UniqueConstraint(fields=["number", "model"], name="price_once_per_model"),
            models.CheckConstraint(
                condition=Q(input__gte=0) & Q(output__gte=0), name="price_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number_id}: {self.model}"


class Budget(models.Model):
    """What a number may spend in a month (UTC), and one person in a day; null: as much as may be.

    Its row is the lock of all who reserve for the number. `warned_*` is the last warning.
    """

    number = models.OneToOneField(
        "portal.ServiceNumber", models.CASCADE, primary_key=True, related_name="budget"
    )
    tokens = models.BigIntegerField(_("tokens a month"), null=True, blank=True)
    micros = models.BigIntegerField(_("money a month"), null=True, blank=True)  # of the currency
    person_asks = models.PositiveIntegerField(_("questions a day"), null=True, blank=True)
    person_tokens = models.BigIntegerField(_("tokens a day"), null=True, blank=True)
    warned_month = models.DateField(null=True, editable=False)
    warned_percent = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")

    def __str__(self) -> str:
        return f"{self.number_id}"

    @property
    def cost(self) -> int | None:
        """The money in the unit of costs."""
        return None if self.micros is None else self.micros * MICRO
