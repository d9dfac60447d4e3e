"""Waiting for one message's settlement: over a channel that is subscribed to already."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bots import journal
from portal import wakeups
from portal.wakeups import SETTLED


def run(scene: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(scene(), 20))


async def settle(*message_ids: str) -> None:
    await asyncio.to_thread(journal.end_all, [(message_id, 7) for message_id in message_ids])


async def listening() -> wakeups.Hub:
    hub = wakeups.hub()
    async with hub.settling("nobody"):
        while not hub.has_listened_since(time.monotonic()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return hub


def test_it_wakes_whoever_waits_for_the_message():
    async def scene() -> set[bytes]:
        hub = await listening()
        async with hub.settling("a") as woken:
            await settle("a")
            await woken.wait()
            return woken.heard

    assert run(scene) == {SETTLED}


def test_it_leaves_the_others_alone():
    async def scene() -> bool:
        hub = await listening()
        async with hub.settling("a") as first, hub.settling("b") as second:
            await settle("a")
            await first.wait()
            return second.is_set()

    assert run(scene) is False


def test_what_was_settled_a_moment_ago_is_known_at_once():
    async def scene() -> bool:
        hub = await listening()
        async with hub.settling("a") as first:
            await settle("a")
            await first.wait()
        async with hub.settling("a") as second:
            return second.is_set()

    assert run(scene) is True


def test_two_that_wait_for_the_same_are_woken_both():
    async def scene() -> None:
        hub = await listening()
        async with hub.settling("a") as first, hub.settling("a") as second:
            await settle("a")
            await asyncio.gather(first.wait(), second.wait())

    run(scene)


def test_it_remembers_a_bounded_number(monkeypatch):
    monkeypatch.setattr(wakeups, "SETTLED_REMEMBERED", 2)

    async def scene() -> list[str]:
        hub = await listening()
        async with hub.settling("c") as last:
            await settle("a", "b", "c")
            await last.wait()
        return list(hub._settled)

    assert run(scene) == ["b", "c"]


def test_whoever_has_waited_leaves_nothing_behind():
    async def scene() -> list[str]:
        hub = await listening()
        async with hub.settling("a"):
            pass
        return list(hub._waiting)

    assert run(scene) == []


def test_without_valkey_it_has_not_listened(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    async def scene() -> bool:
        hub = wakeups.hub()
        async with hub.settling("a") as woken:
            await asyncio.sleep(0.05)
            return hub.is_listening or woken.is_set()

    assert run(scene) is False
