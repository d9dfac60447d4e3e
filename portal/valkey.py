"""Valkey (or Redis): one sync client for each thread, one async client for each event loop.

Rule 9 of the promise: Valkey away degrades, it does not break. Callers catch `Unavailable`, which
comes quickly: short socket timeouts, and a pause after a failure in which nobody waits again.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

SOCKET_SECONDS = 0.5
PAUSE_SECONDS = 1.0
CONNECTIONS_PER_LOOP = 32
# A lost connection is worth a second try; after a timeout the first one may still be counted.
LOST = (redis.ConnectionError,)
TURN_SECONDS = 2.0
HEALTH_CHECK_SECONDS = 15


Answer = TypeVar("Answer")


class Unavailable(Exception):
    """Valkey does not answer, or refuses to write; go on without it."""


class _Pause:
    """The moment until which Valkey is taken to be away."""

    until = 0.0

    @classmethod
    def begin(cls) -> None:
        cls.until = time.monotonic() + PAUSE_SECONDS

    @classmethod
    def lasts(cls) -> bool:
        return time.monotonic() < cls.until


class _Mine(threading.local):
    """This thread's client, and the URL that it is for."""

    url = ""
    client: redis.Redis


_mine = _Mine()


def _sync_client(url: str) -> redis.Redis:
    """A client of this thread's own, on one connection that it keeps.

    A pool would look at the socket before each command whether something stale waits there: one
    system call more, and one occasion more for another thread to take the turn.
    """
    if _mine.url != url:
        _mine.client = redis.Redis.from_url(
            url,
            single_connection_client=True,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
            retry=Retry(NoBackoff(), 1, supported_errors=LOST),
        )
        _mine.url = url
    return _mine.client


_async_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, redis.asyncio.Redis] = (
    WeakKeyDictionary()
)


def async_client() -> redis.asyncio.Redis:
    """This event loop's shared client: hundreds of answers take turns on a few connections."""
    loop = asyncio.get_running_loop()
    if loop not in _async_clients:
        pool: Any = BlockingConnectionPool.from_url(
            settings.REDIS_URL,
            max_connections=CONNECTIONS_PER_LOOP,
            timeout=TURN_SECONDS,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
            retry=AsyncRetry(NoBackoff(), 1, supported_errors=LOST),
        )
        _async_clients[loop] = redis.asyncio.Redis(connection_pool=pool)
    return _async_clients[loop]


def listening_client() -> redis.asyncio.Redis:
    """A client of the caller's own for a read that waits for ever; close it after use."""
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=None,
        socket_connect_timeout=SOCKET_SECONDS,
        health_check_interval=HEALTH_CHECK_SECONDS,
    )


def ask(command: Callable[[redis.Redis], Answer]) -> Answer:
    """Run a command in a thread; raises Unavailable."""
    if _Pause.lasts():
        raise Unavailable
    try:
        return command(_sync_client(settings.REDIS_URL))
    except (redis.RedisError, OSError) as error:
        _Pause.begin()
        raise Unavailable(type(error).__name__) from error


async def ask_async(
    command: Callable[[redis.asyncio.Redis], Awaitable[Answer]],
) -> Answer:
    """Run a command on the event loop; raises Unavailable.

    Python 3.11's `asyncio.wait_for`, through which redis-py reads, swallows a cancellation that
    comes with the reply: without a look at the task, a reader whose client is gone would read on.
    """
    if _Pause.lasts():
        raise Unavailable
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        answer = await command(async_client())
    except (redis.RedisError, OSError) as error:
        _Pause.begin()
        raise Unavailable(type(error).__name__) from error
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
    return answer
