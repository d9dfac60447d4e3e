"""Idle connections: the freshest goes on, and none that expired, broke or is in use."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpcore2
import pytest

from bots import connections
from bots.connections import Connections

pytestmark = pytest.mark.alike


class Connection:
    """What Connections asks of one of httpcore2's."""

    def __init__(self, origin: httpcore2.Origin) -> None:
        self.origin = origin
        self.is_busy = self.is_gone = self.expires = False
        self.breaks: Exception | None = None
        self.closing = asyncio.Event()
        self.closing.set()

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        assert not self.is_busy, "in use"
        self.is_busy = True
        if self.breaks:
            self.is_gone = True
            raise self.breaks
        return httpcore2.Response(200, content=Content(self))

    def is_idle(self) -> bool:
        return not self.is_busy

    def is_closed(self) -> bool:
        return self.is_gone

    def has_expired(self) -> bool:
        return self.expires

    async def aclose(self) -> None:
        await self.closing.wait()
        self.is_gone = True


class Content:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.is_read = False

    async def __aiter__(self):
        yield b"all"
        self.is_read = True

    async def aclose(self) -> None:
        self.connection.is_busy = not self.is_read
        self.connection.is_gone = not self.is_read


class Calls:
    def __init__(self) -> None:
        self.made: list[Connection] = []
        self.connections = Connections(self._connect)

    def _connect(self, origin: httpcore2.Origin) -> Connection:
        self.made.append(Connection(origin))
        return self.made[-1]

    async def open(self, host: str = "a.example") -> httpcore2.Response:
        request = httpcore2.Request("POST", f"https://{host}/chat/completions")
        return await self.connections.handle_async_request(request)

    async def call(self, host: str = "a.example") -> None:
        await self.end(await self.open(host))

    async def end(self, response: httpcore2.Response) -> None:
        await response.aread()
        await response.aclose()

    async def two_idle(self) -> None:
        opened = [await self.open(), await self.open()]
        for response in opened:
            await self.end(response)


def run(scene: Callable[[Calls], Awaitable[Any]]) -> Any:
    async def begun() -> Any:
        return await scene(Calls())

    return asyncio.run(asyncio.wait_for(begun(), 10))


def test_an_idle_connection_is_used_again():
    async def scene(calls: Calls) -> int:
        await calls.call()
        await calls.call()
        return len(calls.made)

    assert run(scene) == 1


def test_one_in_use_is_not_shared():
    async def scene(calls: Calls) -> int:
        await calls.open()
        await calls.open()
        return len(calls.made)

    assert run(scene) == 2


def test_another_origin_has_its_own():
    async def scene(calls: Calls) -> list[bytes]:
        await calls.call("a.example")
        await calls.call("b.example")
        return [each.origin.host for each in calls.made]

    assert run(scene) == [b"a.example", b"b.example"]


def test_an_expired_one_is_closed_and_replaced():
    async def scene(calls: Calls) -> tuple[int, bool]:
        await calls.call()
        calls.made[0].expires = True
        await calls.call()
        return len(calls.made), calls.made[0].is_gone

    assert run(scene) == (2, True)


def test_a_broken_one_does_not_come_back():
    async def scene(calls: Calls) -> int:
        await calls.call()
        calls.made[0].breaks = httpcore2.ReadError("reset")
        with pytest.raises(httpcore2.ReadError):
            await calls.open()
        await calls.call()
        return len(calls.made)

    assert run(scene) == 2


CLOSED = httpcore2.RemoteProtocolError("Server disconnected without sending a response.")


def test_one_that_was_closed_just_as_it_was_asked_is_replaced():
    async def scene(calls: Calls) -> int:
        await calls.call()
        calls.made[0].breaks = CLOSED
        await calls.call()
        await calls.call()
        return len(calls.made)

    assert run(scene) == 2


def test_one_that_was_closed_long_after_it_was_asked_is_not_asked_again(monkeypatch):
    monkeypatch.setattr(connections, "AT_ONCE_SECONDS", -1.0)

    async def scene(calls: Calls) -> int:
        await calls.call()
        calls.made[0].breaks = CLOSED
        with pytest.raises(httpcore2.RemoteProtocolError):
            await calls.open()
        return len(calls.made)

    assert run(scene) == 1


def test_a_new_one_that_is_closed_without_an_answer_is_not_replaced():
    async def scene(calls: Calls) -> int:
        connect = calls.connections._connect
        calls.connections._connect = lambda origin: refusing(connect(origin))
        with pytest.raises(httpcore2.RemoteProtocolError):
            await calls.open()
        return len(calls.made)

    assert run(scene) == 1


def refusing(connection: Connection) -> Connection:
    connection.breaks = CLOSED
    return connection


def test_one_whose_answer_was_left_half_read_does_not_come_back():
    async def scene(calls: Calls) -> int:
        await (await calls.open()).aclose()
        await calls.call()
        return len(calls.made)

    assert run(scene) == 2


def test_closing_an_answer_twice_brings_its_connection_back_once():
    async def scene(calls: Calls) -> int:
        response = await calls.open()
        await calls.end(response)
        await response.aclose()
        await calls.open()
        await calls.open()
        return len(calls.made)

    assert run(scene) == 2


def test_what_nobody_asks_any_more_is_closed_now_and_then(monkeypatch):
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.0)

    async def scene(calls: Calls) -> bool:
        await calls.call("a.example")
        calls.made[0].expires = True
        await calls.call("b.example")
        return calls.made[0].is_gone

    assert run(scene) is True


def test_not_more_are_kept_than_are_of_use(monkeypatch):
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(connections, "IDLE_AT_MOST", 1)

    async def scene(calls: Calls) -> list[bool]:
        await calls.two_idle()
        await calls.call("b.example")
        return [each.is_gone for each in calls.made]

    assert run(scene) == [True, False, False]


def test_two_that_look_at_once_do_not_get_the_same_one(monkeypatch):
    async def scene(calls: Calls) -> int:
        await calls.two_idle()
        calls.made[1].expires = True
        calls.made[1].closing.clear()
        first = asyncio.create_task(calls.open())
        await asyncio.sleep(0)  # it waits for the expired one to be closed
        monkeypatch.setattr(connections, "LOOK_SECONDS", 0.0)
        second = asyncio.create_task(calls.open())
        await asyncio.sleep(0)
        calls.made[1].closing.set()
        await asyncio.gather(first, second)
        return len(calls.made)

    assert run(scene) == 3


def test_at_the_end_the_idle_ones_are_closed():
    async def scene(calls: Calls) -> bool:
        await calls.call()
        await calls.connections.aclose()
        return calls.made[0].is_gone

    assert run(scene) is True
