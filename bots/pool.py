"""Whose turn it is among the keys of a number.

Those in rotation come before those that rest or are in trouble; then the lower priority number;
equals are drawn by their weight, anew for each question. So a key of weight 3 is asked first three
times as often as its neighbour of weight 1, and whoever fails is followed by the next one.
"""

import random
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from bots.models import ApiKey, KeyStatus
from bots.models.key_status import IN_ROTATION

Opened = tuple[ApiKey, str, str]


def in_turn(keys: Sequence[Opened]) -> list[Opened]:
    """Keys with their base URL and clear text, in the order in which to try them for one answer."""
    if len(keys) < 2:
        return [*keys]
    now = timezone.now()
    return sorted(keys, key=lambda opened: _rank(opened[0], now))


def _rank(key: ApiKey, now: datetime) -> tuple[bool, int, float]:
    """The draw: the greatest of `u ** (1 / weight)` comes first (Efraimidis and Spirakis, 2006)."""
    is_out = key.status not in IN_ROTATION or key.is_resting(now)
    drawn = random.random() ** (1 / max(key.weight, 1))  # noqa: S311  (no secret)
    return is_out, key.priority, -drawn


def seconds_to_wait(key: ApiKey) -> float:
    """How long the provider wants no more calls of this key; 0 where it may be called.

    A key that rests for another reason may: where no other is left, a call that fails is no worse
    than none.
    """
    if key.status != KeyStatus.RATE_LIMITED or key.rests_until is None:
        return 0.0
    return max(0.0, (key.rests_until - timezone.now()).total_seconds())
