"""The journal: what an answer being written has said so far, in a Valkey stream.

It is not the record (rule 6). Each piece carries its attempt and its offset in characters, so a
reader knows a late piece of a dead attempt, a gap after a flush, and where to go on after a
reconnect. The journal may vanish at any moment, and does at the end: the settled row has the whole
answer.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import structlog

from portal import valkey, wakeups

logger = structlog.get_logger(__name__)

KEEP_SECONDS = 900
DRAIN_SECONDS = 2.0
ENTRIES_AT_MOST = 256
FIRST_SECONDS = 0.01  # an answer that is whole by then is never written
OPENING_SECONDS = 0.1  # then readers are told that somebody thinks, if nothing else
UNHEARD_SECONDS = 0.25
SECONDS_FOR_EACH = 0.0005  # of those who write: many gather more, and so take fewer turns


def _key(message_id: str) -> str:
    return f"fw:journal:{message_id}"


@dataclass(frozen=True)
class Piece:
    """`text` begins at `offset` (characters) of attempt `attempt`."""

    id: str
    attempt: int
    offset: int
    text: str

    @classmethod
    def parse(cls, entry_id: bytes, fields: dict[bytes, bytes]) -> "Piece":
        return cls(
            id=entry_id.decode(),
            attempt=int(fields[b"n"]),
            offset=int(fields[b"o"]),
            text=fields[b"t"].decode(),
        )


class Writer:
    """Writes one attempt's text as it comes; while nobody listens, a few pieces at a time.

    Now and then an entry has the whole text so far and takes the place of all before it: the first
    one, one in ENTRIES_AT_MOST, and the next one after any were lost.
    """

    def __init__(self, message_id: str, attempt: int) -> None:
        self.message_id = message_id
        self.attempt = attempt
        self.text: list[str] = []
        self._waiting: list[str] = []
        self._offset = 0
        self._entries = 0
        self._began_at = 0.0
        self._wrote_at = 0.0
        self._is_heard = True
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Future[None] | None = None
        self._press = _press()
        self._press.writers += 1
        # Who reads an earlier attempt has to know at once.
        self._write_in(OPENING_SECONDS if attempt == 1 else 0.0)

    def put(self, text: str) -> None:
        is_first = not self.text
        self.text.append(text)
        self._waiting.append(text)
        if self._round or self in self._press.due:
            return  # it goes along, or next
        if self._wrote_at:
            self._write_soon()
        elif is_first:
            self._write_in(FIRST_SECONDS)

    @property
    def is_behind(self) -> bool:
        """Whether there is something that was not written yet."""
        return bool(self._waiting or self._round or self in self._press.due)

    async def close(self) -> None:
        """Write nothing more: what is missing, the row will have. What is on its way arrives, or
        Valkey has had its chance.
        """
        self._is_closed = True
        self._press.writers -= 1
        self._press.due.discard(self)
        self._cancel_timer()
        if self._round:
            await asyncio.wait([self._round], timeout=DRAIN_SECONDS)

    def _write_soon(self) -> None:
        if self._timer:
            return
        pause = self._press.writers * SECONDS_FOR_EACH
        pause += 0.0 if self._is_heard else UNHEARD_SECONDS
        self._write_in(self._wrote_at + pause - time.monotonic())

    def _write_in(self, seconds: float) -> None:
        self._cancel_timer()
        if seconds > 0:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._write_in, 0.0)
        else:
            self._press.take(self)

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    # For the press --------------------------------------------------------------------------------

    def write(self, pipe: Any, now: float, turn: "asyncio.Future[None]") -> int:
        """Give the pipeline what there is to write; returns the number of commands."""
        text, self._waiting = "".join(self._waiting), []
        offset, self._offset = self._offset, self._offset + len(text)
        is_old = now - self._began_at > KEEP_SECONDS / 2
        self._round, self._wrote_at = turn, now
        key, channel = _key(self.message_id), wakeups.text_channel(self.message_id)
        if is_old or self._entries % ENTRIES_AT_MOST == 0:
            self._began_at = now
            whole: dict[Any, Any] = {"n": self.attempt, "o": 0, "t": "".join(self.text)}
            pipe.xadd(key, whole, maxlen=1, approximate=False)
            pipe.expire(key, KEEP_SECONDS)
        else:
            fields: dict[Any, Any] = {"n": self.attempt, "o": offset, "t": text}
            pipe.xadd(key, fields, nomkstream=True)
        self._entries += 1
        pipe.publish(channel, "1")
        return len(pipe)

    def written(self, entry_id: Any, listeners: int) -> None:
        self._is_heard = listeners > 0
        if entry_id is None:
            self.unwritten()  # somebody has deleted the journal
            return
        self._round = None
        if self._waiting and not self._is_closed:
            self._write_soon()

    def unwritten(self) -> None:
        """Begin the journal anew, in a moment: it may be that the answer was stopped."""
        self._round, self._entries = None, 0
        if not self._is_closed:
            self._write_in(UNHEARD_SECONDS)


class _Press:
    """What the writers of one event loop have to say goes out together, a round trip at a time."""

    def __init__(self) -> None:
        self.writers = 0
        self.due: set[Writer] = set()
        self._task: asyncio.Task[None] | None = None

    def take(self, writer: Writer) -> None:
        self.due.add(writer)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._print())

    async def _print(self) -> None:
        while self.due:
            writers, self.due = list(self.due), set()
            turn = asyncio.get_running_loop().create_future()
            try:
                await self._print_one(writers, turn)
            finally:
                turn.set_result(None)

    async def _print_one(self, writers: list[Writer], turn: "asyncio.Future[None]") -> None:
        ends: list[int] = []

        async def command(client: Any) -> list[Any]:
            now = time.monotonic()
            async with client.pipeline(transaction=False) as pipe:
                ends.extend(writer.write(pipe, now, turn) for writer in writers)
                replies: list[Any] = await pipe.execute()
                return replies

        try:
            replies = await valkey.ask_async(command)
        except valkey.Unavailable:
            logger.debug("journal_unwritten", messages=len(writers))
            for writer in writers:
                writer.unwritten()
            return
        for writer, begin, end in zip(writers, [0, *ends], ends, strict=False):
            writer.written(replies[begin], replies[end - 1])


_presses: WeakKeyDictionary[asyncio.AbstractEventLoop, _Press] = WeakKeyDictionary()


def _press() -> _Press:
    return _presses.setdefault(asyncio.get_running_loop(), _Press())


def _pieces(entries: Any) -> Iterator[Piece]:
    return (Piece.parse(entry_id, fields) for entry_id, fields in entries)


async def read(message_id: str, after: str = "") -> list[Piece]:
    """The pieces behind one that was read before; raises valkey.Unavailable."""
    start = f"({after}" if after else "-"
    entries = await valkey.ask_async(lambda client: client.xrange(_key(message_id), min=start))
    return list(_pieces(entries))


def text_so_far(message_id: str, attempt: int) -> str:
    """What this attempt has said, for the partial text of a cancelled answer; "" without Valkey."""
    try:
        entries = valkey.ask(lambda client: client.xrange(_key(message_id)))
    except valkey.Unavailable:
        return ""
    text = ""
    for piece in _pieces(entries):
        if piece.attempt == attempt and piece.offset <= len(text):
            text = text[: piece.offset] + piece.text
    return text


def end(message_id: str, number_id: int) -> None:
    """As `end_all`, for one answer."""
    end_all([(message_id, number_id)])


def end_all(settled: Iterable[tuple[str, int]]) -> None:
    """Wake who waits for these answers and their numbers' feeds, in one round trip.

    Each is (message's id, number's id). From now on the row has everything, so the journal goes.
    Call it after the commit, from a thread.
    """
    ends = list(settled)

    def command(client: Any) -> None:
        with client.pipeline(transaction=False) as pipe:
            pipe.unlink(*(_key(message_id) for message_id, _number in ends))
            for message_id, _number in ends:
                pipe.publish(wakeups.text_channel(message_id), wakeups.SETTLED)
            pipe.publish(wakeups.SETTLEMENTS, " ".join(message_id for message_id, _ in ends))
            for number_id in {number_id for _message, number_id in ends}:
                pipe.publish(wakeups.number_channel(number_id), wakeups.SETTLED)
            pipe.execute()

    if not ends:
        return
    try:
        valkey.ask(command)
    except valkey.Unavailable:
        logger.debug("journal_end_untold", messages=len(ends))


def forget(message_ids: Iterable[str]) -> None:
    """Erase what these answers have said; without Valkey, their time (KEEP_SECONDS) does it."""
    keys = [_key(message_id) for message_id in message_ids]
    try:
        valkey.ask(lambda client: client.unlink(*keys) if keys else 0)
    except valkey.Unavailable:
        logger.warning("journal_not_forgotten", messages=len(keys))
