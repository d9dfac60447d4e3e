"""Journals for tests: written a piece at a time, and read by whoever listens before the next."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import pytest

from bots import journal
from bots.models import Message
from portal import valkey

PATIENCE_SECONDS = 5
READER_SECONDS = 2


async def write(message: Message, pieces: Iterable[str], attempt: int = 1) -> None:
    """Each piece as an entry of its own; without any, that the attempt has begun."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "OPENING_SECONDS", 0)
        patch.setattr(journal, "UNHEARD_SECONDS", 0.001)
        read = _reads(patch)
        writer = journal.Writer(message.pk, attempt)
        await until_written(writer)
        for piece in pieces:
            writer.put(piece)
            await until_written(writer)
            await _until_read(writer, read)
        await writer.close()


async def until_written(writer: journal.Writer) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while writer.is_behind:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def _reads(patch: pytest.MonkeyPatch) -> set[str]:
    """The ids of the last entries that readers in this process were given, from now on."""
    ids, real = set(), journal.read

    async def read(message_id: str, after: str = "") -> list[journal.Piece]:
        pieces = await real(message_id, after)
        ids.update(piece.id for piece in pieces[-1:])
        return pieces

    patch.setattr(journal, "read", read)
    return ids


async def _until_read(writer: journal.Writer, read: set[str]) -> None:
    """Where somebody listens: a busy machine must not let the next thing happen before he reads.

    He may have heard enough, and left.
    """
    key = journal._key(writer.message_id)
    newest = await valkey.ask_async(lambda client: client.xrevrange(key, count=1))
    with suppress(TimeoutError):
        async with asyncio.timeout(READER_SECONDS):
            while writer._is_heard and newest and newest[0][0].decode() not in read:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
