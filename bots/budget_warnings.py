"""Telling of a month's budget that comes to its end: at 80 and at 100 per cent, each once a month.

The word goes into portal's outbox, under WARNED: `number`, `month` (its first day), `percent` and
`at`; from there the owner is told, in the console and by mail.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from bots import months
from bots.models import Budget, Message
from bots.models.ledger import MICRO
from portal import notices, outbox, statements
from portal.models import Notice, ServiceNumber

WARNED = "budget.warned"
NEAR, SPENT = 80, 100  # percent

_SPENT = """SELECT b.number_id, b.tokens, b.micros,
    (SELECT COALESCE(SUM(prompt_tokens + completion_tokens), 0) FROM bots_ledgerday
        WHERE number_id = b.number_id AND day >= %s),
    (SELECT COALESCE(SUM(cost), 0) FROM bots_ledgerday
        WHERE number_id = b.number_id AND day >= %s)
    FROM bots_budget AS b WHERE (b.tokens IS NOT NULL OR b.micros IS NOT NULL)
    AND NOT (b.warned_percent >= 100 AND b.warned_month = %s) AND {these} ORDER BY b.number_id"""


def look(settled: Iterable[Message], now: datetime) -> None:
    """Warn the numbers that have come near their budgets by these; in the same transaction."""
    limited = {message.number_id for message in settled if message.tab and message.tab.is_limited}
    if not limited:
        return
    month = months.month_of(now)
    these, ids = statements.among("b.number_id", sorted(limited))
    since = statements.day(month)
    for number_id, tokens, micros, used, cost in statements.rows(
        _SPENT.format(these=these), [since, since, since, *ids]
    ):
        cost_at_most = None if micros is None else micros * MICRO
        percent = max(_percent(used, tokens), _percent(cost, cost_at_most))
        if percent >= NEAR:
            warn(number_id, month, SPENT if percent >= SPENT else NEAR)


def _percent(used: int, at_most: int | None) -> int:
    if at_most is None:
        return 0
    return int(used) * 100 // at_most if at_most else 100


def warn(number_id: int, month: date, percent: int) -> None:
    """Once, however often it is said, until the budget is another one; inside a transaction."""
    told = Q(warned_month=month, warned_percent__gte=percent)
    unaware = Budget.objects.filter(~told | Q(warned_month=None), number=number_id)
    if unaware.update(warned_month=month, warned_percent=percent):
        of_month = {"month": month.isoformat(), "percent": percent}
        outbox.add(WARNED, number=number_id, at=timezone.now().isoformat(), **of_month)


def tell(payload: dict[str, Any]) -> None:
    """Carry out WARNED."""
    number = ServiceNumber.objects.select_related("owner").filter(pk=payload["number"]).first()
    if number:
        kind = Notice.Kind.BUDGET_100 if payload["percent"] >= SPENT else Notice.Kind.BUDGET_80
        told = {"number": number.pk, "action": kind, "reason": "", "at": payload["at"]}
        notices.tell_owner(number, told)
