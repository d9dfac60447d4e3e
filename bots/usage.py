"""What a number's calls have used, by day, model and channel; it adds up to the ledger.

Reads the days of the ledger: some hundred rows for a month, however many calls it had.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from bots import months
from bots.models import LedgerDay
from bots.models.ledger import MICRO
from portal import statements
from portal.models import ServiceNumber


@dataclass
class Sums:
    """Calls by how they ended, their tokens, and their cost (10⁻¹² of the currency)."""

    used: int = 0
    cancelled: int = 0
    failed: int = 0
    unknown: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated_tokens: int = 0
    cost: int = 0

    @property
    def calls(self) -> int:
        return self.used + self.cancelled + self.failed + self.unknown

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def is_estimated(self) -> bool:
        """Whether any of it is no provider's figure."""
        return self.estimated_tokens > 0

    def add(self, day: LedgerDay) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(day, each.name))


@dataclass(frozen=True)
class Usage:
    """The sums of some days, and how they come about; what is most first, days in their order."""

    total: Sums
    by_day: dict[date, Sums]
    by_model: dict[str, Sums]
    by_channel: dict[str, Sums]


def of_month(number: ServiceNumber, month: date) -> Usage:
    return _usage(_days(number, month, months.next_month(month)))


def of_last_days(number: ServiceNumber, count: int) -> dict[date, Sums]:
    """The newest day first, those without a call, too."""
    today = months.day_of(timezone.now())
    spent = _usage(_days(number, today - timedelta(days=count - 1), today + timedelta(days=1)))
    days = (today - timedelta(days=back) for back in range(count))
    return {day: spent.by_day.get(day, Sums()) for day in days}


def months_of(number: ServiceNumber) -> list[date]:
    """The months that had a call, the newest first, and this one in any case."""
    days = LedgerDay.objects.filter(number=number).dates("day", "month", order="DESC")
    return sorted({*days, months.month_of(timezone.now())}, reverse=True)


def _days(number: ServiceNumber, first: date, end: date) -> Iterable[LedgerDay]:
    return LedgerDay.objects.filter(number=number, day__gte=first, day__lt=end).order_by("day")


def _usage(days: Iterable[LedgerDay]) -> Usage:
    total = Sums()
    by_day: dict[date, Sums] = defaultdict(Sums)
    by_model: dict[str, Sums] = defaultdict(Sums)
    by_channel: dict[str, Sums] = defaultdict(Sums)
    for each in days:
        for sums in (total, by_day[each.day], by_model[each.model], by_channel[each.channel]):
            sums.add(each)
    return Usage(total, dict(by_day), _most_first(by_model), _most_first(by_channel))


def _most_first(sums: dict[str, Sums]) -> dict[str, Sums]:
    def most(named: tuple[str, Sums]) -> tuple[int, int, str]:
        name, each = named
        return -each.tokens, -each.calls, name

    return dict(sorted(sums.items(), key=most))


# Budgets ------------------------------------------------------------------------------------------


class Meter(NamedTuple):
    """A limit of this month, what is spent of it, and what is reserved for calls under way."""

    limit: int | None
    spent: int
    reserved: int

    @property
    def remaining(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.spent - self.reserved)

    @property
    def mark(self) -> int:
        """Where the first warning comes."""
        return (self.limit or 0) * 80 // 100

    @property
    def percent(self) -> int:
        """How much of the limit is spent."""
        return self.spent * 100 // self.limit if self.limit else 100


@dataclass(frozen=True)
class Standing:
    """A number's budget as it stands: tokens, and cost in 10⁻¹² of the currency."""

    tokens: Meter
    cost: Meter
    tokens_today: int
    resets_at: datetime


# In one statement, so that a call that is settled meanwhile is in one of the sums.
_STANDING = """SELECT b.tokens, b.micros, settled.*, reserved.*
    FROM (SELECT COALESCE(SUM(prompt_tokens + completion_tokens), 0), COALESCE(SUM(cost), 0),
            COALESCE(SUM(CASE WHEN day = %s THEN prompt_tokens + completion_tokens ELSE 0 END), 0)
        FROM bots_ledgerday WHERE number_id = %s AND day >= %s) AS settled
    CROSS JOIN (SELECT COALESCE(SUM(prompt_tokens + completion_tokens), 0), COALESCE(SUM(cost), 0)
        FROM bots_ledgerentry WHERE number_id = %s AND state = 'reserved') AS reserved
    LEFT JOIN bots_budget AS b ON b.number_id = %s"""


def standing(number_id: int) -> Standing:
    today = months.day_of(timezone.now())
    month = today.replace(day=1)
    values = [statements.day(today), number_id, statements.day(month)]
    values += [number_id, number_id]
    [[tokens, micros, *sums]] = statements.rows(_STANDING, values)
    spent, spent_cost, of_today, reserved, reserved_cost = map(int, sums)
    return Standing(
        Meter(tokens, spent, reserved),
        Meter(None if micros is None else micros * MICRO, spent_cost, reserved_cost),
        of_today,
        months.midnight(months.next_month(month)),
    )
