"""The connections of one event loop to its providers, kept while they are idle.

httpcore2's own pool looks at each of its connections whenever a call begins or ends, idle or not:
with hundreds of them that costs more than the calls. Here a call looks at the one it takes.
"""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpcore2

IDLE_AT_MOST = 200  # at one origin
LOOK_SECONDS = 5.0
AT_ONCE_SECONDS = 1.0  # whoever breaks off later may have worked on it

Origin = tuple[bytes, bytes, int]


class Connections:
    """One call to a connection at a time; `connect` makes a new one to an origin."""

    def __init__(
        self, connect: Callable[[httpcore2.Origin], httpcore2.AsyncHTTPConnection]
    ) -> None:
        self._connect = connect
        self._idle: dict[Origin, list[httpcore2.AsyncHTTPConnection]] = defaultdict(list)
        self._looked_at = time.monotonic()

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Raises what httpcore2 raises; the answer's stream has to be closed."""
        await self._close_expired()
        origin = request.url.origin
        if idle := await self._idle_one(_key(origin)):
            # Providers close what is idle, and may do so just as we ask: that is no answer of
            # theirs, and not worth an attempt.
            asked_at = time.monotonic()
            try:
                return await self._ask(idle, origin, request)
            except httpcore2.RemoteProtocolError:
                if time.monotonic() - asked_at > AT_ONCE_SECONDS:
                    raise
        return await self._ask(self._connect(origin), origin, request)

    async def _ask(
        self,
        connection: httpcore2.AsyncHTTPConnection,
        origin: httpcore2.Origin,
        request: httpcore2.Request,
    ) -> httpcore2.Response:
        response = None
        try:
            response = await connection.handle_async_request(request)
        finally:
            if response is None:
                self._take_back(_key(origin), connection)
        return httpcore2.Response(
            status=response.status,
            headers=response.headers,
            content=_Body(response.stream, lambda: self._take_back(_key(origin), connection)),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                await connection.aclose()
        self._idle.clear()

    async def _idle_one(self, origin: Origin) -> httpcore2.AsyncHTTPConnection | None:
        """The one that was idle for the shortest time; the provider may have closed it, too."""
        idle = self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    def _take_back(self, origin: Origin, connection: httpcore2.AsyncHTTPConnection) -> None:
        """It is idle after a whole answer; after anything else it has closed itself."""
        if connection.is_idle() and not connection.is_closed():
            self._idle[origin].append(connection)

    async def _close_expired(self) -> None:
        """Now and then; nobody else comes back to an origin that is asked no more."""
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        for origin in list(self._idle):
            idle = self._idle.get(origin, [])  # others take from it and bring back meanwhile
            kept = [each for each in idle[-IDLE_AT_MOST:] if not each.has_expired()]
            closing = [each for each in idle if each not in kept]
            idle[:] = kept
            if not kept:
                self._idle.pop(origin, None)
            for connection in closing:
                await connection.aclose()


def _key(origin: httpcore2.Origin) -> Origin:
    return (origin.scheme, origin.host, origin.port)


class _Body:
    """An answer's content; at its end, `closed` has the connection back."""

    def __init__(self, stream: Any, closed: Callable[[], None]) -> None:
        self._stream = stream
        self._closed = closed
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._stream.aclose()
        finally:
            self._closed()


class ConnectionPerCall:
    """What threads share instead: each call makes a connection, which ends with the answer.

    So a connection knows when its one call has to be over.
    """

    def __init__(self, connect: Callable[[httpcore2.Origin], httpcore2.HTTPConnection]) -> None:
        self._connect = connect

    def handle_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Raises what httpcore2 raises; the answer's stream has to be closed."""
        connection = self._connect(request.url.origin)
        response = connection.handle_request(request)
        return httpcore2.Response(
            status=response.status,
            headers=response.headers,
            content=_LastBody(response.stream, connection),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Nothing is kept."""


class _LastBody:
    """An answer's content; at its end, the connection is closed."""

    def __init__(self, stream: Any, connection: httpcore2.HTTPConnection) -> None:
        self._stream = stream
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        self._stream.close()
        self._connection.close()
