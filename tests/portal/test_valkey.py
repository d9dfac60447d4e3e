"""Valkey away degrades quickly; wake-ups reach every reader and survive a lost connection."""

import asyncio
import time

import pytest
import redis
from django.conf import settings as django_settings

from portal import valkey, wakeups


@pytest.fixture
def nowhere(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"


def test_a_command_is_answered():
    assert valkey.ask(lambda client: client.incr("n")) == 1
    assert asyncio.run(valkey.ask_async(lambda client: client.incr("n"))) == 2


def test_away_is_said_quickly_and_remembered_for_a_moment(nowhere):
    began = time.monotonic()
    with pytest.raises(valkey.Unavailable):
        valkey.ask(lambda client: client.ping())
    with pytest.raises(valkey.Unavailable):
        valkey.ask(lambda client: pytest.fail("nobody asks again so soon"))
    assert time.monotonic() - began < 2


def test_a_full_server_counts_as_away():
    def full(client):
        raise redis.exceptions.OutOfMemoryError

    with pytest.raises(valkey.Unavailable):
        valkey.ask(full)


def test_a_wake_up_reaches_all_readers_of_its_channel_and_no_other():
    async def scene() -> list[bool]:
        hub = wakeups.hub()
        async with (
            hub.listening("a") as first,
            hub.listening("a") as second,
            hub.listening("b") as other,
        ):
            await asyncio.to_thread(wakeups.publish, "a")
            async with asyncio.timeout(2):
                await asyncio.gather(first.wait(), second.wait())
            return [first.is_set(), second.is_set(), other.is_set()]

    assert asyncio.run(scene()) == [True, True, False]


def test_readers_hear_again_after_the_connection_was_lost():
    async def scene() -> bool:
        async with wakeups.hub().listening("a") as woken:
            client = redis.Redis.from_url(django_settings.REDIS_URL)
            await asyncio.to_thread(client.client_kill_filter, _type="pubsub")
            async with asyncio.timeout(8):
                while not woken.is_set():
                    await asyncio.to_thread(wakeups.publish, "a")
                    await asyncio.sleep(0.05)
            return woken.is_set()

    assert asyncio.run(scene())


def test_a_channel_that_nobody_reads_is_left():
    """But for the one that tells what is settled, to which every process listens for good."""

    async def scene() -> list[bytes]:
        async with wakeups.hub().listening("a"), wakeups.hub().listening("b"):
            pass
        await asyncio.sleep(0.1)
        client = redis.Redis.from_url(django_settings.REDIS_URL)
        return await asyncio.to_thread(client.pubsub_channels)

    assert asyncio.run(scene()) == [wakeups.SETTLEMENTS.encode()]


def test_waiting_without_valkey_does_not_hang(nowhere):
    async def scene() -> float:
        began = time.monotonic()
        async with wakeups.hub().listening("a") as woken:
            assert not woken.is_set()
        return time.monotonic() - began

    assert asyncio.run(scene()) < 2


def test_a_reader_that_is_cancelled_ends_whenever_that_happens():
    """Also in the very moment in which the reply comes."""

    async def read_on() -> None:
        while True:
            await valkey.ask_async(lambda client: client.get("n"))

    async def cancel_some() -> int:
        lost = 0
        for index in range(300):
            reading = asyncio.create_task(read_on())
            await asyncio.sleep((index % 60) * 0.0001)
            reading.cancel()
            await asyncio.wait({reading}, timeout=0.5)
            lost += not reading.done()
            reading.cancel()
        return lost

    assert asyncio.run(cancel_some()) == 0
