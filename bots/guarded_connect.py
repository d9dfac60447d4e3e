"""Connections to checked addresses only, awaited or not: what `bots.outbound` dials with.

Every address that a name has is checked by `bots.destinations`, and one of those is dialled, at
every connection. No time is left open to the other side: not the resolver's, not a dead
address's, and of what runs in a thread not the whole call's.
"""

import asyncio
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import httpcore2
import httpx2

from bots import destinations
from bots.addresses import Address, literal_address

CONNECT_SECONDS = 10.0
# Each is a thread for as long as the system's resolver takes, which nothing can break off.
NAMES_AT_ONCE = 400
WRITE_BYTES = 16 * 1024


class OutboundRefused(httpx2.TransportError):
    """The guard refused the connection; nothing was sent.

    A transport error, so that httpx2 passes it on as it is and openai keeps it as the cause of its
    APIConnectionError.
    """


class NameUnknown(httpcore2.ConnectError):
    """The host's name has no address here."""


# Names and addresses --------------------------------------------------------------------------

_asked: dict[tuple[str, int], Future[list[Address]]] = {}
_asked_lock = threading.Lock()


def look_up(host: str, port: int) -> Future[list[Address]]:
    """The addresses of a host, none where it does not resolve. Raises httpcore2.ConnectError.

    Each name has a thread of its own: of the few that asyncio shares, a handful of names whose
    name servers never answer would leave none to anybody else's.
    """
    found: Future[list[Address]] = Future()
    if literal := literal_address(host):
        found.set_result([literal])
        return found
    found.set_running_or_notify_cancel()  # it is others' as well: whoever gives up does not end it
    with _asked_lock:
        if asked := _asked.get((host, port)):
            return asked
        if len(_asked) >= NAMES_AT_ONCE:
            raise httpcore2.ConnectError("too many names are being resolved")
        _asked[host, port] = found
    try:
        threading.Thread(target=_resolve, args=(host, port, found), daemon=True).start()
    except RuntimeError as error:  # the system has no thread left
        _answer(host, port, found, [])
        raise httpcore2.ConnectError("the name cannot be resolved now") from error
    return found


def _resolve(host: str, port: int, found: Future[list[Address]]) -> None:
    addresses: list[Address] = []
    try:
        with suppress(OSError, ValueError):  # UnicodeError, a ValueError: a label is too long
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            texts = dict.fromkeys(str(entry[4][0]) for entry in entries)
            addresses = [ipaddress.ip_address(text) for text in texts]
    finally:
        _answer(host, port, found, addresses)


def _answer(host: str, port: int, found: Future[list[Address]], addresses: list[Address]) -> None:
    with _asked_lock:
        del _asked[host, port]
    found.set_result(addresses)


@contextmanager
def _resolved_in_time() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout("the name was not resolved in time") from error


def _in_turn(
    addresses: list[Address], give_up: float
) -> Iterator[tuple[str, float, AbstractContextManager[Any]]]:
    """Each address, its seconds, and the patience with it: the last one's failure counts."""
    for tried, address in enumerate(addresses, start=1):
        # An equal share of the time that is left: one dead address must not use it up.
        share = (give_up - time.monotonic()) / (len(addresses) - tried + 1)
        unreached = (httpcore2.ConnectError, httpcore2.ConnectTimeout)
        patience = suppress(*unreached) if tried < len(addresses) else nullcontext()
        yield str(address), max(share, 0.01), patience


def _check(scheme: str, host: str, port: int, addresses: list[Address]) -> None:
    """Raises OutboundRefused, and NameUnknown where there is none."""
    # One bad address condemns the name: nobody honest mixes public and private ones.
    if not all(destinations.permitted(scheme, host, port, each) for each in addresses):
        raise OutboundRefused(destinations.private_message())
    if not addresses:
        raise NameUnknown("the name does not resolve")


# Dialling -------------------------------------------------------------------------------------


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
        give_up = time.monotonic() + (timeout or CONNECT_SECONDS)
        with _resolved_in_time():
            async with asyncio.timeout(give_up - time.monotonic()):
                addresses = await asyncio.wrap_future(look_up(host, port))
        _check(self._scheme, host, port, addresses)
        for address, seconds, patience in _in_turn(addresses, give_up):
            with patience:
                return await self._network.connect_tcp(
                    address, port, seconds, local_address, socket_options
                )
        raise AssertionError("the last address is tried without patience")


class GuardedSyncBackend(httpcore2.NetworkBackend):
    """The same for one call of a thread, which is over by `ends_at` (of time.monotonic)."""

    def __init__(self, scheme: str, ends_at: float) -> None:
        self._scheme = scheme
        self._ends_at = ends_at
        self._network = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        give_up = min(time.monotonic() + (timeout or CONNECT_SECONDS), self._ends_at)
        with _resolved_in_time():
            addresses = look_up(host, port).result(give_up - time.monotonic())
        _check(self._scheme, host, port, addresses)
        for address, seconds, patience in _in_turn(addresses, give_up):
            with patience:
                stream = self._network.connect_tcp(
                    address, port, seconds, local_address, socket_options
                )
                return _BoundedStream(stream, self._ends_at)
        raise AssertionError("the last address is tried without patience")


class _BoundedStream(httpcore2.NetworkStream):
    """A stream that is over at one moment, however often each step brings a byte in its time."""

    def __init__(self, stream: httpcore2.NetworkStream, ends_at: float) -> None:
        self._stream = stream
        self._ends_at = ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces, because the stream below begins its time anew with all that the other side
        # was pleased to take.
        for start in range(0, len(buffer), WRITE_BYTES):
            left = self._left(timeout, httpcore2.WriteTimeout)
            self._stream.write(buffer[start : start + WRITE_BYTES], left)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = self._left(timeout, httpcore2.ConnectTimeout)
        encrypted = self._stream.start_tls(ssl_context, server_hostname, left)
        return _BoundedStream(encrypted, self._ends_at)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _left(self, timeout: float | None, late: type[httpcore2.TimeoutException]) -> float:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            self.close()
            raise late("the call took too long")
        return left if timeout is None else min(timeout, left)
