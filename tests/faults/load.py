"""Many who ask, poll and stream at once, and what each of them saw."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import requests

from tests.faults.readers import Reader
from tests.platform import Client

WAIT_SECONDS = 20
AT_ONCE = 200  # more than ever call at once


class Load:
    """Callers of robots, each call on a connection of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count()
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._running: list[Any] = []
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.accepted: defaultdict[Client, set[str]] = defaultdict(set)
        self.readers: list[Reader] = []

    def begin(self, times: int, call: Callable[[Client], None], client: Client) -> None:
        """So many callers, each of them again and again."""
        self._running += [self._pool.submit(self._again, call, client) for _ in range(times)]

    def once(self, times: int, call: Callable[[Client], None], client: Client) -> None:
        self._running += [self._pool.submit(call, client) for _ in range(times)]

    def _again(self, call: Callable[[Client], None], client: Client) -> None:
        while not self._over.is_set():
            call(client)

    def end(self) -> None:
        """Everybody finishes what he has begun; raises what went wrong within a caller."""
        self._over.set()
        self._pool.shutdown()
        for running in self._running:
            running.result()

    # What callers do ----------------------------------------------------------------------------

    def ask(self, client: Client) -> None:
        """Ask, and wait for the answer, or for word that it is accepted."""
        self._ask(client, WAIT_SECONDS)

    def poll(self, client: Client) -> None:
        """Ask without waiting, then wait for the item."""
        message_id = self._ask(client, 0)
        status = "queued" if message_id else "lost"
        while status in ("queued", "running"):
            path = f"{client.base}/chat/feedback/{message_id}?wait={WAIT_SECONDS}"
            result = self._call("poll", client, "GET", path)
            status = result["status"] if result else "lost"

    def stream(self, client: Client) -> None:
        """Ask, and follow the answer through whatever happens."""
        message_id = self._ask(client, 0)
        if message_id:
            reader = Reader(client, message_id)
            self.readers.append(reader)
            reader.follow()

    def _ask(self, client: Client, wait: float) -> str:
        number = next(self._numbers)
        body = {"openID": f"person-{number}", "message": f"q{number}", "wait": wait}
        result = self._call("ask", client, "POST", f"{client.base}/chat/send", body)
        if result:
            self.accepted[client].add(result["messageID"])
        return result["messageID"] if result else ""

    def _call(
        self, name: str, client: Client, method: str, path: str, body: Any = None
    ) -> dict[str, Any] | None:
        try:
            answer = client.session.request(method, path, json=body, timeout=WAIT_SECONDS + 20)
        except requests.RequestException as error:
            return self._went_wrong(f"{name}: {error!r}")
        with self._lock:
            self.seen[f"{name} {answer.status_code}"] += 1
        if answer.status_code not in (200, 202):
            return self._went_wrong(f"{name}: {answer.status_code} {answer.text[:200]}")
        result: dict[str, Any] = answer.json()["result"]
        return result

    def _went_wrong(self, what: str) -> None:
        with self._lock:
            self.wrong.append(what)


@contextmanager
def under(load: Load) -> Iterator[Load]:
    try:
        yield load
    finally:
        load.end()
