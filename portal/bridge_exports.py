"""The bridge's long sync answers: iterated in threads of their own, never beside quick requests."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from time import monotonic

from django.http.response import HttpResponseBase, StreamingHttpResponse

from portal.bridge_body import MEBIBYTE

EXPORTS_AT_ONCE = 4
SMALL_FILE_BYTES = MEBIBYTE
PIECE_BYTES = 64 * 1024
PIECE_SECONDS = 0.1


class Exports:
    """Where streaming responses are iterated, so that they never hold a quick request up.

    An iterator may own a database cursor, and those belong to one thread: each export leases a
    lane, a pool of a single thread, to its end. A file can be read by any thread, so files share
    one, and any number of slow downloads hold none.
    """

    def __init__(self) -> None:
        self._lanes: list[Executor] = [
            ThreadPoolExecutor(max_workers=1, thread_name_prefix="export")
            for _ in range(EXPORTS_AT_ONCE)
        ]
        self._free = asyncio.Semaphore(EXPORTS_AT_ONCE)
        self.files = ThreadPoolExecutor(max_workers=1, thread_name_prefix="files")

    async def lease(self, response: StreamingHttpResponse) -> Executor:
        """The lane in which to iterate and close the response; waits until one is free."""
        if is_file(response):
            return self.files
        await self._free.acquire()
        return self._lanes.pop()

    def give_back(self, lane: Executor) -> None:
        if lane is not self.files:
            self._lanes.append(lane)
            self._free.release()

    def shutdown(self) -> None:
        for lane in (self.files, *self._lanes):
            lane.shutdown(wait=False, cancel_futures=True)


def next_piece(chunks: Iterator[bytes]) -> bytes:
    """What comes within PIECE_SECONDS, up to PIECE_BYTES or one chunk; empty at the end."""
    piece = bytearray()
    until = monotonic() + PIECE_SECONDS
    for chunk in chunks:
        piece += chunk
        if piece and (len(piece) >= PIECE_BYTES or monotonic() >= until):
            break
    return bytes(piece)


def is_file(response: HttpResponseBase) -> bool:
    return getattr(response, "file_to_stream", None) is not None


def is_small_file(response: HttpResponseBase) -> bool:
    length = int(response.get("Content-Length") or SMALL_FILE_BYTES)
    return is_file(response) and length < SMALL_FILE_BYTES
