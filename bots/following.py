"""Following an answer while it is written: the journal's pieces, then the settled row.

A reader's place is (attempt, offset in characters). It says nothing of the journal's own ids, so a
reader goes on at his place after a reconnect, a flushed Valkey or another web process, without gap
and without repeat. What the journal lost is made good by its next whole entry, or from the row at
the end.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

from bots import journal
from bots.journal import Piece
from bots.models import Message
from portal import valkey, wakeups
from portal.wakeups import Woken

HEARTBEAT_SECONDS = 14.0  # promised are 15
LOOK_SECONDS = 5.0
LOOK_SECONDS_WITHOUT_JOURNAL = 1.0
_PLACE = re.compile(r"(\d{1,5})-(\d{1,9})(-end)?", re.ASCII)


@dataclass(frozen=True)
class Place:
    """Where a reader is: `offset` characters of attempt `attempt` are his already."""

    attempt: int = 0
    offset: int = 0
    ended: bool = False

    def __str__(self) -> str:
        return f"{self.attempt}-{self.offset}" + ("-end" if self.ended else "")

    @classmethod
    def parse(cls, event_id: str) -> "Place":
        """The place behind an event's id; the beginning where the id is not one of ours."""
        found = _PLACE.fullmatch(event_id)
        if not found:
            return cls()
        return cls(int(found[1]), int(found[2]), bool(found[3]))


@dataclass(frozen=True)
class Delta:
    """More text."""

    text: str
    place: Place


@dataclass(frozen=True)
class Reset:
    """Forget the text so far: another attempt begins."""

    attempt: int
    place: Place


@dataclass(frozen=True)
class Done:
    """The answer is settled: this is its row."""

    message: Message
    place: Place


@dataclass(frozen=True)
class Quiet:
    """No text for HEARTBEAT_SECONDS: every door says a word that it is still there."""


@dataclass(frozen=True)
class Waiting:
    """The row was looked at and is not settled. Only for those who ask to be told."""

    message: Message


Event = Delta | Reset | Done | Quiet | Waiting
Loader = Callable[[], Awaitable[Message | None]]


class Follower:
    """One reader of one answer. `load` reads the row; None ends the following.

    `tells_waiting`: whoever waits for it also wants to know how the row stands meanwhile.
    """

    def __init__(
        self, message_id: str, place: Place, load: Loader, *, tells_waiting: bool = False
    ) -> None:
        self.message_id = message_id
        self.place = place
        self._load = load
        self._tells_waiting = tells_waiting
        self._read_up_to = ""
        self._journal_is_there = True
        self._finished = False
        self._looked_at = 0.0
        self._spoke_at = time.monotonic()

    def events(self, ended: Callable[[], bool] = lambda: False) -> AsyncGenerator[Event, None]:
        """Events until the row is settled, or until `ended` says so (a stopping process)."""
        listening = wakeups.hub().listening(wakeups.text_channel(self.message_id))
        return self._events(listening, ended)

    async def _events(
        self, listening: AbstractAsyncContextManager[Woken], ended: Callable[[], bool]
    ) -> AsyncGenerator[Event, None]:
        async with listening as woken:
            while not (self._finished or ended()):
                async with aclosing(self._round(woken)) as events:
                    async for event in events:
                        yield event
                if not self._finished:
                    await self._doze(woken)

    async def _round(self, woken: Woken) -> AsyncGenerator[Event, None]:
        is_settled = wakeups.SETTLED in woken.heard
        woken.clear()
        for event in self._from_journal(await self._new_pieces()):
            yield event
        if is_settled or self._should_look():
            async with aclosing(self._look()) as events:
                async for event in events:
                    yield event
        if self._is_quiet():
            yield Quiet()

    def _should_look(self) -> bool:
        return time.monotonic() - self._looked_at >= self._patience

    async def _look(self) -> AsyncGenerator[Event, None]:
        """The end of the story where the row is settled, or gone; otherwise how it stands.

        However long the database takes, the reader hears that we are there.
        """
        self._looked_at = time.monotonic()
        loading = asyncio.ensure_future(self._load())
        try:
            while not (await asyncio.wait([loading], timeout=self._until_heartbeat()))[0]:
                if self._is_quiet():
                    yield Quiet()
            events = self._from_look(loading.result())
        except (OperationalError, InterfaceError):
            return  # the database is away for a while; the journal goes on
        finally:
            loading.cancel()
        for event in events:
            yield event

    def _from_look(self, message: Message | None) -> list[Event]:
        if message is None:
            self._finished = True
            return []
        if message.is_settled:
            return self._from_row(message)
        return [Waiting(message)] if self._tells_waiting else []

    def _is_quiet(self) -> bool:
        """Whether it is time for a sign of life. Only text is one for every door."""
        if self._finished or self._until_heartbeat() > 0:
            return False
        self._spoke_at = time.monotonic()
        return True

    def _until_heartbeat(self) -> float:
        return max(0.0, self._spoke_at + HEARTBEAT_SECONDS - time.monotonic())

    @property
    def _patience(self) -> float:
        return LOOK_SECONDS if self._journal_is_there else LOOK_SECONDS_WITHOUT_JOURNAL

    async def _doze(self, woken: Woken) -> None:
        try:
            async with asyncio.timeout(min(self._patience, self._until_heartbeat())):
                await woken.wait()
        except TimeoutError:
            return

    async def _new_pieces(self) -> list[Piece]:
        try:
            pieces = await journal.read(self.message_id, self._read_up_to)
        except valkey.Unavailable:
            self._journal_is_there = False
            return []
        self._journal_is_there = True
        if pieces:
            self._read_up_to = pieces[-1].id
        return pieces

    def _from_journal(self, pieces: list[Piece]) -> list[Event]:
        events: list[Event] = []
        for piece in pieces:
            if piece.attempt < self.place.attempt:
                continue
            if piece.attempt > self.place.attempt:
                events += self._begin(piece.attempt)
            events += self._extend(piece.text, piece.offset)
        return events

    def _begin(self, attempt: int) -> list[Event]:
        """Go over to a later attempt; a reader who has text of an earlier one must forget it."""
        had_another = self.place.attempt > 0
        self.place = Place(attempt)
        if self._tells_waiting:
            self._looked_at = 0.0  # the row has been claimed: look how it stands now
        return [Reset(attempt, self.place)] if had_another or attempt > 1 else []

    def _extend(self, text: str, offset: int) -> list[Event]:
        """The part of the text that lies behind the reader's place; nothing where a gap is."""
        known = self.place.offset - offset
        if known < 0 or known >= len(text):
            return []
        self.place = Place(self.place.attempt, offset + len(text))
        self._spoke_at = time.monotonic()
        return [Delta(text[known:], self.place)]

    def _from_row(self, message: Message) -> list[Event]:
        """What is missing of the final text, then the row itself."""
        self._finished = True
        text, events = message.answer or "", list[Event]()
        if message.attempt > self.place.attempt:
            events += self._begin(message.attempt)
        if self.place.offset > len(text) or self.place.attempt > message.attempt:
            self.place = Place(message.attempt)
            events.append(Reset(message.attempt, self.place))
        events += self._extend(text, 0)
        self.place = Place(self.place.attempt, self.place.offset, ended=True)
        return [*events, Done(message, self.place)]
