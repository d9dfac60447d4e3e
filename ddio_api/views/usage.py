"""What the number's calls have used and cost."""

from datetime import date
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bots import money, months, usage
from bots.usage import Meter, Sums
from ddio_api.base import DdioView
from ddio_api.docs import usage as docs
from ddio_api.items import timestamp
from ddio_api.serializers import UsageQuerySerializer


class UsageView(DdioView):
    """A month of the number's ledger."""

    @extend_schema(**docs.USAGE)
    def get(self, request: Request) -> Response:
        month = self.checked_query(UsageQuerySerializer).get("month")
        return self.reply(self._month(month or months.month_of(timezone.now())))

    def _month(self, month: date) -> dict[str, Any]:
        spent = usage.of_month(self.number, month)
        days = spent.by_day.items()
        return {
            "month": f"{month:%Y-%m}",
            "currency": settings.CURRENCY,
            "totals": _sums(spent.total),
            "days": [{"day": day.isoformat()} | _sums(sums) for day, sums in days],
            "models": [{"model": name} | _sums(sums) for name, sums in spent.by_model.items()],
            "channels": [
                {"channel": name} | _sums(sums) for name, sums in spent.by_channel.items()
            ],
            "budget": self._budget(),
        }

    def _budget(self) -> dict[str, Any]:
        """That of the month that it is now."""
        standing = usage.standing(self.number.pk)
        tokens, cost = standing.tokens, standing.cost
        return {
            "resetAt": timestamp(standing.resets_at),
            "tokens": None if tokens.limit is None else _meter(tokens),
            "money": None
            if cost.limit is None
            else {name: money.cost(units) for name, units in _meter(cost).items()},
        }


def _meter(meter: Meter) -> dict[str, int]:
    return {
        "limit": meter.limit or 0,
        "spent": meter.spent,
        "reserved": meter.reserved,
        "remaining": meter.remaining or 0,
    }


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "calls": {
            "used": sums.used,
            "cancelled": sums.cancelled,
            "failed": sums.failed,
            "unknown": sums.unknown,
        },
        "promptTokens": sums.prompt_tokens,
        "completionTokens": sums.completion_tokens,
        "totalTokens": sums.tokens,
        "estimatedTokens": sums.estimated_tokens,
        "cost": money.cost(sums.cost),
    }
