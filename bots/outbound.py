"""The one guard for outbound calls that a user's setting can steer: base URLs and callbacks.

The address that was checked is the one connected to, at every connection: the name is resolved
here, every address it has is checked by `bots.destinations`, and the connection goes to one of
them while TLS still asks for the name. So a name that resolves differently the second time gains
nothing (CVE-2026-42344).

One client is awaited, the other is for threads. The rules are the same, and stand once.
"""

import ssl
import time
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore2
import httpx2
from django.conf import settings
from django.utils.translation import gettext_noop

from bots import destinations
from bots.capped import CappedEvents, CappedStream, ResponseTooLarge, too_large
from bots.connections import ConnectionPerCall, Connections
from bots.destinations import UrlRefused, check_allow_list, check_url
from bots.guarded_connect import (
    CONNECT_SECONDS,
    GuardedBackend,
    GuardedSyncBackend,
    NameUnknown,
    OutboundRefused,
)

__all__ = [
    "NameUnknown",
    "OutboundRefused",
    "ResponseCompressed",
    "ResponseTooLarge",
    "UrlRefused",
    "check_allow_list",
    "check_url",
    "guarded_client",
    "guarded_sync_client",
]

MEBIBYTE = 1024 * 1024
BYTES_AT_MOST = 8 * MEBIBYTE
# Not kept in memory: a long answer of 100,000 tokens, some 300 bytes around each, passes.
STREAM_BYTES_AT_MOST = 64 * MEBIBYTE
EVENT_STREAM = "text/event-stream"
IDLE_SECONDS = 30
TOTAL_SECONDS = 60.0


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
    certificate authorities. `timeout` bounds each step; a call as a whole is bounded by its
    caller, with asyncio.timeout.

    Its calls raise OutboundRefused, ResponseTooLarge and ResponseCompressed besides httpx2's own.
    """
    transport = GuardedTransport(verify or _system_authorities(), bytes_at_most)
    return httpx2.AsyncClient(transport=transport, **_options(timeout))


def guarded_sync_client(
    *,
    total_seconds: float = TOTAL_SECONDS,
    bytes_at_most: int | None = None,
    timeout: httpx2.Timeout | None = None,
    verify: ssl.SSLContext | None = None,
) -> httpx2.Client:
    """The same for threads, which may share it. A connection serves one call.

    Nobody can break off a thread's call from outside, so each is over within `total_seconds`, from
    its name's resolution to its answer's last byte: an httpx2.TimeoutException.
    """
    transport = GuardedSyncTransport(verify or _system_authorities(), bytes_at_most, total_seconds)
    return httpx2.Client(transport=transport, **_options(timeout))


def _options(timeout: httpx2.Timeout | None) -> dict[str, Any]:
    return {
        "timeout": timeout or httpx2.Timeout(30.0, connect=CONNECT_SECONDS),
        "headers": {"accept-encoding": "identity", "user-agent": "Fuwuhao"},
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        "follow_redirects": False,
        "trust_env": False,
    }


@cache
def _system_authorities() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)


# The rules for a request and its answer -------------------------------------------------------


def _check(request: httpx2.Request) -> None:
    try:
        destinations.check_parsed_url(request.url)
    except UrlRefused as refusal:
        raise OutboundRefused(str(refusal)) from None


def _capped(
    request: httpx2.Request, response: httpx2.Response, bytes_at_most: int | None
) -> CappedStream:
    """The answer's content. Raises ResponseCompressed and ResponseTooLarge."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise ResponseCompressed(gettext_noop("the answer came compressed"))
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == EVENT_STREAM == request.headers.get("accept"):
        return CappedEvents(response.stream, STREAM_BYTES_AT_MOST)
    configured: int = getattr(settings, "OUTBOUND_BYTES_AT_MOST", BYTES_AT_MOST)
    cap = bytes_at_most or configured
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length) > cap:
        raise too_large(cap)
    return CappedStream(response.stream, cap)


# Awaited --------------------------------------------------------------------------------------


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


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Checks each request's URL, connects through the guard, and caps what comes back."""

    def __init__(self, verify: ssl.SSLContext, bytes_at_most: int | None) -> None:
        # A pool for each scheme, because the backend is told host and port but not the scheme.
        self._by_scheme = {
            scheme: _PooledTransport(scheme, verify) for scheme in destinations.STANDARD_PORTS
        }
        self._bytes_at_most = bytes_at_most

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        _check(request)
        response = await self._by_scheme[request.url.scheme].handle_async_request(request)
        try:
            response.stream = _capped(request, response, self._bytes_at_most)
        except httpx2.TransportError:
            await response.aclose()
            raise
        return response

    async def aclose(self) -> None:
        for transport in self._by_scheme.values():
            await transport.aclose()


# For threads ----------------------------------------------------------------------------------


class _PerCallTransport(httpx2.HTTPTransport):
    """As _PooledTransport, without a pool."""

    def __init__(self, scheme: str, verify: ssl.SSLContext, total_seconds: float) -> None:
        self._pool = ConnectionPerCall(  # type: ignore[assignment]  # all that is asked of a pool
            lambda origin: httpcore2.HTTPConnection(
                origin,
                ssl_context=verify,
                network_backend=GuardedSyncBackend(scheme, time.monotonic() + total_seconds),
            )
        )


class GuardedSyncTransport(httpx2.BaseTransport):
    """As GuardedTransport, each call being over within `total_seconds`."""

    def __init__(
        self, verify: ssl.SSLContext, bytes_at_most: int | None, total_seconds: float
    ) -> None:
        self._by_scheme = {
            scheme: _PerCallTransport(scheme, verify, total_seconds)
            for scheme in destinations.STANDARD_PORTS
        }
        self._bytes_at_most = bytes_at_most

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        _check(request)
        response = self._by_scheme[request.url.scheme].handle_request(request)
        try:
            response.stream = _capped(request, response, self._bytes_at_most)
        except httpx2.TransportError:
            response.close()
            raise
        return response
