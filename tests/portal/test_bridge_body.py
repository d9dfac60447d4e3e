"""Request bodies through the bridge: whole, broken, too large, too slow, and too many at once."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from itertools import repeat
from typing import Any

import pytest

from portal.bridge_body import Body, BodyReader, RefusedError
from tests.portal.bridge_server import Client, Server

pytestmark = pytest.mark.alike

CHUNKED = "Transfer-Encoding: chunked"
CLOSE = "Connection: close"
LARGE = 90_000  # over SMALL_BODY_BYTES and under the cap of the site


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server().wait_ready()
    yield running
    running.stop()


@pytest.fixture
def patient_server() -> Iterator[Server]:
    """One with time for bodies, behind a proxy that it trusts."""
    running = Server(BRIDGE_BODY_SECONDS="60", BRIDGE_PROXIES="127.0.0.1").wait_ready()
    yield running
    running.stop()


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


# Over HTTP --------------------------------------------------------------------------------------


def test_it_reads_a_chunked_body(server):
    body = chunked(b"hello ", b"wide ", b"world")
    answer = server.client().say("POST /body HTTP/1.1", CHUNKED, CLOSE, body=body).rest()
    assert answer.endswith(b'{"length": 16, "head": "hello wide world"}')


def test_it_reads_a_body_with_a_length(server):
    answer = server.request("POST", "/body", b"x" * 100_000).read()
    assert json.loads(answer)["length"] == 100_000


def test_it_takes_an_absent_body_for_an_empty_one(server):
    answer = server.client().say("POST /body HTTP/1.1", CLOSE).rest()
    assert answer.endswith(b'{"length": 0, "head": ""}')


def test_it_lets_the_door_answer_413_to_a_large_body(server):
    answer = server.request("POST", "/body", b"x" * 3_000_000)
    assert (answer.status, answer.read()) == (413, b'{"code": 45002}')


def test_it_lets_the_door_answer_413_to_a_large_chunked_body(server):
    body = chunked(*[b"x" * 50_000] * 40)
    answer = server.client().say("POST /body HTTP/1.1", CHUNKED, CLOSE, body=body).rest()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b'{"code": 45002}')


def test_it_lets_a_view_ignore_a_large_body(server):
    assert server.request("POST", "/ignoring", b"x" * 300_000).status == 200


def test_it_goes_on_with_the_connection_after_a_large_body(server):
    client = server.client()
    client.say("POST /body HTTP/1.1", "Content-Length: 300000", body=b"x" * 300_000)
    client.until(b'{"code": 45002}')
    assert b"200 OK" in client.say("GET /quick HTTP/1.1").until(b"\r\n")


def test_it_does_not_ask_for_a_large_body_that_the_client_offers(server):
    client = server.client().say(
        "POST /body HTTP/1.1", "Content-Length: 9000000", "Expect: 100-continue"
    )
    assert client.until(b"\r\n") == b"HTTP/1.1 413 Payload Too Large\r\n"


def test_it_answers_at_once_to_a_body_that_is_too_large_to_drain(server):
    client = server.client().say("POST /body HTTP/1.1", "Content-Length: 9000000000")
    assert client.rest().startswith(b"HTTP/1.1 413 ")


def test_it_runs_no_view_for_a_body_that_breaks_off(server):
    client = server.client()
    client.say("POST /body?id=short HTTP/1.1", "Content-Length: 50", body=b"short")
    client.close()
    time.sleep(0.2)
    assert server.count("body short") == 0


def test_it_refuses_two_lengths_that_differ(server):
    client = server.client()
    client.say("POST /body HTTP/1.1", "Content-Length: 2", "Content-Length: 4", body=b"four")
    assert client.until(b"\r\n") == b"HTTP/1.1 400 Bad Request\r\n"


def test_it_ends_a_slow_upload_with_408(server):
    client = server.client().say("POST /body HTTP/1.1", "Content-Length: 50", body=b"slow")
    answer = client.rest()
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"connection: close" in answer


def test_it_holds_no_thread_for_slow_uploads(server):
    uploads = [
        server.client().say("POST /body HTTP/1.1", "Content-Length: 50", body=b"slow")
        for _ in range(20)
    ]
    began = time.monotonic()
    assert server.get("/quick").status == 200
    assert time.monotonic() - began < 0.5
    assert all(upload.rest().startswith(b"HTTP/1.1 408") for upload in uploads)


# Broken bodies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n",
        b"-1\r\n",
        b"ffffffffffffffffff\r\n",
        b"5;" + b"x" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"5\r\nhelloworld\r\n0\r\n\r\n",
    ],
)
def test_it_answers_400_to_a_broken_chunked_body(server, body):
    answer = server.client().say("POST /body HTTP/1.1", CHUNKED, body=body).rest()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(b"\r\n\r\nBad Request")


@pytest.mark.parametrize("body", [b"", b"short"])
def test_it_answers_400_to_a_body_that_ends_too_early(server, body):
    client = server.client().say("POST /body HTTP/1.1", "Content-Length: 50", body=body)
    assert client.end().rest().startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_it_says_nothing_when_the_client_of_a_broken_body_is_gone():
    server = Server().wait_ready()
    client = server.client().say("POST /body HTTP/1.1", "Content-Length: 50", body=b"short")
    client.close()
    time.sleep(0.2)
    said = server.stop()
    assert "ERROR" not in said
    assert "Traceback" not in said


# Slow bodies, and many of them ------------------------------------------------------------------


def uploads(server: Server, count: int, size: int, sent: int, *headers: str) -> list[Client]:
    """Connections that promise a body of this size and stop when so much of it is sent."""
    said = ("POST /body HTTP/1.1", f"Content-Length: {size}", *headers)
    return [server.client().say(*said, body=b"x" * sent) for _ in range(count)]


def test_it_ends_a_large_upload_that_falls_behind_its_pace(patient_server):
    began = time.monotonic()
    (client,) = uploads(patient_server, 1, LARGE, sent=70_000)
    assert client.rest().startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert 1.9 < time.monotonic() - began < 5


def test_it_has_patience_with_a_small_upload(patient_server):
    (client,) = uploads(patient_server, 1, 50, sent=5)
    time.sleep(2.2)
    client.socket.sendall(b"x" * 45)
    assert client.until(b"\r\n") == b"HTTP/1.1 200 OK\r\n"


def test_it_serves_small_bodies_beside_many_unfinished_large_ones(patient_server):
    clients = uploads(patient_server, 200, LARGE, sent=80_000)
    assert patient_server.request("POST", "/body", b"small").status == 200
    assert [client.close() for client in clients]


def test_it_refuses_a_ninth_unfinished_large_upload(patient_server):
    clients = uploads(patient_server, 9, LARGE, sent=80_000)
    answers = sorted(client.rest()[:12] for client in clients)
    assert answers == [b"HTTP/1.1 408"] * 8 + [b"HTTP/1.1 503"]


def test_it_refuses_a_ninth_large_upload_of_unknown_length_at_once(patient_server):
    clients = uploads(patient_server, 8, LARGE, sent=80_000)
    body = b"13880\r\n" + b"x" * 80_000
    ninth = patient_server.client().say("POST /body HTTP/1.1", CHUNKED, body=body)
    assert ninth.rest().startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert [client.close() for client in clients]


def test_it_counts_the_uploads_of_the_client_behind_the_proxy(patient_server):
    clients = uploads(patient_server, 20, LARGE, 80_000, "X-Forwarded-For: 203.0.113.9")
    forwarded = {"X-Forwarded-For": "198.51.100.7"}
    assert patient_server.request("POST", "/body", b"x" * LARGE, forwarded).status == 200
    assert [client.close() for client in clients]


def test_it_takes_a_burst_of_large_uploads_of_one_client(server):
    with ThreadPoolExecutor(50) as pool:
        posts = pool.map(server.request, repeat("POST"), ["/body"] * 100, repeat(b"x" * LARGE))
        assert {answer.status for answer in posts} == {200}


def test_it_lets_only_so_many_small_uploads_of_one_client_linger(patient_server):
    clients = uploads(patient_server, 256, 50, 5, "X-Forwarded-For: 203.0.113.9")
    time.sleep(0.2)
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    assert patient_server.request("POST", "/body", b"small", forwarded).status == 503
    assert patient_server.request("POST", "/body", b"small").status == 200
    assert [client.close() for client in clients]


# The reader alone -------------------------------------------------------------------------------


class Uploading:
    """A client that sends its pieces at once, and then stays silent."""

    def __init__(self, *pieces: bytes, ends: bool = True, pause: float = 0.0) -> None:
        self.body = Body()
        self._pause = pause
        self._messages = [
            {"type": "http.request", "body": each, "more_body": True} for each in pieces
        ]
        self._messages[-1]["more_body"] = not ends

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(self._pause if self._messages else 60)
        return self._messages.pop(0)

    async def fill(self, reader: BodyReader, client: str = "192.0.2.1") -> Body:
        scope = {"headers": [(b"transfer-encoding", b"chunked")], "http_version": "1.1"}
        await reader.fill(self.body, scope, self.receive, client)
        return self.body


async def unfinished(reader: BodyReader, tasks: AsyncExitStack, uploading: Uploading, client: str):
    task = asyncio.create_task(uploading.fill(reader, client))
    tasks.callback(task.cancel)
    await asyncio.sleep(0.01)


def test_it_keeps_nothing_of_a_body_over_the_cap():
    body = asyncio.run(Uploading(*[b"x" * 60] * 3).fill(BodyReader(at_most=100)))
    assert (body.size, body.over, bytes(body.content), body.charged) == (180, True, b"", 0)


def test_it_charges_large_bodies_only():
    small = asyncio.run(Uploading(b"x" * 65_536).fill(BodyReader(at_most=100_000)))
    large = asyncio.run(Uploading(b"x" * 65_536, b"x").fill(BodyReader(at_most=100_000)))
    assert (small.charged, large.charged) == (0, 65_537)


def test_it_takes_small_bodies_when_large_ones_fill_the_room(monkeypatch):
    monkeypatch.setattr("portal.bridge_body.BODIES_BYTES_AT_MOST", 100_000)
    reader = BodyReader(at_most=200_000)
    asyncio.run(Uploading(b"x" * 100_000).fill(reader))
    assert asyncio.run(Uploading(b"x" * 60_000).fill(reader)).size == 60_000
    with pytest.raises(RefusedError, match="Service Unavailable"):
        asyncio.run(Uploading(b"x" * 70_000).fill(reader))


def test_it_gives_the_room_back(monkeypatch):
    monkeypatch.setattr("portal.bridge_body.BODIES_BYTES_AT_MOST", 100_000)
    reader = BodyReader(at_most=200_000)
    reader.release(asyncio.run(Uploading(b"x" * 100_000).fill(reader)))
    assert asyncio.run(Uploading(b"x" * 100_000).fill(reader)).charged == 100_000


def test_it_lets_a_large_body_take_its_time_while_it_keeps_the_pace(monkeypatch):
    monkeypatch.setattr("portal.bridge_body.PACE_SECONDS", 0.2)
    steady = Uploading(b"x" * 70_000, *[b"x" * 8_192] * 8, pause=0.05)
    assert asyncio.run(steady.fill(BodyReader(at_most=200_000))).size == 135_536


@pytest.mark.parametrize(
    ("first", "second", "is_taken"),
    [
        ("192.0.2.1", "192.0.2.1", False),
        ("192.0.2.1", "192.0.2.2", True),
        ("2001:db8::1", "2001:db8::2", False),
        ("2001:db8::1", "2001:db8:0:1::1", True),
    ],
)
def test_it_counts_uploads_by_address(monkeypatch, first, second, is_taken):
    monkeypatch.setattr("portal.bridge_body.LARGE_AT_ONCE", 1)

    async def upload() -> BaseException | Body:
        reader = BodyReader(at_most=200_000)
        async with AsyncExitStack() as tasks:
            await unfinished(reader, tasks, Uploading(b"x" * 70_000, ends=False), first)
            work = Uploading(b"x" * 70_000, b"x").fill(reader, second)
            return (await asyncio.gather(work, return_exceptions=True))[0]

    assert isinstance(asyncio.run(upload()), Body) is is_taken
