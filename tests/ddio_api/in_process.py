"""The whole site as a WSGI application in this process: what is held is waited for, then answered.

So a client library that speaks WSGI meets the real middleware, views and database without a socket.
"""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing, closing
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

from portal.hold import HeldResponse, HeldStream

STREAM_SECONDS = 0.1  # a stream that nobody writes to has no end of its own


class Site:
    """The application; `held` counts the answers that had to be waited for."""

    def __init__(self) -> None:
        self._handler = WSGIHandler()
        self.held = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        response = self._handler(environ, _ignore_start)
        with closing(response):
            content = self._content(response)
        status = f"{response.status_code} {response.reason_phrase}"
        headers = [(name, value) for name, value in response.items() if name != "Content-Length"]
        cookies = [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
        start_response(status, [*headers, *cookies])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else content]

    def _content(self, response: Any) -> bytes:
        if isinstance(response, HeldStream):
            self.held += 1
            return asyncio.run(_read(response))
        if isinstance(response, HeldResponse):
            self.held += 1
            asyncio.run(response.resolve())
        return b"".join(response)


def _ignore_start(status: str, headers: list[tuple[str, str]]) -> None:
    """The response object says the same, once it is final."""


async def _read(response: HeldStream) -> bytes:
    """What the stream says before its end or within STREAM_SECONDS."""
    pieces: list[bytes] = []
    try:
        async with asyncio.timeout(STREAM_SECONDS), aclosing(response.pieces()) as chunks:
            async for piece in chunks:
                pieces.append(piece)
    except TimeoutError:
        pass
    return b"".join(pieces)
