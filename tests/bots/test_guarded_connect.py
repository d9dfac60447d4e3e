"""Time is the guard's: a resolver that hangs or a server that drips holds nobody for ever."""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpcore2
import httpx2
import pytest

from bots import guarded_connect, outbound
from bots.outbound import ResponseTooLarge
from tests.bots import dialling
from tests.bots.dialling import CLIENTS, NO_CONTENT, PUBLIC, Names, serving
from tests.bots.test_provider import wait_until

pytestmark = pytest.mark.alike

DRIPS_AT_MOST = 1500  # some 30 seconds of them, so that a test fails and does not hang
ANNOUNCED = b"HTTP/1.1 102 Processing\r\n\r\n" * 100
HANDSHAKE = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"  # the beginning of a long TLS record


class HangingNames(Names):
    """Names of whoever's name server never answers are below slow.example."""

    def __init__(self):
        super().__init__()
        self.released = threading.Event()
        self.asked = []

    def getaddrinfo(self, host, *args, **options):
        self.asked.append(host)
        if host.endswith("slow.example"):
            assert self.released.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "nobody answered")
        return super().getaddrinfo(host, *args, **options)


@pytest.fixture
def names(monkeypatch):
    told = HangingNames()
    dialling.resolve_by(monkeypatch, told)
    yield told
    told.released.set()
    wait_until(lambda: not guarded_connect._asked)


@pytest.fixture(params=CLIENTS)
def fetch(request):
    return request.param


@pytest.fixture(autouse=True)
def _loopback_is_opened(settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]


def call_one_that(behave, scheme="http", total_seconds=0.3, timeout=None, **request):
    """A call through the client for threads to a server that behaves so."""
    options = {"total_seconds": total_seconds, "timeout": timeout}
    with serving(behave) as port:
        url = f"{scheme}://127.0.0.1:{port}"
        return dialling.fetch_sync("POST", url, options=options, **request)


def drip(connection, piece):
    for _ in range(DRIPS_AT_MOST):
        connection.sendall(piece)
        time.sleep(0.02)


def flood(connection, piece):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        connection.sendall(piece)


def greet(connection):
    connection.recv(65536)
    connection.sendall(NO_CONTENT)


def refuse_to_start(_thread):
    raise RuntimeError("can't start new thread")


# Names ----------------------------------------------------------------------------------------


def test_a_resolver_that_hangs_is_a_connect_timeout(names, fetch):
    timeout = httpx2.Timeout(5, connect=0.05)
    with pytest.raises(httpx2.ConnectTimeout, match="not resolved in time"):
        fetch("GET", "https://slow.example", options={"timeout": timeout})


def test_a_resolver_that_hangs_is_part_of_the_whole_time(names):
    options = {"total_seconds": 0.05, "timeout": httpx2.Timeout(3600)}
    with pytest.raises(httpx2.ConnectTimeout, match="not resolved in time"):
        dialling.fetch_sync("GET", "https://slow.example", options=options)


def test_names_that_hang_leave_the_resolver_to_others(names, monkeypatch):
    dialled = dialling.record_dialling(monkeypatch)
    names["good.example"] = [[PUBLIC]]

    async def call_among_many():
        async with outbound.guarded_client() as client:
            slow = [f"https://{number}.slow.example" for number in range(60)]
            hanging = [asyncio.ensure_future(client.get(url)) for url in slow]
            await asyncio.sleep(0)
            with suppress(httpx2.ConnectError):
                await client.get("https://good.example")
            assert not any(each.done() for each in hanging)
            for each in hanging:
                each.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    asyncio.run(call_among_many())
    assert dialled == [PUBLIC]


def test_a_name_that_is_being_resolved_is_not_asked_for_twice(names):
    found = [guarded_connect.look_up("slow.example", 443) for _ in range(10)]
    names.released.set()
    assert [each.result(10) for each in found] == [[]] * 10
    assert names.asked == ["slow.example"]


def test_a_name_that_was_resolved_is_asked_for_again(names):
    names["a.example"] = [["1.1.1.1"], ["8.8.8.8"]]
    found = [guarded_connect.look_up("a.example", 443).result(10) for _ in range(2)]
    assert [str(each) for addresses in found for each in addresses] == ["1.1.1.1", "8.8.8.8"]


def test_too_many_names_at_once_are_refused(names, monkeypatch, fetch):
    monkeypatch.setattr(guarded_connect, "NAMES_AT_ONCE", 1)
    guarded_connect.look_up("slow.example", 443)
    with pytest.raises(httpx2.ConnectError, match="too many names"):
        fetch("GET", "https://other.example")


def test_a_name_that_finds_no_thread_is_asked_for_again(names, monkeypatch):
    names["a.example"] = [["1.1.1.1"]]
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_to_start)
        with pytest.raises(httpcore2.ConnectError, match="cannot be resolved now"):
            guarded_connect.look_up("a.example", 443)
    assert len(guarded_connect.look_up("a.example", 443).result(10)) == 1


def test_a_dead_address_does_not_use_up_the_time_of_the_next(names, settings, monkeypatch, fetch):
    seconds = []

    def refuse(_backend, _host, _port, timeout, *_args):
        seconds.append(timeout)
        raise httpcore2.ConnectTimeout("dead")

    async def refuse_async(*args):
        refuse(*args)

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", refuse)
    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", refuse_async)
    names["dead.example"] = [["1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4"]]
    with pytest.raises(httpx2.ConnectTimeout, match="dead"):
        fetch("GET", "https://dead.example", options={"timeout": httpx2.Timeout(60)})
    assert len(seconds) == 4
    assert seconds[0] <= 15


# Calls of threads are over in time ------------------------------------------------------------


def test_headers_that_drip_are_cut_off():
    def behave(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nx-drip: ")
        drip(connection, b"x")

    with pytest.raises(httpx2.TimeoutException):
        call_one_that(behave)


def test_a_body_that_drips_is_cut_off():
    def behave(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        drip(connection, b"x")

    with pytest.raises(httpx2.TimeoutException):
        call_one_that(behave)


def test_an_answer_that_is_announced_again_and_again_is_cut_off():
    with pytest.raises(httpx2.TimeoutException):
        call_one_that(lambda connection: flood(connection, ANNOUNCED))


def test_a_handshake_that_drips_is_cut_off():
    def behave(connection):
        connection.sendall(HANDSHAKE)
        drip(connection, b"x")

    with pytest.raises(httpx2.TimeoutException):
        call_one_that(behave, scheme="https")


def test_a_handshake_that_never_begins_is_cut_off():
    with pytest.raises(httpx2.TimeoutException):
        call_one_that(lambda connection: connection.recv(65536) and time.sleep(5), scheme="https")


def test_a_server_that_reads_nothing_is_cut_off():
    with pytest.raises(httpx2.TimeoutException):
        call_one_that(lambda _connection: time.sleep(5), content=b"x" * 50_000_000)


def test_a_server_that_reads_in_sips_is_cut_off():
    def behave(connection):
        for _ in range(DRIPS_AT_MOST):
            connection.recv(200_000)
            time.sleep(0.02)

    with pytest.raises(httpx2.WriteTimeout):
        call_one_that(behave, total_seconds=1, content=b"x" * 60_000_000)


def test_a_server_that_says_nothing_is_left_before_that():
    timeout = httpx2.Timeout(0.05)
    with pytest.raises(httpx2.TimeoutException):
        call_one_that(lambda _connection: time.sleep(5), total_seconds=60, timeout=timeout)


def test_each_call_has_its_whole_time(monkeypatch):
    moments = []

    class Recording(guarded_connect.GuardedSyncBackend):
        def __init__(self, scheme, ends_at):
            moments.append(ends_at)
            super().__init__(scheme, ends_at)

    monkeypatch.setattr(outbound, "GuardedSyncBackend", Recording)
    with serving(greet) as port, outbound.guarded_sync_client() as client:
        client.get(f"http://127.0.0.1:{port}")
        client.get(f"http://127.0.0.1:{port}")
    assert moments[0] < moments[1]


# Connections of threads -----------------------------------------------------------------------


def test_a_connection_ends_with_its_answer():
    ended = threading.Event()

    def behave(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert connection.recv(1) == b""
        ended.set()

    with serving(behave) as port, outbound.guarded_sync_client() as client:
        answer = client.get(f"http://127.0.0.1:{port}")
        assert ended.wait(10)
    assert answer.status_code == 204


def test_a_connection_ends_with_the_refusal_of_its_answer(fetch):
    ended = threading.Event()

    def behave(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        assert connection.recv(1) == b""
        ended.set()

    with serving(behave) as port, pytest.raises(ResponseTooLarge) as refusal:
        fetch("GET", f"http://127.0.0.1:{port}", options={"bytes_at_most": 10})
    assert refusal.value
    assert ended.wait(10)


def test_threads_share_a_client():
    with (
        serving(greet) as port,
        outbound.guarded_sync_client() as client,
        ThreadPoolExecutor(8) as threads,
    ):
        answers = list(threads.map(client.get, [f"http://127.0.0.1:{port}"] * 40))
    assert [each.status_code for each in answers] == [204] * 40
