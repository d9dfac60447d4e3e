"""A reader of one answer: whatever the journal goes through, each character comes once."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from django.db import OperationalError
from hypothesis import given
from hypothesis import strategies as st

from bots import following, journal
from bots.following import Delta, Done, Follower, Place, Quiet, Reset
from bots.journal import Piece
from bots.models import Message, Status
from portal import wakeups

STATES = [Status.DONE, Status.FAILED, Status.CANCELLED]


class World:
    """An answer's fate: what its attempts say, what of it the journal has, and the row."""

    def __init__(self, steps: list[tuple[str, str]], status: str, cut: int) -> None:
        self._steps = iter(steps)
        self._status = status
        self._cut = cut
        self._entries: list[Piece] = []
        self._ids = 0
        self.attempt = 1
        self.texts = {1: ""}
        self.is_over = False

    def go_on(self) -> None:
        kind, text = next(self._steps, ("settle", ""))
        getattr(self, kind)(text)

    def say(self, text: str) -> None:
        self._write(self.attempt, len(self.texts[self.attempt]), text)
        self.lose(text)

    def lose(self, text: str) -> None:
        self.texts[self.attempt] += text

    def say_whole(self, text: str) -> None:
        self.lose(text)
        self.flush("")
        self._write(self.attempt, 0, self.texts[self.attempt])

    def begin_again(self, text: str) -> None:
        self.begin_silently("")
        self.say_whole("")

    def begin_silently(self, text: str) -> None:
        self.attempt += 1
        self.texts[self.attempt] = ""

    def say_too_late(self, text: str) -> None:
        """By a worker that does not know yet that its attempt is over."""
        dead = max(1, self.attempt - 1)
        self._write(dead, len(self.texts[dead]), text)
        self.texts[dead] += text

    def flush(self, text: str) -> None:
        self._entries = []

    def settle(self, text: str) -> None:
        self.flush("")
        self.is_over = True

    def _write(self, attempt: int, offset: int, text: str) -> None:
        self._ids += 1
        self._entries.append(Piece(str(self._ids), attempt, offset, text))

    async def read(self, message_id: str, after: str = "") -> list[Piece]:
        """The journal as a reader finds it, a step later."""
        if not self.is_over:
            self.go_on()
        return [piece for piece in self._entries if int(piece.id) > int(after or 0)]

    async def load(self) -> Message:
        if not self.is_over:
            return Message(status=Status.RUNNING, attempt=self.attempt)
        return Message(status=self._status, attempt=self.attempt, answer=self.answer)

    @property
    def answer(self) -> str | None:
        said = self.texts[self.attempt]
        kept = {Status.DONE: said, Status.CANCELLED: said[: self._cut]}
        return kept.get(Status(self._status))


class Reader:
    """A client that keeps to the protocol: it appends, forgets at `reset`, resumes at its place."""

    def __init__(self) -> None:
        self.place = Place()
        self.text = ""
        self.ends = 0

    def take(self, event: Any) -> None:
        self.place = event.place
        if isinstance(event, Reset):
            self.text = ""
        if isinstance(event, Delta):
            self.text += event.text
        self.ends += isinstance(event, Done)

    async def follow(self, world: World, cuts: Iterator[bool]) -> None:
        """To the end; where a cut says so, the event and all behind it do not arrive."""
        while not self.ends:
            follower = Follower("m", Place.parse(str(self.place)), world.load)
            events = follower.events()
            async for event in events:
                if next(cuts, False):
                    break
                self.take(event)
                said = world.texts[self.place.attempt]
                assert self.text == said[: self.place.offset]
            await events.aclose()


class AlwaysWoken(wakeups.Woken):
    def clear(self) -> None:
        self.set()


class NoHub:
    @asynccontextmanager
    async def listening(self, channel: str) -> AsyncIterator[wakeups.Woken]:
        woken = AlwaysWoken()
        woken.set()
        yield woken


KINDS = ["say", "say", "say", "lose", "say_whole", "say_too_late", "flush", "begin_again"]
STEPS = st.tuples(
    st.sampled_from([*KINDS, "begin_silently"]), st.text(alphabet="ab有🙂\n", max_size=4)
)


@pytest.mark.alike
@given(
    steps=st.lists(STEPS, max_size=25),
    status=st.sampled_from(STATES),
    cut=st.integers(0, 9),
    cuts=st.lists(st.booleans(), max_size=40),
)
def test_whatever_happens_a_reader_has_the_stored_text_in_the_end(steps, status, cut, cuts):
    world, reader = World(steps, status, cut), Reader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "read", world.read)
        patch.setattr(wakeups, "hub", NoHub)
        patch.setattr(following, "LOOK_SECONDS", 0)
        asyncio.run(asyncio.wait_for(reader.follow(world, iter(cuts)), 10))
    assert (reader.text, reader.ends) == (world.answer or "", 1)


# Signs of life -----------------------------------------------------------------------------------


async def pending() -> Message:
    return Message(status=Status.RUNNING, attempt=2)


async def hanging() -> Message:
    await asyncio.sleep(60)
    raise AssertionError


async def away() -> Message:
    raise OperationalError


@pytest.fixture
def hurried(monkeypatch) -> None:
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.06)


def silences(load: Callable[[], Awaitable[Message]], **kinds: Any) -> list[float]:
    """How long it takes from one sign of life to the next."""

    async def scene() -> list[float]:
        follower = Follower("m", Place(), load, **kinds)
        events, heard = follower.events(), [time.monotonic()]
        async for event in events:
            if isinstance(event, Quiet):
                heard.append(time.monotonic())
            if len(heard) > 4:
                break
        await events.aclose()
        return [later - earlier for earlier, later in pairwise(heard)]

    return asyncio.run(asyncio.wait_for(scene(), 10))


@pytest.mark.alike
@pytest.mark.parametrize("load", [pending, hanging, away])
@pytest.mark.parametrize("tells_waiting", [True, False])
def test_a_reader_hears_that_it_is_there_whatever_the_database_does(hurried, load, tells_waiting):
    assert max(silences(load, tells_waiting=tells_waiting)) < 0.2


@pytest.mark.alike
def test_a_reset_without_words_is_no_sign_of_life(hurried):
    """The door of OpenAI's protocol does not tell it."""

    async def scene() -> list[type]:
        begun = journal.Writer("m", 2)
        await asyncio.sleep(0.05)
        events = Follower("m", Place(), pending).events()
        began = time.monotonic()
        seen = [type(await anext(events)), type(await anext(events))]
        assert time.monotonic() - began < 0.2
        await events.aclose()
        await begun.close()
        return seen

    assert asyncio.run(asyncio.wait_for(scene(), 10)) == [Reset, Quiet]
