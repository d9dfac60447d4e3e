"""The bridge's way in: an ASGI request read whole, and put in the words of WSGI.

Bodies are read on the event loop, so that a slow upload costs no thread, and what proxies say of
the client is settled here, once, for everything behind.
"""

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from django.core.exceptions import RequestDataTooBig

from portal import hold

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Network = IPv4Network | IPv6Network

PROTOCOLS = {"1": "HTTP/1.0", "1.1": "HTTP/1.1", "2": "HTTP/2"}
MEBIBYTE = 1024 * 1024
BODY_SECONDS = 60.0
DRAIN_BYTES_AT_MOST = 32 * MEBIBYTE
BODIES_BYTES_AT_MOST = 64 * MEBIBYTE  # all bodies of the process that are in memory at once


class RefusedError(Exception):
    """The request gets a plain answer from the bridge itself; Django never sees it."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class ClientGoneError(Exception):
    """The client closed its connection before its request was complete."""


class _Oversized(io.RawIOBase):
    """The `wsgi.input` of a body over the cap: each door answers 413 in its own shape."""

    def read(self, size: int = -1, /) -> NoReturn:
        raise RequestDataTooBig("The request body is larger than this server accepts.")

    def readline(self, size: int | None = -1, /) -> NoReturn:
        self.read()


@dataclass
class Body:
    """What the client sent: `size` counts all of it, `chunks` is empty when that was too much."""

    size: int = 0
    over: bool = False
    chunks: list[bytes] = field(default_factory=list)
    kept: int = 0

    def stream(self) -> io.IOBase:
        return _Oversized() if self.over else io.BytesIO(b"".join(self.chunks))


class BodyReader:
    """Reads bodies on the event loop, so that a slow upload costs no thread."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._kept = 0
        self._limits: set[asyncio.Timeout] = set()

    async def fill(self, body: Body, scope: Scope, receive: Receive) -> None:
        """Read it all; a body over the cap is read on to its end, up to a limit, and dropped.

        Raises RefusedError (408 after BODY_SECONDS, 503 when there is no room or no time left) and
        ClientGoneError.
        """
        headers = dict(scope["headers"])
        declared = int(headers.get(b"content-length", 0))
        if not declared and b"transfer-encoding" not in headers and scope["http_version"] != "2":
            return
        waits = b"expect" in headers and declared > self._at_most
        if waits or declared > DRAIN_BYTES_AT_MOST:
            body.size, body.over = declared, True
            return
        limit = asyncio.timeout(BODY_SECONDS)
        try:
            async with limit:
                self._limits.add(limit)
                while await self._take(body, receive):
                    pass
        except TimeoutError:
            late = hold.stopping().is_set()
            status = HTTPStatus.SERVICE_UNAVAILABLE if late else HTTPStatus.REQUEST_TIMEOUT
            raise RefusedError(status) from None
        finally:
            self._limits.discard(limit)

    async def _take(self, body: Body, receive: Receive) -> bool:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        body.size += len(chunk)
        body.over = body.over or body.size > self._at_most
        if body.over:
            self.release(body)
        else:
            body.chunks.append(chunk)
            body.kept += len(chunk)
            self._kept += len(chunk)
        if self._kept > BODIES_BYTES_AT_MOST:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE)
        return bool(message.get("more_body")) and body.size <= DRAIN_BYTES_AT_MOST

    def release(self, body: Body) -> None:
        self._kept -= body.kept
        body.kept = 0
        body.chunks.clear()

    async def hurry_on_stop(self) -> None:
        """A process that stops waits for no upload longer than the grace."""
        await hold.until_stopping()
        until = asyncio.get_running_loop().time() + hold.STOP_GRACE_SECONDS
        for limit in self._limits:
            limit.reschedule(until)


def client_address(peer: str, forwarded_for: str, trusted: list[Network]) -> str:
    """Who really asks: the peer, or what the proxies that we trust say of it.

    Each proxy appends the address that it saw, so the list is believed from its right end, and
    only as far as the one who wrote the entry is trusted.
    """
    believed = peer
    for entry in reversed(forwarded_for.split(",")):
        if not _is_trusted(believed, trusted):
            break
        named = _address(entry)
        if not named:
            break
        believed = named
    return believed


def _is_trusted(address: str, trusted: list[Network]) -> bool:
    return bool(trusted and address) and any(ip_address(address) in net for net in trusted)


def _address(entry: str) -> str:
    """The address in one entry of X-Forwarded-For, without a port; empty if it names none."""
    entry = entry.strip()
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        address = ip_address(entry)
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def build_environ(scope: Scope, body: Body, trusted: list[Network]) -> dict[str, Any]:
    """The WSGI environ (PEP 3333) of an ASGI request: text is bytes read as latin-1.

    What proxies say is settled here, once: REMOTE_ADDR is the client, X-Forwarded-For is gone,
    and from a peer that is no trusted proxy no forwarding header gets through.
    """
    host, port = scope.get("server") or ("localhost", "80")
    peer = _address(scope["client"][0]) if scope.get("client") else ""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": PROTOCOLS.get(scope["http_version"], "HTTP/1.1"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body.stream(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **_header_variables(scope["headers"], believe_proxy=_is_trusted(peer, trusted)),
    }
    if body.size:
        environ["CONTENT_LENGTH"] = str(body.size)
    forwarded_for = environ.pop("HTTP_X_FORWARDED_FOR", "")
    environ["REMOTE_ADDR"] = client_address(peer, forwarded_for, trusted)
    return environ


def _header_variables(headers: list[tuple[bytes, bytes]], *, believe_proxy: bool) -> dict[str, str]:
    variables: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").upper(), raw_value.decode("latin-1")
        if "_" in name:
            continue  # X_Forwarded_For would become the same variable as X-Forwarded-For
        if not believe_proxy and (name == "FORWARDED" or name.startswith("X-FORWARDED-")):
            continue
        own = name in ("CONTENT-TYPE", "CONTENT-LENGTH")
        key = ("" if own else "HTTP_") + name.replace("-", "_")
        joint = "; " if name == "COOKIE" else ","
        variables[key] = f"{variables[key]}{joint}{value}" if key in variables else value
    return variables
