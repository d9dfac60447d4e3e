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
from collections.abc import Iterable
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore2
import httpx2
from django.conf import settings
from django.utils.translation import gettext_noop

from bots import destinations
from bots.capped import CappedEvents, CappedStream, ResponseTooLarge, too_large
from bots.connections import Connections
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
# Not kept in memory: a long answer of 100,000 tokens, some 300 bytes around each, passes.
STREAM_BYTES_AT_MOST = 64 * MEBIBYTE
EVENT_STREAM = "text/event-stream"
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 30


class OutboundRefused(httpx2.TransportError):
    """The guard refused the connection; nothing was sent.

    A transport error, so that httpx2 passes it on as it is and openai keeps it as the cause of its
    APIConnectionError.
    """


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
        backend = GuardedBackend(scheme)
        self._pool = Connections(  # type: ignore[assignment]  # all that is asked of a pool
            lambda origin: httpcore2.AsyncHTTPConnection(
                origin,
                ssl_context=verify,
                keepalive_expiry=IDLE_SECONDS,
                network_backend=backend,
            )
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

    def _capped(self, request: httpx2.Request, response: httpx2.Response) -> CappedStream:
        coding = response.headers.get("content-encoding", "").strip().lower()
        if coding not in ("", "identity"):
            raise ResponseCompressed(gettext_noop("the answer came compressed"))
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == EVENT_STREAM == request.headers.get("accept"):
            return CappedEvents(response.stream, STREAM_BYTES_AT_MOST)
        cap = self._cap()
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length) > cap:
            raise too_large(cap)
        return CappedStream(response.stream, cap)

    def _cap(self) -> int:
        if self._bytes_at_most:
            return self._bytes_at_most
        cap: int = getattr(settings, "OUTBOUND_BYTES_AT_MOST", BYTES_AT_MOST)
        return cap

    async def aclose(self) -> None:
        for transport in self._by_scheme.values():
            await transport.aclose()
