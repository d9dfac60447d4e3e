"""The bridge's way out: one request's answer, whole or in pieces, for as long as one is wanted."""

import asyncio
import contextvars
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from django.http.response import HttpResponseBase

from portal import ending
from portal.bridge_body import Receive, Scope
from portal.bridge_refusal import refusal
from portal.bridge_request import header_of
from portal.request_ids import HEADER, sound_or_new

Send = Callable[[dict[str, Any]], Awaitable[None]]

READER_STALL_SECONDS = 30.0
CANCEL_SECONDS = 1.0

logger = structlog.get_logger(__name__)


class ReaderStalledError(Exception):
    """The client kept its connection open and took nothing for READER_STALL_SECONDS."""


def headers_of(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    pairs = [*response.items()]
    pairs += [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in pairs]


class Exchange:
    """One request's way back to its client. HEAD is answered here: headers, and no body."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.path: str = scope["path"]
        self.head = scope["method"] == "HEAD"
        self.started = False
        self.ended = False
        self.context = contextvars.copy_context()  # the view runs in it, and what it began
        self._scope = scope
        self._receive = receive
        self._send = send

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.started = True
        start = {"type": "http.response.start", "status": status, "headers": headers}
        await self._send(start)

    async def answer(self, response: HttpResponseBase, content: bytes) -> None:
        """Send a whole response; nothing waits here for a client that reads slowly."""
        if response.status_code < 200 or response.status_code in (204, 304):
            content = b""
            del response["Content-Length"]
        elif not (self.head and response.streaming):
            response["Content-Length"] = str(len(content))
        await self.start(response.status_code, headers_of(response))
        self.ended = True
        await self._send({"type": "http.response.body", "body": b"" if self.head else content})

    async def refuse(self, status: HTTPStatus, request_id: str = "") -> None:
        """An answer of our own; the connection ends, its request may be half read.

        `request_id` is the one by which Django knows the request, if it saw it.
        """
        headers, content = self.refusal(status, request_id)
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.start(status, [*pairs, (b"connection", b"close")])
        await self._send({"type": "http.response.body", "body": b"" if self.head else content})

    def refusal(self, status: HTTPStatus, request_id: str = "") -> tuple[dict[str, str], bytes]:
        """Headers and content of an answer of our own; see `refuse`."""
        known = request_id or sound_or_new(header_of(self._scope, HEADER.lower().encode()))
        accept_language = header_of(self._scope, b"accept-language")
        return refusal(status, self.path, known, accept_language)

    async def push(self, piece: bytes) -> None:
        """Send one piece; waits while the client is behind. Raises ReaderStalledError."""
        message = {"type": "http.response.body", "body": piece, "more_body": True}
        try:
            async with asyncio.timeout(READER_STALL_SECONDS):
                await self._send(message)
        except TimeoutError:
            raise ReaderStalledError from None

    async def finish(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def cut(self) -> None:
        """Break the connection off, so that no client takes what it has for the whole.

        Granian can only end a response in pieces as if it were complete, and a client that
        stopped reading would keep its connection for ever. So we shut the socket under it.
        """
        ends = (self._scope.get("client"), self._scope.get("server"))
        await asyncio.to_thread(_shut_socket, *ends)

    async def attend(self, work: asyncio.Task[None]) -> bool:
        """Wait for the work, but not longer than the client or this process is there.

        True if the work ended by itself. Otherwise it is cancelled, and has had its chance to
        tidy up, when this returns.
        """
        gone = asyncio.ensure_future(self.until_gone())
        stop = asyncio.ensure_future(_until_out_of_grace())
        await asyncio.wait({work, gone, stop}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        stop.cancel()
        if work.done():
            return True
        work.cancel()
        await asyncio.wait({work}, timeout=CANCEL_SECONDS)
        if not work.done():
            logger.warning("hold_ignores_cancel", path=self.path)
        elif not work.cancelled():
            failed(work, self)
        return False

    async def until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _shut_socket(client: tuple[str, str] | None, server: tuple[str, str] | None) -> None:
    wanted = [(end[0], int(end[1])) for end in (client, server) if end]
    for descriptor in map(int, os.listdir("/dev/fd")):  # our own, on Linux and macOS alike
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            with socket.socket(fileno=os.dup(descriptor)) as twin:
                if [twin.getpeername()[:2], twin.getsockname()[:2]] == wanted:
                    twin.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue  # not connected, or closed meanwhile


async def _until_out_of_grace() -> None:
    await ending.until_stopping()
    await asyncio.sleep(ending.STOP_GRACE_SECONDS)


def failed(work: asyncio.Task[None], exchange: Exchange) -> bool:
    """Whether the work ended by an exception; the log then says which."""
    error = asyncio.CancelledError() if work.cancelled() else work.exception()
    log = exchange.context.copy().run  # for the request's id
    if isinstance(error, ReaderStalledError):
        log(partial(logger.info, "reader_stalled", path=exchange.path))
    elif error:
        log(partial(logger.error, "hold_failed", path=exchange.path, exc_info=error))
    return error is not None
