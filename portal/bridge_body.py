"""Request bodies, read whole on the event loop: a slow upload costs no thread, and little room.

What one process holds of bodies at most, whoever sends them:

- small ones (64 KiB read so far) depend on no budget, only on the connection that they come by:
  4096 connections (the server's --backpressure) x 64 KiB are 256 MiB, 288 MiB with the
  eighth by which a bytearray grows ahead of its content;
- all of the larger ones together share BODIES_BYTES_AT_MOST, 64 MiB.

The server's own buffers come on top, as much as it last read at once of each connection (measured
with 3900 unfinished bodies of 64 kB: 510 MB in all, 260 MB with --http1-buffer-size 16384).

One client address gets a part of that, 16 MiB of unfinished small ones (256 x 64 KiB) and as much
of large ones (8 x the cap of 2 MiB), so that no single stranger can use it up. The others of the
same address wait for their turn, unread.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from math import inf
from typing import Any, NoReturn
from weakref import WeakValueDictionary

from django.core.exceptions import RequestDataTooBig

from portal import ending

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE
BODY_SECONDS = 60.0
DRAIN_BYTES_AT_MOST = 32 * MEBIBYTE
BODIES_BYTES_AT_MOST = 64 * MEBIBYTE  # all large bodies of the process that are in memory at once
SMALL_BODY_BYTES = 64 * KIBIBYTE
SMALL_AT_ONCE = 256  # unfinished, of one client address
LARGE_AT_ONCE = 8  # likewise
TURN_SECONDS = 5.0  # how long the others of that address wait
PACE_BYTES = 16 * KIBIBYTE  # must come of a large body ...
PACE_SECONDS = 5.0  # ... in each of these


class RefusedError(Exception):
    """The request gets an answer from the bridge itself; Django never sees it."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class _Oversized(io.RawIOBase):
    """The `wsgi.input` of a body over the cap: each door answers 413 in its own shape."""

    def read(self, size: int = -1, /) -> NoReturn:
        raise RequestDataTooBig("The request body is larger than this server accepts.")

    def readline(self, size: int | None = -1, /) -> NoReturn:
        self.read()


@dataclass
class Body:
    """What the client sent: `size` counts all of it, `content` is empty when that was too much.

    One array and not a list of chunks: a body that comes in crumbs must not cost more than its
    size. `charged` is its part of BODIES_BYTES_AT_MOST.
    """

    size: int = 0
    over: bool = False
    content: bytearray = field(default_factory=bytearray)
    charged: int = 0

    def stream(self) -> io.IOBase:
        """The `wsgi.input`, to which the content moves: nothing is in memory twice for long."""
        if self.over:
            return _Oversized()
        content = bytes(self.content)
        self.content.clear()
        return io.BytesIO(content)


class _Turns:
    """At most so many at once for each client address; the others wait in line."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._lines: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, client: str) -> asyncio.Semaphore:
        """The client's line, which exists for as long as somebody holds it."""
        return self._lines.setdefault(_household(client), asyncio.Semaphore(self._at_once))


def _household(client: str) -> str:
    """Whom to count together: of IPv6 the /64, in which one client has all addresses it likes."""
    return ip_address(client).packed[:8].hex() if ":" in client else client


class _Upload:
    """One body on its way in, and until when its next part must have come."""

    def __init__(self, body: Body, *, is_large: bool) -> None:
        self.body = body
        self.is_large = is_large
        self.waits = True
        self.limit = asyncio.timeout(TURN_SECONDS)
        self.turns = AsyncExitStack()
        self._at_last = inf
        self._mark = 0

    def begin(self) -> None:
        """Its turn has come: from here on it has BODY_SECONDS."""
        self.waits = False
        self._at_last = min(self._at_last, asyncio.get_running_loop().time() + BODY_SECONDS)
        self.limit.reschedule(self._at_last)
        if self.is_large:
            self.begin_pace()

    def begin_pace(self) -> None:
        """From here on it has PACE_SECONDS for the next PACE_BYTES."""
        self.is_large = True
        self._mark = self.body.size
        pace = asyncio.get_running_loop().time() + PACE_SECONDS
        self.limit.reschedule(min(self._at_last, pace))

    def keep_pace(self) -> None:
        if self.body.size - self._mark >= PACE_BYTES:
            self.begin_pace()

    def hurry(self, until: float) -> None:
        """Let nothing take longer than until this moment of the loop's clock."""
        if not self.limit.expired():
            self._at_last = min(self._at_last, until)
            self.limit.reschedule(min(self.limit.when() or until, until))

    def why_late(self) -> HTTPStatus:
        no_fault_of_the_client = self.waits or ending.stopping().is_set()
        if no_fault_of_the_client:
            return HTTPStatus.SERVICE_UNAVAILABLE
        return HTTPStatus.REQUEST_TIMEOUT


class BodyReader:
    """Reads the bodies of all requests of the process."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._charged = 0
        self._small = _Turns(SMALL_AT_ONCE)
        self._large = _Turns(LARGE_AT_ONCE)
        self._uploads: set[_Upload] = set()
        self._stop_at = inf

    async def fill(self, body: Body, scope: Scope, receive: Receive, client: str) -> None:
        """Read it all; a body over the cap is read on to its end, up to a limit, and dropped.

        `client` is the address on whose account this goes. Raises RefusedError: 400 for a body
        that is malformed or breaks off, 408 for one that is not there after BODY_SECONDS or falls
        behind its pace, 503 where there is no room, no turn within TURN_SECONDS or no time left.
        """
        headers = dict(scope["headers"])
        declared = int(headers.get(b"content-length", 0))
        if not declared and b"transfer-encoding" not in headers and scope["http_version"] != "2":
            return
        waits = b"expect" in headers and declared > self._at_most
        if waits or declared > DRAIN_BYTES_AT_MOST:
            body.size, body.over = declared, True
            return
        upload = _Upload(body, is_large=declared > SMALL_BODY_BYTES)
        try:
            async with upload.limit, upload.turns:
                await self._read(upload, receive, client)
        except TimeoutError:
            raise RefusedError(upload.why_late()) from None
        finally:
            self._uploads.discard(upload)

    async def _read(self, upload: _Upload, receive: Receive, client: str) -> None:
        self._uploads.add(upload)
        upload.hurry(self._stop_at)
        line = (self._large if upload.is_large else self._small).of(client)
        await upload.turns.enter_async_context(line)
        upload.begin()
        while await self._take(upload.body, receive):
            if upload.is_large:
                upload.keep_pace()
            elif upload.body.size > SMALL_BODY_BYTES:
                await self._grow(upload, client)

    async def _grow(self, upload: _Upload, client: str) -> None:
        """A small body, of a length that it did not say, became a large one.

        It cannot wait for a turn: what was read of it would be in memory meanwhile.
        """
        line = self._large.of(client)
        if line.locked():
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE)
        await upload.turns.enter_async_context(line)
        upload.begin_pace()

    async def _take(self, body: Body, receive: Receive) -> bool:
        message = await receive()
        if message["type"] == "http.disconnect":
            # Granian says so too when the body is malformed, or the client only ended its half
            # of the connection: both may still listen, and to the others 400 does no harm.
            raise RefusedError(HTTPStatus.BAD_REQUEST)
        chunk = message.get("body", b"")
        body.size += len(chunk)
        body.over = body.over or body.size > self._at_most
        if body.over:
            self.release(body)
        else:
            self._keep(body, chunk)
        return bool(message.get("more_body")) and body.size <= DRAIN_BYTES_AT_MOST

    def _keep(self, body: Body, chunk: bytes) -> None:
        if body.size > SMALL_BODY_BYTES:
            more = body.size - body.charged
            if self._charged + more > BODIES_BYTES_AT_MOST:
                raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE)
            self._charged += more
            body.charged += more
        body.content += chunk

    def release(self, body: Body) -> None:
        """Give back what the body holds; it may be called again."""
        self._charged -= body.charged
        body.charged = 0
        body.content = bytearray()

    async def hurry_on_stop(self) -> None:
        """A process that stops waits for no upload longer than the grace."""
        await ending.until_stopping()
        self._stop_at = asyncio.get_running_loop().time() + ending.STOP_GRACE_SECONDS
        for upload in self._uploads:
            upload.hurry(self._stop_at)
