"""Whose turn it is among the keys of a number.

Those in rotation come before those that rest or are in trouble; then the lower priority number;
equals are drawn by their weight, anew for each question. So a key of weight 3 is asked first three
times as often as its neighbour of weight 1, and whoever fails is followed by the next one.
"""

import random
import time
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from bots.models import ApiKey, KeyStatus
from bots.models.key_status import IN_ROTATION
from bots.provider_faults import ProviderFault

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


class Lately:
    """What one worker process has seen of its keys since they were read for answers under way."""

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._wanted_again: dict[str, float] = {}

    def seconds_to_wait(self, key: ApiKey) -> float:
        """As above, also where its provider has just said so to another answer."""
        again_at = self._wanted_again.get(key.pk, 0.0)
        if again_at and again_at <= time.monotonic():
            del self._wanted_again[key.pk]
        return max(seconds_to_wait(key), again_at - time.monotonic())

    def has_failed(self, key: ApiKey, fault: ProviderFault) -> None:
        self._failed.add(key.pk)
        if fault.key_status == KeyStatus.RATE_LIMITED and fault.retry_after:
            self._wanted_again[key.pk] = time.monotonic() + fault.retry_after

    def has_answered(self, key: ApiKey) -> bool:
        """Whether that is news: of one that was believed to work, it is none."""
        had_failed = key.pk in self._failed
        self._failed.discard(key.pk)
        return had_failed or key.status != KeyStatus.VALID or key.failures > 0
