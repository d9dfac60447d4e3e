"""Views that hang, as they do when the database does: who asked is told so in bounded time."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.portal.bridge_server import Server, eventually

pytestmark = pytest.mark.alike

THREADS = 4  # of tests.portal.bridge_settings
SLOW = "GET /slow?seconds=4 HTTP/1.1"


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server(BRIDGE_VIEW_SECONDS="1.5").wait_ready()
    yield running
    running.stop()


def test_it_tells_who_asked_to_come_again(server):
    answer = server.get("/platform/slow?seconds=2")
    assert (answer.status, answer.getheader("Retry-After")) == (503, "1")
    assert json.loads(answer.read())["code"] == -1


def test_who_still_waits_for_a_thread_by_then_never_gets_one(server):
    hanging = [server.client().say(SLOW) for _ in range(THREADS)]
    time.sleep(1)  # nobody could tell that all threads are taken
    waiting = server.client().say("GET /quick HTTP/1.1")
    assert all(client.until(b"\r\n").startswith(b"HTTP/1.1 503") for client in [*hanging, waiting])
    assert eventually(lambda: server.get("/events").status == 200, 20)
    finished = THREADS + 1  # the slow ones, and the look whether the server is there
    assert eventually(lambda: server.requests_finished() >= finished)
    assert server.requests_finished() == finished


def test_it_closes_an_export_that_comes_too_late(server):
    before = server.requests_finished()
    assert server.get("/late-export?seconds=2").status == 503
    assert server.requests_finished() == before
    assert eventually(lambda: server.requests_finished() == before + 1)
