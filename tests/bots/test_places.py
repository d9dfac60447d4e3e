"""Places with a key: so many calls at once, the others wait in the order in which they came."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bots.models import ApiKey
from bots.places import Places

pytestmark = pytest.mark.alike

KEY, OTHER = ApiKey(pk="key_1"), ApiKey(pk="key_2")
LOCAL, LOCAL_OF_OTHER = ApiKey(pk="key_3", is_local=True), ApiKey(pk="key_4", is_local=True)


@pytest.fixture(autouse=True)
def two_places(settings):
    settings.ANSWERS_PER_KEY, settings.LOCAL_MODEL_SLOTS = 2, 1


class Calls:
    """Calls that take places, and end when they are told to."""

    def __init__(self) -> None:
        self.places = Places()
        self.calling: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str, key: ApiKey = KEY) -> None:
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._call(name, key))
        await asyncio.sleep(0.001)

    async def _call(self, name: str, key: ApiKey) -> None:
        async with self.places.taken(key):
            self.calling.append(name)
            await self._ends[name].wait()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await asyncio.sleep(0.001)

    async def give_up(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.sleep(0.001)


def run(scene: Callable[[Calls], Awaitable[Any]]) -> Any:
    async def begun() -> Any:
        return await scene(Calls())

    return asyncio.run(asyncio.wait_for(begun(), 10))


def test_whoever_comes_first_has_a_place_first():
    async def scene(calls: Calls) -> list[str]:
        for name in "abcd":
            await calls.begin(name)
        await calls.end("a")
        return calls.calling

    assert run(scene) == ["a", "b", "c"]


def test_each_key_has_its_own_places():
    async def scene(calls: Calls) -> list[str]:
        for name in "abc":
            await calls.begin(name)
        await calls.begin("d", OTHER)
        return calls.calling

    assert run(scene) == ["a", "b", "d"]


def test_the_built_in_model_is_one_for_all_numbers():
    async def scene(calls: Calls) -> list[str]:
        await calls.begin("a", LOCAL)
        await calls.begin("b", LOCAL_OF_OTHER)
        return calls.calling

    assert run(scene) == ["a"]


def test_whoever_waits_counts_as_well():
    async def scene(calls: Calls) -> int:
        for name in "abc":
            await calls.begin(name)
        await calls.end("a")
        return calls.places.left(KEY.lane)

    assert run(scene) == 0


def test_whoever_gives_up_waiting_leaves_nothing_behind():
    async def scene(calls: Calls) -> tuple[list[str], int]:
        for name in "abcd":
            await calls.begin(name)
        await calls.give_up("c")
        for name in "ab":
            await calls.end(name)
        return calls.calling, calls.places.left(KEY.lane)

    assert run(scene) == (["a", "b", "d"], 1)


def test_a_call_that_dies_gives_its_place_back():
    async def scene(calls: Calls) -> tuple[int, dict[str, Any]]:
        await calls.begin("a")
        await calls.give_up("a")
        return calls.places.left(KEY.lane), calls.places._queues

    assert run(scene) == (2, {})
