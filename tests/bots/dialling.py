"""What the guard's tests call with and listen on.

Both clients, a resolver that says what a test wants, a dialler that brings every call that the
guard lets through to one listener whatever address was dialled, and the listener, which counts.
"""

import asyncio
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpcore2
import httpx2
import pytest

from bots import outbound

PUBLIC = "93.184.215.14"
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


# Calling --------------------------------------------------------------------------------------


def fetch_async(
    method: str, url: str, *, options: dict | None = None, **request
) -> httpx2.Response:
    """One request through an awaited client of its own, made with `options`."""

    async def call() -> httpx2.Response:
        async with outbound.guarded_client(**options or {}) as client:
            return await client.request(method, url, **request)

    return asyncio.run(call())


def fetch_sync(method: str, url: str, *, options: dict | None = None, **request) -> httpx2.Response:
    """The same through the client for threads."""
    with outbound.guarded_sync_client(**options or {}) as client:
        return client.request(method, url, **request)


CLIENTS = [pytest.param(fetch_async, id="async"), pytest.param(fetch_sync, id="sync")]


# Names and addresses --------------------------------------------------------------------------


class Names(dict[str, list[list[str]]]):
    """What the resolver says: each name's answers in turn, the last one again and again.

    Other names do not resolve; what inet_aton takes for an address, it takes for one here.
    """

    def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002
        answers = self.get(host.removesuffix("."))
        if answers is None:
            numeric = flags | socket.AI_NUMERICHOST
            return self.resolve(host, port, family, type, proto, numeric)
        turn = answers.pop(0) if len(answers) > 1 else answers[0]
        return [self._entry(text, port) for text in turn]

    resolve = staticmethod(socket.getaddrinfo)

    def _entry(self, text: str, port: int):
        if ipaddress.ip_address(text).version == 4:
            return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (text, port, 0, 0))


def resolve_by(monkeypatch: pytest.MonkeyPatch, names: Names) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)


def record_dialling(monkeypatch: pytest.MonkeyPatch, port: int = 0) -> list[str]:
    """The addresses that are dialled; `port` is where they lead instead, 0 for where they are.

    PUBLIC is refused instead of called.
    """
    dialled: list[str] = []
    dial_sync, dial_async = httpcore2.SyncBackend.connect_tcp, httpcore2.AnyIOBackend.connect_tcp

    def target(host: str, its_port: int) -> tuple[str, int]:
        dialled.append(host)
        if host == PUBLIC:
            raise httpcore2.ConnectError("no network in tests")
        return ("127.0.0.1", port) if port else (host, its_port)

    def connect(backend, host, its_port, *args):
        return dial_sync(backend, *target(host, its_port), *args)

    async def connect_async(backend, host, its_port, *args):
        return await dial_async(backend, *target(host, its_port), *args)

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", connect)
    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect_async)
    return dialled


# Listening ------------------------------------------------------------------------------------


class Listener:
    """Listens on one port of every address that this machine has, IPv4 and IPv6, and counts."""

    def __init__(self) -> None:
        self._sockets = _listen_everywhere()
        self.port: int = self._sockets[0].getsockname()[1]
        self._came: list[tuple[str, int]] = []
        for each in self._sockets:
            threading.Thread(target=self._take, args=(each,), daemon=True).start()

    def _take(self, server: socket.socket) -> None:
        while True:
            try:
                connection, peer = server.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self._came.append(peer[:2])
                connection.settimeout(1)
                connection.recv(65536)
                connection.sendall(NO_CONTENT)

    def arrived(self) -> int:
        """How many came so far. They are counted in turn, and here is somebody who comes last."""
        for each in self._sockets:
            with socket.create_connection((LOOPBACK[each.family], self.port)) as last:
                own = last.getsockname()[:2]
            deadline = time.monotonic() + 30
            while own not in self._came:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            self._came.remove(own)
        return len(self._came)

    def close(self) -> None:
        for each in self._sockets:
            each.shutdown(socket.SHUT_RDWR)
            each.close()


def _listen_everywhere() -> list[socket.socket]:
    while True:
        first = socket.create_server(("", 0), backlog=100)
        port = first.getsockname()[1]
        try:
            second = socket.create_server(("::", port), family=socket.AF_INET6, backlog=100)
        except OSError:
            if not _has_ipv6():
                return [first]
            first.close()  # somebody else has this port there
        else:
            return [first, second]


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def redirecting(status: int, location: str) -> Iterator[int]:
    """The port on loopback where every call is sent on to `location`."""

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirect)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serving(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port on loopback where each connection gets `behave`, in a thread, until that returns."""

    def take() -> None:
        while True:
            try:
                connection, _peer = server.accept()
            except OSError:
                return
            threading.Thread(target=attend, args=(connection,), daemon=True).start()

    def attend(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            behave(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=take, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
