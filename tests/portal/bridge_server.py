"""A real Granian process that serves the bridge's small site, and raw ways to talk to it."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from portal.embedded import free_port

BASE_DIR = Path(__file__).resolve().parent.parent.parent
FLAGS = (
    "--interface asgi --loop uvloop --http 1 --backlog 4096 --backpressure 4096"
    " --no-ws --workers-kill-timeout 5"
)


def eventually(condition: Callable[[], Any], seconds: float = 5.0) -> bool:
    """Whether the condition comes to hold in time; asked every 20 ms."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


class Client:
    """A connection on which a test says exactly what it likes."""

    def __init__(self, port: int, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(8)
        self.socket.connect(("127.0.0.1", port))
        self.seen = b""

    def say(self, *lines: str, body: bytes = b"") -> "Client":
        head = "\r\n".join([*lines, "Host: testserver", "", ""])
        self.socket.sendall(head.encode("latin-1") + body)
        return self

    def until(self, end: bytes) -> bytes:
        """Everything up to and with `end`; what follows stays for the next call."""
        while end not in self.seen:
            more = self.socket.recv(65536)
            assert more, f"closed before {end!r}: {self.seen[-300:]!r}"
            self.seen += more
        found, _, self.seen = self.seen.partition(end)
        return found + end

    def rest(self) -> bytes:
        """Everything until the server closes."""
        try:
            while more := self.socket.recv(65536):
                self.seen += more
        except ConnectionResetError:
            pass
        return self.seen

    def end(self) -> "Client":
        """Say that nothing more will be said, and go on listening."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def close(self) -> None:
        self.socket.close()


class Server:
    """Granian with the small site, on a port of its own."""

    def __init__(self, **environment: str) -> None:
        self.port = free_port()
        granian = [sys.executable, "-m", "granian", *FLAGS.split(), "--port", str(self.port)]
        site = {"DJANGO_SETTINGS_MODULE": "tests.portal.bridge_settings"}
        descriptor, name = tempfile.mkstemp()  # a pipe that nobody reads would block the server
        self.output = Path(name)
        self.process = subprocess.Popen(
            [*granian, "portal.asgi:application"],
            cwd=BASE_DIR,
            env=os.environ | site | environment,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
        )
        os.close(descriptor)

    def wait_ready(self) -> "Server":
        assert eventually(self._answers, 30), self.stop()
        return self

    def _answers(self) -> bool:
        try:
            return self.get("/quick").status == 200
        except OSError:
            return self.process.poll() is not None

    def stop(self) -> str:
        """End it, and return what it logged."""
        self.process.terminate()
        return self.wait_gone()

    def wait_gone(self) -> str:
        self.process.wait(timeout=15)
        said = self.output.read_text()
        self.output.unlink()
        return said

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=8)
        connection.request(method, path, body, headers or {})
        return connection.getresponse()

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("GET", path, headers=named)

    def json(self, path: str, **headers: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.get(path, **headers).read())
        return answer

    def count(self, event: str) -> int:
        return int(self.json("/events").get(event, 0))

    def requests_finished(self, where: str = "") -> int:
        """How often request_finished was sent, looks at /events left out: all ran in "web"."""
        events = self.json("/events")
        # A look counts itself before it is finished, hence one look too many.
        looks = 0 if where in (" in files", " in export") else events["looks"] - 1
        return int(events.get(f"finished{where}", 0)) - looks

    def client(self, receive_buffer: int = 0) -> Client:
        return Client(self.port, receive_buffer)
