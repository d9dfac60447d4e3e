"""The journal: what an answer being written has said so far, in a Valkey stream.

It is not the record (rule 6). Each piece carries its attempt and its offset in characters, so a
reader knows a late piece of a dead attempt, a gap after a flush, and where to go on after a
reconnect. The journal may vanish at any moment: the settled row has the whole answer.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from portal import valkey, wakeups

logger = structlog.get_logger(__name__)

KEEP_SECONDS = 900
DRAIN_SECONDS = 2.0
PIECE_AT_MOST = 16_000
END = "end"


def _key(message_id: str) -> str:
    return f"fw:journal:{message_id}"


@dataclass(frozen=True)
class Piece:
    """`text` begins at `offset` (characters) of attempt `attempt`; `is_end`: look at the row."""

    id: str
    attempt: int
    offset: int
    text: str
    is_end: bool

    @classmethod
    def parse(cls, entry_id: bytes, fields: dict[bytes, bytes]) -> "Piece":
        return cls(
            id=entry_id.decode(),
            attempt=int(fields[b"n"]),
            offset=int(fields[b"o"]),
            text=fields[b"t"].decode(),
            is_end=fields.get(b"k") == END.encode(),
        )


class Writer:
    """Writes one attempt's text as it comes, in as few commands as the round trips allow."""

    def __init__(self, message_id: str, attempt: int) -> None:
        self.message_id = message_id
        self.attempt = attempt
        self.text: list[str] = []
        self._waiting: list[str] = []
        self._offset = 0
        self._changed = asyncio.Event()
        self._closed = False
        self._task = asyncio.create_task(self._write())
        self._changed.set()

    def put(self, text: str) -> None:
        self.text.append(text)
        self._waiting.append(text)
        self._changed.set()

    async def close(self) -> None:
        """Wait until everything is written, or Valkey has had its chance."""
        self._closed = True
        self._changed.set()
        done, _pending = await asyncio.wait([self._task], timeout=DRAIN_SECONDS)
        if not done:
            self._task.cancel()

    async def _write(self) -> None:
        """The first write, still without text, says that this attempt has begun."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            closing = self._closed
            text, self._waiting = "".join(self._waiting), []
            if text or self._offset == 0:
                await self._append(text)
            if closing:
                return

    async def _append(self, text: str) -> None:
        key = _key(self.message_id)
        fields: dict[Any, Any] = {"n": self.attempt, "o": self._offset, "t": text}
        self._offset += len(text)

        async def command(client: Any) -> None:
            async with client.pipeline(transaction=False) as pipe:
                pipe.xadd(key, fields)
                pipe.expire(key, KEEP_SECONDS)
                pipe.publish(wakeups.text_channel(self.message_id), "1")
                await pipe.execute()

        try:
            await valkey.ask_async(command)
        except valkey.Unavailable:
            logger.debug("journal_unwritten", message=self.message_id)


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
    return "".join(piece.text for piece in _pieces(entries) if piece.attempt == attempt)


def end(message_id: str, attempt: int) -> None:
    """Tell the readers that the row is settled. Call it after the commit, from a thread."""
    fields: dict[Any, Any] = {"n": attempt, "o": 0, "t": "", "k": END}

    def command(client: Any) -> None:
        with client.pipeline(transaction=False) as pipe:
            pipe.xadd(_key(message_id), fields)
            pipe.expire(_key(message_id), KEEP_SECONDS)
            pipe.publish(wakeups.text_channel(message_id), "1")
            pipe.publish(wakeups.settled_channel(message_id), "1")
            pipe.execute()

    try:
        valkey.ask(command)
    except valkey.Unavailable:
        logger.debug("journal_unwritten", message=message_id)


def end_all(ended: Iterable[tuple[str, int, int]]) -> None:
    for message_id, attempt, number_id in ended:
        end(message_id, attempt)
        wakeups.publish(wakeups.number_channel(number_id))


def forget(message_ids: Iterable[str]) -> None:
    """Erase what these answers have said; without Valkey, their time (KEEP_SECONDS) does it."""
    keys = [_key(message_id) for message_id in message_ids]
    try:
        valkey.ask(lambda client: client.unlink(*keys) if keys else 0)
    except valkey.Unavailable:
        logger.warning("journal_not_forgotten", messages=len(keys))
