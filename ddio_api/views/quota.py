"""What is left of the limits; looking takes nothing but the request itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bots import quotas, trials, usage
from ddio_api import limits
from ddio_api.base import DdioView
from ddio_api.docs import quota as docs
from ddio_api.items import timestamp
from portal import counters


class QuotaView(DdioView):
    """The app's limits as they stand."""

    @extend_schema(**docs.QUOTA)
    def get(self, request: Request) -> Response:
        now = timezone.now()
        midnight = now.astimezone(UTC) + timedelta(seconds=counters.seconds_to_midnight())
        midnight = midnight.replace(hour=0, minute=0, second=0, microsecond=0)
        result = {
            "requests": self._requests(now),
            "asks": self._asks(midnight),
            "tokens": self._tokens(midnight),
        }
        return self.reply(result)

    def _requests(self, now: datetime) -> dict[str, Any]:
        level = limits.level(self.number.pk)
        full_at = now + timedelta(seconds=level.until_full)
        return _left(settings.DDIO_REQUEST_BURST, level.remaining, full_at)

    def _asks(self, midnight: datetime) -> dict[str, Any]:
        """Of a number that answers only its owner's trials: what ends those sooner."""
        asks = [quotas.limit_of_number(self.number.pk)]
        if not self.number.answers_people:
            asks.append(trials.limit_of(self.number))
        left = [(limit.at_most - limit.used(), limit.at_most) for limit in asks]
        remaining, at_most = min(left)
        return _left(at_most, max(0, remaining), midnight)

    def _tokens(self, midnight: datetime) -> dict[str, Any]:
        """The month's budget. Where there is none nothing ends, and what was used today is told."""
        standing = usage.standing(self.number.pk)
        tokens = standing.tokens
        if tokens.limit is None:
            return _left(None, None, midnight) | {"used": standing.tokens_today}
        left = _left(tokens.limit, tokens.remaining, standing.resets_at)
        return left | {"used": tokens.spent}


def _left(limit: int | None, remaining: int | None, reset_at: datetime) -> dict[str, Any]:
    return {"limit": limit, "remaining": remaining, "resetAt": timestamp(reset_at)}
