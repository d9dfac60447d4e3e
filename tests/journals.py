"""Journals for tests: written a piece at a time, and there when the call returns."""

import asyncio
from collections.abc import Iterable

import pytest

from bots import journal
from bots.models import Message


async def write(message: Message, pieces: Iterable[str], attempt: int = 1) -> None:
    """Each piece as an entry of its own; without any, that the attempt has begun."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "OPENING_SECONDS", 0)
        patch.setattr(journal, "UNHEARD_SECONDS", 0.001)
        writer = journal.Writer(message.pk, attempt)
        await until_written(writer)
        for piece in pieces:
            writer.put(piece)
            await until_written(writer)
        await writer.close()


async def until_written(writer: journal.Writer) -> None:
    async with asyncio.timeout(5):
        while writer.is_behind:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
