"""Those who are in are served, newcomers are left at the door."""

import socket
import sys
from collections.abc import Iterator

import pytest

from portal.listeners import leave_newcomers_out, listeners

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a filter of Linux's kernel")
SOON_SECONDS = 0.2  # on the loopback interface a connection is there at once


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["4", "6"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family, address = request.param
    try:
        made = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"no {address} here")
    with made:
        yield made


def connected(listener: socket.socket, seconds: float = SOON_SECONDS) -> socket.socket:
    return socket.create_connection(listener.getsockname()[:2], timeout=seconds)


def test_who_is_connected_is_still_served(listener: socket.socket):
    with connected(listener) as before:
        leave_newcomers_out(listener)
        served, _ = listener.accept()
        with served:
            before.sendall(b"a question, sent after the door was closed")
            assert served.recv(100) == b"a question, sent after the door was closed"
            served.sendall(b"an answer")
            assert before.recv(100) == b"an answer"


def test_a_newcomer_gets_no_answer_and_is_not_let_in(listener: socket.socket):
    leave_newcomers_out(listener)
    with pytest.raises(TimeoutError):
        connected(listener)
    listener.settimeout(SOON_SECONDS)
    with pytest.raises(TimeoutError):
        listener.accept()


def test_a_newcomer_meets_whoever_listens_next(listener: socket.socket):
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    leave_newcomers_out(listener)
    with socket.socket(listener.family) as newcomer:
        newcomer.setblocking(False)
        with pytest.raises(BlockingIOError):
            newcomer.connect(listener.getsockname()[:2])
        address = listener.getsockname()[:2]
        listener.close()
        with socket.create_server(address, family=newcomer.family) as following:
            following.settimeout(10)  # its kernel tries again after a second
            following.accept()[0].close()


def test_every_listening_socket_is_found_and_stays_open(listener: socket.socket):
    with connected(listener), listener.accept()[0]:
        found = [one.getsockname() for one in listeners()]
    assert found.count(listener.getsockname()) == 1
    connected(listener).close()
