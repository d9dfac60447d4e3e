"""Waiting for a message to settle or a feed to grow, on the event loop alone.

A wake-up is a hint that may get lost; so each wait also looks by itself every few seconds, and more
often while Valkey is away and that look is the only way.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from bots import feed
from bots.models import Message
from portal import wakeups
from portal.ending import stopping
from portal.hold import in_thread
from portal.wakeups import Woken

LOOK_SECONDS = 5.0
LOOK_SECONDS_WITHOUT_WAKEUPS = 2.0


def _is_settled(message_id: str) -> bool:
    return not Message.objects.unsettled().filter(pk=message_id).exists()


def _has_entries(query: feed.Query) -> bool:
    page = feed.read(replace(query, limit=1))
    return bool(page.entries) or page.has_more


def settled(
    message_id: str, seconds: float, asked_after: float = 0.0
) -> Callable[[], Awaitable[None]]:
    """Returns when the message is settled or the time is up.

    Whoever has just asked says since when (time.monotonic): then there is no need to look first.
    """

    async def wait() -> None:
        deadline = time.monotonic() + seconds
        async with wakeups.hub().settling(message_id) as woken:
            is_new = asked_after and wakeups.hub().has_listened_since(asked_after)
            if is_new and await _is_woken(woken, deadline):
                return
            await _until(lambda: in_thread(_is_settled, message_id), woken, deadline)

    return wait


def grown(query: feed.Query, seconds: float) -> Callable[[], Awaitable[None]]:
    """Returns when the query finds something, when there is more to look at, or at the end."""

    async def wait() -> None:
        deadline = time.monotonic() + seconds
        async with wakeups.hub().listening(wakeups.number_channel(query.number_id)) as woken:
            await _until(lambda: in_thread(_has_entries, query), woken, deadline)

    return wait


async def _until(true: Callable[[], Awaitable[bool]], woken: Woken, deadline: float) -> None:
    """Look, then wait to be woken or for some seconds, and so on; a stopping process lets go."""
    while not await true():
        if time.monotonic() >= deadline or stopping().is_set():
            return
        if await _is_woken(woken, deadline):
            woken.clear()


async def _is_woken(woken: Woken, deadline: float) -> bool:
    """Wait for a wake-up, but not past the moment in which to look again."""
    try:
        async with asyncio.timeout(min(_patience(), deadline - time.monotonic())):
            await woken.wait()
    except TimeoutError:
        return False
    return True


def _patience() -> float:
    """Spread, or a thousand readers would all look at the same moment."""
    listens = wakeups.hub().is_listening
    seconds = LOOK_SECONDS if listens else LOOK_SECONDS_WITHOUT_WAKEUPS
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311
