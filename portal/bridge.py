"""From Granian's ASGI to Django under WSGI: quick requests in a few threads, waiting ones in none.

Django's own ASGI handler costs ten times as much for a quick request and a thread for each open
stream. Here every request runs as under a WSGI server, in the bounded pool of `portal.hold`; the
event loop reads bodies, writes answers and keeps what is held (see `portal.hold`).

What one should know of Granian 2.8: `send` and `receive` return awaitables, not coroutines;
`http.disconnect` also comes after a finished response; a response in pieces cannot be broken off,
it can only end; and `--http 1` should be given, because over HTTP/2 only one of a connection's
requests would hear that the client is gone.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import aclosing, closing
from http import HTTPStatus
from ipaddress import ip_network
from typing import Any, cast

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections
from django.http import HttpResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse

from portal import ending, garbage, hold
from portal.bridge_answer import Exchange, Send, failed, headers_of
from portal.bridge_body import MEBIBYTE, Body, BodyReader, Receive, RefusedError, Scope
from portal.bridge_exports import Exports, is_small_file, next_piece
from portal.bridge_request import build_environ, client_of
from portal.hold import HeldResponse, HeldStream, Instead
from portal.request_ids import HEADER

VIEW_SECONDS = 30.0  # whoever is not answered by then is told to come again
BODY_BYTES_AT_MOST = 2 * MEBIBYTE  # unless settings.BODY_BYTES_AT_MOST says otherwise


def _ignore_start(status: str, headers: list[tuple[str, str]]) -> None:
    """WSGI's start_response: the response object says the same, and for longer."""


class Bridge:
    """The ASGI application around Django's WSGIHandler."""

    def __init__(self, handler: WSGIHandler) -> None:
        self._handler: Callable[..., HttpResponseBase] = handler
        self._trusted = [ip_network(entry, strict=False) for entry in settings.TRUSTED_PROXIES]
        self._bodies = BodyReader(getattr(settings, "BODY_BYTES_AT_MOST", BODY_BYTES_AT_MOST))
        self._exports = Exports()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, Exchange(scope, receive, send))
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000, "reason": ""})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        ending.hear_stop_signals()
        garbage.look_rarely()
        hurry = asyncio.create_task(self._bodies.hurry_on_stop())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        hurry.cancel()
        self._exports.shutdown()
        await asyncio.to_thread(ending.end)
        hold.thread_pool().shutdown(wait=False, cancel_futures=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        try:
            response, content = await self._ask_django(scope, receive, exchange.context)
        except RefusedError as refusal:
            await exchange.refuse(refusal.status)
            return
        if isinstance(response, HeldResponse | HeldStream):
            exchange.context = response.context
        if isinstance(response, HeldResponse):
            await self._hold(response, exchange)
        elif isinstance(response, HeldStream):
            await self._stream(response, exchange)
        elif content is None:
            await self._export(cast(StreamingHttpResponse, response), exchange)
        else:
            await exchange.answer(response, content)

    async def _ask_django(
        self, scope: Scope, receive: Receive, context: contextvars.Context
    ) -> tuple[HttpResponseBase, bytes | None]:
        body = Body()
        try:
            await self._bodies.fill(body, scope, receive, client_of(scope, self._trusted))
            environ = build_environ(scope, body, self._trusted)
            return await self._in_time(context, environ)
        finally:
            self._bodies.release(body)

    async def _in_time(
        self, context: contextvars.Context, environ: dict[str, Any]
    ) -> tuple[HttpResponseBase, bytes | None]:
        """What Django answers. Raises RefusedError where it does not within VIEW_SECONDS.

        A database that hangs takes its connections with it, and no driver gives them up: the
        threads hang, too. Who still waits for a thread by then never gets one; what runs goes on
        when the database does, and nobody is there for its answer.
        """
        answering = hold.thread_pool().submit(context.run, self._respond, environ)
        try:
            async with asyncio.timeout(VIEW_SECONDS):
                return await asyncio.wrap_future(answering)
        except TimeoutError:
            answering.add_done_callback(_close_unsent)
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE) from None

    def _respond(self, environ: dict[str, Any]) -> tuple[HttpResponseBase, bytes | None]:
        """In a pool thread: the response, and its content unless that is to be iterated.

        Closing the response sends request_finished, which cleans up this thread's database
        connections. So it is closed here, even if it is held: a wait keeps nothing of its view.
        """
        response = self._handler(environ, _ignore_start)
        is_head = environ["REQUEST_METHOD"] == "HEAD"
        if response.streaming and not is_head and not is_small_file(response):
            close_old_connections()
            return response, None
        with closing(response):
            if response.streaming and is_head:
                return response, b""
            return response, b"".join(cast(HttpResponse, response))

    async def _hold(self, response: HeldResponse, exchange: Exchange) -> None:
        work = asyncio.create_task(response.resolve(), context=exchange.context)
        if not await exchange.attend(work):
            _replace(response, HTTPStatus.SERVICE_UNAVAILABLE, exchange)
        elif failed(work, exchange):
            _replace(response, HTTPStatus.INTERNAL_SERVER_ERROR, exchange)
        await exchange.answer(response, response.content)

    async def _stream(self, response: HeldStream, exchange: Exchange) -> None:
        del response["Content-Length"]  # CommonMiddleware counted the empty content
        if exchange.head:
            await exchange.start(response.status_code, headers_of(response))
            await exchange.finish()
            return
        if not response.begins_late:
            await exchange.start(response.status_code, headers_of(response))
            await exchange.push(b"")  # Granian holds headers back until the first piece
        work = asyncio.create_task(_pump(response, exchange), context=exchange.context)
        ended = await exchange.attend(work)
        broken = ended and failed(work, exchange)
        if not exchange.started:
            status = HTTPStatus.INTERNAL_SERVER_ERROR if ended else HTTPStatus.SERVICE_UNAVAILABLE
            _replace(response, status, exchange)
            await exchange.answer(response, response.content)
        elif broken:
            await exchange.cut()
        elif not exchange.ended:
            await exchange.finish()

    async def _export(self, response: StreamingHttpResponse, exchange: Exchange) -> None:
        work = asyncio.create_task(self._pump_export(response, exchange))
        ended = await exchange.attend(work)
        is_whole = ended and not failed(work, exchange)
        if is_whole:
            await exchange.finish()
        elif exchange.started:
            await exchange.cut()
        else:
            status = HTTPStatus.INTERNAL_SERVER_ERROR if ended else HTTPStatus.SERVICE_UNAVAILABLE
            await exchange.refuse(status, response.get(HEADER, ""))

    async def _pump_export(self, response: StreamingHttpResponse, exchange: Exchange) -> None:
        in_executor = asyncio.get_running_loop().run_in_executor
        try:
            lane = await self._exports.lease(response)
        except asyncio.CancelledError:
            self._exports.files.submit(response.close)
            raise

        def run(function: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
            return in_executor(lane, exchange.context.run, function, *args)

        try:
            chunks = await run(iter, response)
            piece = await run(next_piece, chunks)
            await exchange.start(response.status_code, headers_of(response))
            while piece:
                await exchange.push(piece)
                piece = await run(next_piece, chunks)
        finally:
            # Not awaited: a cancellation that comes now must not lose the closing or the lane.
            # The lane's next export begins after it, in the same thread.
            lane.submit(exchange.context.run, response.close)
            self._exports.give_back(lane)


def _close_unsent(answering: Future[tuple[HttpResponseBase, bytes | None]]) -> None:
    """An export that nobody waits for any more, in the thread that made it."""
    if answering.cancelled() or answering.exception():
        return
    response, content = answering.result()
    if content is None:
        response.close()


async def _pump(response: HeldStream, exchange: Exchange) -> None:
    try:
        async with aclosing(response.pieces()) as chunks:
            async for chunk in chunks:
                await _started(response, exchange)
                await exchange.push(chunk)
        await _started(response, exchange)
    except Instead as instead:
        if exchange.started:
            raise
        response.become(instead)
        await exchange.answer(response, response.content)


async def _started(response: HeldStream, exchange: Exchange) -> None:
    if not exchange.started:
        await exchange.start(response.status_code, headers_of(response))


def _replace(response: HttpResponse, status: HTTPStatus, exchange: Exchange) -> None:
    """Make it an answer of our own; what middleware put on it stays."""
    headers, content = exchange.refusal(status, response.get(HEADER, ""))
    response.status_code = status
    response.content = content
    for name, value in headers.items():
        response[name] = value
