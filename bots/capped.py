"""Answers from strangers' servers, read up to a cap and not a byte further."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
from django.utils.translation import gettext_noop

# What a reader of Server-Sent Events holds in memory: the event that is not at its end yet.
EVENT_BYTES_AT_MOST = 1024 * 1024
TOO_LARGE = gettext_noop("the answer is too large; bytes at most")
EVENT_ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")


class ResponseTooLarge(httpx2.TransportError):
    """The answer went over the cap; the rest of it was not read."""


class CappedStream(httpx2.AsyncByteStream, httpx2.SyncByteStream):
    """An answer's bytes, up to a cap; awaited or not, as the stream below is."""

    def __init__(self, stream: Any, cap: int) -> None:
        self._stream = stream
        self._cap = cap
        self._received = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._count(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._count(chunk)
            yield chunk

    def close(self) -> None:
        self._stream.close()

    def _count(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self._cap:
            raise too_large(self._cap)


class CappedEvents(CappedStream):
    """Server-Sent Events, each of them capped as well: the reader holds one in memory."""

    _tail = b""
    _event_bytes = 0

    def _count(self, chunk: bytes) -> None:
        super()._count(chunk)
        window = self._tail + chunk
        end = max(window.rfind(blank_line) for blank_line in EVENT_ENDS)
        self._event_bytes = self._event_bytes + len(chunk) if end < 0 else len(window) - end
        self._tail = window[-3:]
        if self._event_bytes > EVENT_BYTES_AT_MOST:
            raise too_large(EVENT_BYTES_AT_MOST)


def too_large(cap: int) -> ResponseTooLarge:
    return ResponseTooLarge(f"{TOO_LARGE}: {cap}")
