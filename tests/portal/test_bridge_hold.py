"""The hold pattern over real HTTP: what waits, who goes away, and the end of the process."""

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.http import HttpResponse
from django.utils import translation

from portal.ending import until_stopping
from portal.hold import HeldResponse, HeldStream, in_thread
from tests.portal.bridge_server import Client, Server, eventually

CLOSE = "Connection: close"
END_OF_CHUNKS = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server().wait_ready()
    yield running
    running.stop()


# Held responses ---------------------------------------------------------------------------------


def test_it_answers_with_what_the_wait_set(server):
    answer = server.get("/held?id=request-7")
    assert (answer.status, answer.headers["X-Waited"]) == (201, "yes")
    assert answer.read() == b"request-7"


def test_it_keeps_the_headers_of_the_middleware(server):
    assert server.get("/held").headers["X-Marked"] == "yes"


def test_it_answers_500_when_the_wait_fails(server):
    answer = server.get("/held-broken")
    assert (answer.status, answer.read()) == (500, b"Internal Server Error")
    assert answer.headers["X-Marked"] == "yes"


def test_it_reads_the_database_in_the_callers_language(server):
    assert server.get("/held-reading", Accept_Language="zh-hans").read() == b"42 zh-hans"


async def languages_of(make: Callable, wait: Callable) -> list[str | None]:
    """What the wait finds where it runs and in a thread; its view was in yet another thread."""
    told: list[str | None] = []

    async def look() -> None:
        told.extend([translation.get_language(), await in_thread(translation.get_language)])

    with ThreadPoolExecutor(1) as views:
        views.submit(translation.activate, "zh-hans").result()
        held = views.submit(make, look).result()
    await asyncio.create_task(wait(held), context=held.context)
    return told


def held_wait(look: Callable) -> HeldResponse:
    return HeldResponse(lambda _response: look())


def held_stream(look: Callable) -> HeldStream:
    async def chunks() -> AsyncGenerator[bytes, None]:
        await look()
        yield b""

    return HeldStream(chunks)


async def read(stream: HeldStream) -> None:
    async for _piece in stream.pieces():
        pass


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("make", "wait"),
    [(held_wait, HeldResponse.resolve), (held_stream, read)],
    ids=["wait", "stream"],
)
def test_it_speaks_the_callers_language_in_whatever_thread(make, wait):
    assert asyncio.run(languages_of(make, wait)) == ["zh-hans", "zh-hans"]


def test_it_cancels_the_wait_when_the_client_goes_away(server):
    client = server.client().say("GET /held?seconds=30&id=leaving HTTP/1.1")
    assert eventually(lambda: server.count("held leaving") == 1)
    client.close()
    assert eventually(lambda: server.count("cancelled leaving") == 1)


def test_it_cancels_the_wait_of_a_posted_body_too(server):
    client = server.client()
    client.say("POST /held?seconds=30&id=post HTTP/1.1", "Content-Length: 4", body=b"body")
    assert eventually(lambda: server.count("held post") == 1)
    client.close()
    assert eventually(lambda: server.count("cancelled post") == 1)


def test_it_serves_the_same_connection_again(server):
    client = server.client().say("GET /held HTTP/1.1")
    assert client.until(b"none").startswith(b"HTTP/1.1 201")
    client.say("GET /stream HTTP/1.1")
    assert client.until(END_OF_CHUNKS).startswith(b"HTTP/1.1 200")
    client.say("GET /held HTTP/1.1").until(b"none")


def test_it_serves_a_pipelined_request_after_a_held_one(server):
    client = server.client()
    client.say("GET /held?id=first HTTP/1.1").say("GET /held?id=second HTTP/1.1", CLOSE)
    answers = client.rest()
    assert answers.index(b"first") < answers.index(b"second")
    assert answers.count(b"HTTP/1.1 201") == 2


def test_it_holds_many_without_threads(server):
    clients = [server.client().say("GET /held?seconds=1 HTTP/1.1", CLOSE) for _ in range(60)]
    clients += [server.client().say("GET /stream?first=1 HTTP/1.1", CLOSE) for _ in range(60)]
    began = time.monotonic()
    assert server.json("/events")["threads"] < 20
    assert time.monotonic() - began < 0.9
    assert all(client.rest().startswith(b"HTTP/1.1 20") for client in clients)


# Held streams -----------------------------------------------------------------------------------


def test_it_sends_each_piece_when_it_comes(server):
    client = server.client().say("GET /stream?count=2&pause=30 HTTP/1.1")
    assert b"data: xxxxx" in client.until(b"\n\n")
    client.close()


def test_it_sends_the_headers_of_a_stream_at_once(server):
    client = server.client().say("GET /stream?first=30&type=application/x-ndjson HTTP/1.1")
    head = client.until(b"\r\n\r\n")
    assert b"cache-control: no-store\r\nx-accel-buffering: no\r\n" in head
    assert b"content-length" not in head
    client.close()


def test_it_closes_the_stream_when_the_client_goes_away(server):
    client = server.client().say("GET /stream?count=2&pause=30&id=left HTTP/1.1")
    client.until(b"\n\n")
    client.close()
    assert eventually(lambda: server.count("closed left") == 1)


def test_it_closes_the_stream_of_a_reader_that_stalls(server):
    client = server.client(4096)
    client.say("GET /stream?count=100000&pause=0&size=100000&id=stalled HTTP/1.1")
    assert eventually(lambda: server.count("closed stalled") == 1, 10)
    assert not client.rest().endswith(END_OF_CHUNKS)


def test_it_cuts_a_stream_that_fails(server):
    answer = server.client().say("GET /stream-broken HTTP/1.1").rest()
    assert b"data: first" in answer
    assert not answer.endswith(END_OF_CHUNKS)


# Streams that begin late ------------------------------------------------------------------------


def test_it_sends_the_headers_of_a_late_stream_with_its_first_piece(server):
    client = server.client().say("GET /stream?late&first=0.3&count=1 HTTP/1.1", CLOSE)
    began = time.monotonic()
    head = client.until(b"\r\n\r\n")
    assert time.monotonic() - began > 0.25
    assert b"content-type: text/event-stream\r\n" in head
    assert client.rest().endswith(END_OF_CHUNKS)


def test_it_sends_what_a_late_stream_says_instead(server):
    answer = server.get("/stream-or-refusal")
    assert (answer.status, answer.read()) == (409, b"no stream")
    assert (answer.headers["Content-Type"], answer.headers["X-Why"]) == ("text/plain", "late")
    assert answer.headers["Content-Length"] == "9"
    assert answer.headers["X-Marked"] == "yes"
    assert "X-Accel-Buffering" not in answer.headers


def test_it_serves_the_same_connection_after_what_was_sent_instead(server):
    client = server.client().say("GET /stream-or-refusal HTTP/1.1")
    client.until(b"no stream")
    client.say("GET /held HTTP/1.1").until(b"none")


def test_it_cuts_a_late_stream_that_thinks_better_of_it_too_late(server):
    answer = server.client().say("GET /stream-or-refusal?after=1 HTTP/1.1").rest()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert not answer.endswith(END_OF_CHUNKS)


def test_it_answers_500_when_a_late_stream_fails_at_once(server):
    answer = server.get("/stream-broken?late")
    assert (answer.status, answer.read()) == (500, b"Internal Server Error")
    assert answer.headers["X-Marked"] == "yes"


def test_it_sends_a_late_stream_without_a_piece(server):
    answer = server.get("/stream?late&count=0")
    assert (answer.status, answer.read()) == (200, b"")
    assert answer.headers["Content-Type"] == "text/event-stream"


def test_it_answers_head_without_running_a_late_stream(server):
    client = server.client().say("HEAD /stream?late&first=30&id=head HTTP/1.1", CLOSE)
    assert client.rest().startswith(b"HTTP/1.1 200 OK\r\n")
    assert server.count("closed head") == 0


def test_it_closes_a_late_stream_when_the_client_goes_away_before_it_begins(server):
    client = server.client().say("GET /stream?late&first=30&id=early HTTP/1.1")
    time.sleep(0.1)
    client.close()
    assert eventually(lambda: server.count("closed early") == 1)


# The end of the process -------------------------------------------------------------------------

# Time tells whether a process ended by itself. Granian's word that it had to kill one does not: it
# also comes where one that has ended is not reaped yet.
KILLED_AFTER_SECONDS = 5


class Stopped:
    """A server that got SIGTERM while it held one of each, and what each client then saw."""

    def __init__(self) -> None:
        self.server = Server().wait_ready()
        self.clients = {
            "stream": self._asks("GET /stream?count=2&pause=60"),
            "late stream": self._asks("GET /stream?late&first=60"),
            "wait": self._asks("GET /held?seconds=60&id=long"),
            "listening wait": self._asks("GET /held-until-stop"),
            "view": self._asks("GET /slow?seconds=1"),
        }
        self.clients["stream"].until(b"\n\n")
        assert eventually(lambda: self.server.count("held long") == 1)
        assert eventually(lambda: self.server.count("held until stop") == 1)
        began = time.monotonic()
        self.server.process.terminate()
        self.answers = {name: client.rest() for name, client in self.clients.items()}
        self.server.wait_gone()
        self.seconds = time.monotonic() - began

    def _asks(self, request: str) -> Client:
        return self.server.client().say(f"{request} HTTP/1.1")


@pytest.fixture(scope="module")
def stopped() -> Stopped:
    return Stopped()


def test_it_ends_streams_properly_when_told_to_stop(stopped):
    assert stopped.answers["stream"].endswith(END_OF_CHUNKS)


def test_it_lets_a_wait_that_listens_say_a_last_word(stopped):
    assert stopped.answers["listening wait"].endswith(b"last word")


def test_it_answers_503_for_a_wait_that_does_not_end(stopped):
    answer = stopped.answers["wait"]
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: 1\r\n" in answer
    assert b"x-marked: yes\r\n" in answer


def test_it_answers_503_for_a_late_stream_that_has_not_begun(stopped):
    answer = stopped.answers["late stream"]
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"x-marked: yes\r\n" in answer


def test_it_finishes_the_view_that_was_running(stopped):
    assert stopped.answers["view"].endswith(b"slow")


def test_it_is_gone_before_the_server_would_kill_it(stopped):
    assert stopped.seconds < KILLED_AFTER_SECONDS


def test_it_does_not_wait_for_an_upload_when_told_to_stop():
    server = Server(BRIDGE_BODY_SECONDS="60").wait_ready()
    client = server.client().say("POST /body HTTP/1.1", "Content-Length: 50", body=b"slow")
    time.sleep(0.2)
    began = time.monotonic()
    server.process.terminate()
    assert client.rest().startswith(b"HTTP/1.1 503")
    server.wait_gone()
    assert time.monotonic() - began < KILLED_AFTER_SECONDS


# Outside the bridge -----------------------------------------------------------------------------


@pytest.mark.django_db  # the pool's threads may hold connections of earlier tests
def test_in_thread_carries_context_variables_and_arguments():
    variable = contextvars.ContextVar("variable", default="unset")

    def blocking(word: str, *, mark: str) -> tuple[str, bool]:
        return word + variable.get() + mark, threading.current_thread().name.startswith("web")

    async def ask() -> tuple[str, bool]:
        variable.set("context")
        return await in_thread(blocking, "the ", mark="!")

    assert asyncio.run(ask()) == ("the context!", True)


@pytest.mark.django_db  # the pool's threads may hold connections of earlier tests
def test_in_thread_raises_what_the_function_raises():
    with pytest.raises(LookupError, match="no such row"):
        asyncio.run(in_thread(_fail))


def _fail() -> None:
    raise LookupError("no such row")


def test_in_thread_gives_the_connections_back(monkeypatch):
    released = []
    monkeypatch.setattr("portal.hold.close_old_connections", lambda: released.append(1))
    asyncio.run(in_thread(list))
    assert released == [1]


def test_until_stopping_waits_where_nobody_stops():
    async def wait() -> None:
        await asyncio.wait_for(until_stopping(), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(wait())


def test_held_responses_can_be_resolved_by_a_test():
    async def wait(response: HttpResponse) -> None:
        response.content = b"later"

    response = HeldResponse(wait, status=202, headers={"X-Early": "yes"})
    asyncio.run(response.resolve())
    assert (response.status_code, response.content, response["X-Early"]) == (202, b"later", "yes")


def test_held_streams_are_neither_cached_nor_buffered():
    response = HeldStream(lambda: None)
    assert response["Content-Type"] == "text/event-stream"
    assert (response["Cache-Control"], response["X-Accel-Buffering"]) == ("no-store", "no")
