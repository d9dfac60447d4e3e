"""The provider of the tests: the product's own simulator, in a thread of the test.

What it does is chosen by the *model* of the request (`bots.simulator.behaviours`; any other name
echoes) and by the API key: one that begins with `sk-bad` is refused, and quoted in the refusal as
some providers do, one with `sk-busy` is too fast; one that begins with `sk-nolist` is told that
there is no list of models; of any other a test says what it does (`play`). It counts chat calls by
`X-Request-ID`, and the tokens of all. To have one by hand: `manage.py simulator`.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

from bots.simulator.server import Simulator

MODELS = ["echo", "slow", "instant"]


class Upstream:
    """A handle on a running upstream, in this process or another."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.root = f"http://127.0.0.1:{port}"
        self.url = f"{self.root}/v1"

    def calls(self) -> dict[str, Any]:
        with urlopen(f"{self.root}/calls", timeout=5) as answer:
            content: dict[str, Any] = json.load(answer)
        return content

    def play(self, api_key: str, model: str) -> None:
        """Calls with this key do from now on as that model does; "" mends it."""
        wanted = json.dumps({"key": api_key, "as": model}).encode()
        with urlopen(Request(f"{self.root}/keys", data=wanted), timeout=5):
            pass

    def reset(self) -> None:
        with urlopen(Request(f"{self.root}/reset", method="POST"), timeout=5):
            pass


class _Thread(threading.Thread):
    """An event loop with a simulator on it, from `start` until `end`."""

    def __init__(self, port: int, models: list[str]) -> None:
        super().__init__(daemon=True)
        self._loop = asyncio.new_event_loop()
        simulator = Simulator(models, keeps_last=True)
        self._server = self._loop.run_until_complete(simulator.listen("127.0.0.1", port))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def run(self) -> None:
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.join()


@contextmanager
def running_upstream(port: int = 0, models: list[str] | None = None) -> Iterator[Upstream]:
    thread = _Thread(port, MODELS if models is None else models)
    thread.start()
    try:
        yield Upstream(thread.port)
    finally:
        thread.end()
