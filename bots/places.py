"""How many calls one worker process makes at once with each key: the others wait for a place.

The built-in model answers a few at a time, whichever number asks it, and so has one queue.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.conf import settings

from bots.models import ApiKey


class Places:
    """First come, first served, for each key."""

    def __init__(self) -> None:
        self._queues: dict[str, asyncio.Semaphore] = {}
        self._taken: Counter[str] = Counter()

    @asynccontextmanager
    async def taken(self, key: ApiKey) -> AsyncIterator[None]:
        """Wait for a place with the key, and have it while the context lasts."""
        queue = self._queues.setdefault(key.lane, asyncio.Semaphore(at_most(key.lane)))
        self._taken[key.lane] += 1  # whoever waits counts: no more should be claimed for it
        try:
            async with queue:
                yield
        finally:
            self._taken[key.lane] -= 1
            if not self._taken[key.lane]:
                del self._taken[key.lane], self._queues[key.lane]

    def left(self, lane: str) -> int:
        return max(0, at_most(lane) - self._taken[lane])


def at_most(lane: str) -> int:
    return settings.LOCAL_MODEL_SLOTS if lane == ApiKey.LOCAL_LANE else settings.ANSWERS_PER_KEY
