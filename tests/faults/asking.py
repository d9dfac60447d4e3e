"""Many questions at once, and the account of what became of them."""

import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.platform import Client
from tests.upstream import Upstream

CLIENTS = 8


def ask(client: Client, text: str) -> tuple[str, float]:
    """(messageID, seconds until it was accepted), on behalf of a person of its own."""
    headers = {"Authorization": f"Bearer {client.token}"}
    body = {"openID": f"person-{text}", "message": text}
    with requests.Session() as session:
        session.trust_env = False
        began = time.monotonic()
        answer = session.post(f"{client.base}/chat/send", json=body, headers=headers, timeout=60)
        took = time.monotonic() - began
    assert answer.status_code in (200, 202), answer.text
    return answer.json()["result"]["messageID"], took


def ask_many(client: Client, count: int, at_once: int = CLIENTS) -> dict[str, float]:
    """Seconds until acceptance by messageID; so many callers ask side by side."""
    with ThreadPoolExecutor(at_once) as pool:
        return dict(pool.map(lambda number: ask(client, f"q{number}"), range(count)))


class Asking:
    """Callers who ask on and on, as long as the context lasts; then, `accepted`."""

    def __init__(self, client: Client, callers: int = 4, pause: float = 0.1) -> None:
        self._client, self._callers, self._pause = client, callers, pause
        self._over = threading.Event()
        self.accepted: dict[str, float] = {}

    def __enter__(self) -> "Asking":
        self._pool = ThreadPoolExecutor(self._callers)
        self._running = [self._pool.submit(self._ask, name) for name in range(self._callers)]
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._pool.shutdown()
        for running in self._running:
            running.result()

    def _ask(self, name: int) -> None:
        for number in itertools.count():
            message_id, took = ask(self._client, f"q{name}-{number}")
            self.accepted[message_id] = took
            if self._over.wait(self._pause):
                return


@dataclass
class Account:
    """What became of accepted messages: by the feed, and by what the upstream counted."""

    accepted: set[str]
    feed: list[dict[str, Any]]
    calls: dict[str, int] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        return len(self.accepted - {item["messageID"] for item in self.feed})

    @property
    def failed(self) -> int:
        return sum(item["status"] != "done" for item in self.feed)

    @property
    def twice(self) -> int:
        return len(self.feed) - len({item["messageID"] for item in self.feed})

    @property
    def repeats(self) -> int:
        """Calls of the upstream beyond the one that each answer costs."""
        return sum(self.calls.get(message_id, 1) - 1 for message_id in self.accepted)

    @property
    def is_in_order(self) -> bool:
        return [item["seq"] for item in self.feed] == list(range(1, len(self.feed) + 1))

    @property
    def is_sound(self) -> bool:
        """Every accepted message is done, once, and the feed has no gap."""
        return not (self.lost or self.failed or self.twice) and self.is_in_order

    def figures(self) -> dict[str, int]:
        told = {"messages": len(self.accepted), "lost": self.lost, "failed": self.failed}
        return told | {"twice": self.twice, "repeats": self.repeats}


def settled(
    client: Client, provider: Upstream, accepted: Iterable[str], seconds: float = 120
) -> Account:
    """The account once all have ended, or once so many seconds are over."""
    wanted = set(accepted)
    deadline = time.monotonic() + seconds
    while len(feed := client.feed()) < len(wanted) and time.monotonic() < deadline:
        time.sleep(0.2)
    return Account(wanted, feed, Counter(provider.calls()["counts"]))


def percentile(values: Iterable[float], part: float) -> float:
    """The smallest value that no more than a part of 1 - `part` of the values exceeds."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * part) - 1]
