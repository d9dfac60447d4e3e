"""The one guard for outbound calls that a user's setting can steer: base URLs and callbacks.

The address that was checked is the one connected to, at every connection: the name is resolved
here, every address it has is checked by `bots.destinations`, and the connection goes to one of
them while TLS still asks for the name. So a name that resolves differently the second time gains
nothing (CVE-2026-42344).
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore2
import httpx2
from django.conf import settings

from bots import destinations
from bots.destinations import Address, UrlRefused, check_allow_list, check_url

__all__ = [
    "OutboundRefused",
    "ResponseCompressed",
    "ResponseTooLarge",
    "UrlRefused",
    "check_allow_list",
    "check_url",
    "guarded_client",
]

MEBIBYTE = 1024 * 1024
BYTES_AT_MOST = 8 * MEBIBYTE
# A stream is not kept in memory, its current event is. A provider wraps each token in some 300
# bytes, so a long answer of 100,000 tokens passes.
STREAM_BYTES_AT_MOST = 64 * MEBIBYTE
EVENT_BYTES_AT_MOST = MEBIBYTE
EVENT_ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")
EVENT_STREAM = "text/event-stream"
CONNECT_SECONDS = 10.0
LIMITS = httpx2.Limits(max_connections=600, max_keepalive_connections=100, keepalive_expiry=30)


class OutboundRefused(httpx2.TransportError):
    """The guard refused the connection; nothing was sent.

    A transport error, so that httpx2 passes it on as it is and openai keeps it as the cause of its
    APIConnectionError.
    """


class ResponseTooLarge(httpx2.TransportError):
    """The answer went over the cap; the rest of it was not read."""


class ResponseCompressed(httpx2.TransportError):
    """The answer came compressed although we asked for it plain: a cap on bytes would not hold."""


def guarded_client(
    *,
    bytes_at_most: int | None = None,
    timeout: httpx2.Timeout | None = None,
    verify: ssl.SSLContext | None = None,
) -> httpx2.AsyncClient:
    """A client that reaches only what the guard permits; one per event loop, shared by its calls.

    `bytes_at_most` caps each answer (default: OUTBOUND_BYTES_AT_MOST, 8 MiB); event streams that
    were asked for have caps of their own. No redirects, no proxies, no cookies: a cookie that was
    set under one person's key must not travel with another's. `verify` replaces the system's
    certificate authorities.

    Its calls raise OutboundRefused, ResponseTooLarge and ResponseCompressed besides httpx2's own.
    """
    return httpx2.AsyncClient(
        transport=GuardedTransport(verify or _system_authorities(), bytes_at_most),
        timeout=timeout or httpx2.Timeout(30.0, connect=CONNECT_SECONDS),
        headers={"accept-encoding": "identity", "user-agent": "Fuwuhao"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        trust_env=False,
    )


@cache
def _system_authorities() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)


# Connecting -----------------------------------------------------------------------------------


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects for one scheme, to checked addresses only. Raises OutboundRefused."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore2's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + (timeout or CONNECT_SECONDS)
        addresses = await self._checked_addresses(host, port, give_up)
        trouble: Exception = httpcore2.ConnectError("the name has no address")
        for tried, address in enumerate(addresses):
            # An equal share of the time that is left: one dead address must not use it up.
            share = (give_up - loop.time()) / (len(addresses) - tried)
            try:
                return await self._network.connect_tcp(
                    str(address), port, max(share, 0.01), local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                trouble = error
        raise trouble

    async def _checked_addresses(self, host: str, port: int, give_up: float) -> list[Address]:
        literal = destinations.literal_address(host)
        addresses = [literal] if literal else await _resolve(host, port, give_up)
        # One bad address condemns the name: nobody honest mixes public and private ones.
        if not all(destinations.permitted(self._scheme, host, port, each) for each in addresses):
            raise OutboundRefused(destinations.private_message())
        return addresses


async def _resolve(host: str, port: int, give_up: float) -> list[Address]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(give_up):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout("the name was not resolved in time") from error
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError("the name does not resolve") from error
    return [ipaddress.ip_address(text) for text in dict.fromkeys(entry[4][0] for entry in found)]


class _PooledTransport(httpx2.AsyncHTTPTransport):
    """httpx2's transport on a pool with our backend, which its constructor has no argument for.

    Should httpx2 ever rename the attribute, every call fails; none goes unguarded.
    """

    def __init__(self, scheme: str, verify: ssl.SSLContext) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=verify,
            max_connections=LIMITS.max_connections,
            max_keepalive_connections=LIMITS.max_keepalive_connections,
            keepalive_expiry=LIMITS.keepalive_expiry,
            network_backend=GuardedBackend(scheme),
        )


# Receiving ------------------------------------------------------------------------------------


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Checks each request's URL, connects through the guard, and caps what comes back."""

    def __init__(self, verify: ssl.SSLContext, bytes_at_most: int | None) -> None:
        # A pool for each scheme, because the backend is told host and port but not the scheme.
        self._by_scheme = {
            scheme: _PooledTransport(scheme, verify) for scheme in destinations.STANDARD_PORTS
        }
        self._bytes_at_most = bytes_at_most

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            destinations.check_parsed_url(request.url)
        except UrlRefused as refusal:
            raise OutboundRefused(str(refusal)) from None
        response = await self._by_scheme[request.url.scheme].handle_async_request(request)
        try:
            response.stream = self._capped(request, response)
        except httpx2.TransportError:
            await response.aclose()
            raise
        return response

    def _capped(self, request: httpx2.Request, response: httpx2.Response) -> "_CappedStream":
        coding = response.headers.get("content-encoding", "").strip().lower()
        if coding not in ("", "identity"):
            raise ResponseCompressed("the answer came compressed")
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == EVENT_STREAM == request.headers.get("accept"):
            return _CappedEvents(response.stream, STREAM_BYTES_AT_MOST)
        cap = self._cap()
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length) > cap:
            raise _too_large(cap)
        return _CappedStream(response.stream, cap)

    def _cap(self) -> int:
        if self._bytes_at_most:
            return self._bytes_at_most
        cap: int = getattr(settings, "OUTBOUND_BYTES_AT_MOST", BYTES_AT_MOST)
        return cap

    async def aclose(self) -> None:
        for transport in self._by_scheme.values():
            await transport.aclose()


class _CappedStream(httpx2.AsyncByteStream):
    """An answer's bytes, up to a cap."""

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

    def _count(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self._cap:
            raise _too_large(self._cap)


class _CappedEvents(_CappedStream):
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
            raise _too_large(EVENT_BYTES_AT_MOST)


def _too_large(cap: int) -> ResponseTooLarge:
    return ResponseTooLarge(f"the answer is larger than {cap} bytes")
