"""The database is away: who asks is told so, nothing is half written, and all goes on by itself.

On a small installation it is locked by somebody else; on a large one its server is stopped, or
hangs.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import pytest
import requests

from tests.faults import stacks
from tests.faults.asking import Account, ask_many, settled
from tests.faults.figures import Tell
from tests.faults.readers import Reader
from tests.faults.stacks import Stack, sized
from tests.platform import Client, wait_for
from tests.upstream import Upstream

CALLERS = 4
IN_FLIGHT = 8
REFUSED_WITHIN = 35.0
RECOVERED_WITHIN = 10.0
SETTLED_WITHIN = 120.0
AGAIN_SECONDS = 0.3
# The shell's own connection may be one of those that broke.
HALF_WRITTEN = """
from django.db import connections
from django.db.models import Count, F
connections.close_all()
talks = Conversation.objects.annotate(said=Count("messages"))
result = talks.exclude(said=F("length")).count()
"""


class Asked(NamedTuple):
    """What a caller was told, and after how many seconds."""

    status: int
    took: float
    told: dict[str, Any]
    retry_after: str


class Callers:
    """They ask on and on until they are told to stop."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._numbers = count()
        self._over = threading.Event()
        self.asked: list[Asked] = []

    def __enter__(self) -> "Callers":
        self._pool = ThreadPoolExecutor(CALLERS)
        self._running = [self._pool.submit(self._call) for _ in range(CALLERS)]
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._pool.shutdown()
        for running in self._running:
            running.result()

    def _call(self) -> None:
        while not self._over.wait(AGAIN_SECONDS):
            self.asked.append(ask(self._client, f"meanwhile-{next(self._numbers)}"))

    def accepted(self) -> set[str]:
        return {each.told["result"]["messageID"] for each in self.asked if each.status < 300}


def ask(client: Client, text: str, wait: float = 0) -> Asked:
    headers = {"Authorization": f"Bearer {client.token}"}
    body = {"openID": f"person-{text}", "message": text, "wait": wait}
    with requests.Session() as session:
        session.trust_env = False
        began = time.monotonic()
        answer = session.post(f"{client.base}/chat/send", json=body, headers=headers, timeout=150)
        took = time.monotonic() - began
    return Asked(answer.status_code, took, answer.json(), answer.headers.get("Retry-After", ""))


@contextmanager
def locked(stack: Stack) -> Iterator[None]:
    """Somebody else holds SQLite's one right to write."""
    file = stack.platform.data_dir / "fuwuhao.sqlite3"
    with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as holding:
        holding.execute("BEGIN IMMEDIATE")
        yield
        holding.execute("ROLLBACK")


@contextmanager
def stopped(stack: Stack) -> Iterator[None]:
    assert stack.database
    stack.database.stop()
    try:
        yield
    finally:
        stack.database.start()


@contextmanager
def frozen(stack: Stack) -> Iterator[None]:
    assert stack.database
    stack.database.freeze()
    try:
        yield
    finally:
        stack.database.thaw()


Outage = Callable[[Stack], AbstractContextManager[None]]
OUTAGES: list[Outage] = [locked] if stacks.NAME == stacks.EMBEDDED else [stopped, frozen]


def known(client: Client) -> set[str]:
    """What has ended. What hung with the database is done after it, though nobody waited for it."""
    return {item["messageID"] for item in client.feed()}


def seconds_to_recover(client: Client) -> float:
    """Until somebody who asks has an answer again."""
    began = time.monotonic()
    for number in range(100):
        if ask(client, f"again-{number}", wait=20).status == 200:
            break
        time.sleep(AGAIN_SECONDS)
    return time.monotonic() - began


@dataclass
class Outcome:
    """What was seen of an outage: `account` is of those who asked meanwhile, `kept` of those whose
    answers were under way when it began.
    """

    asked: list[Asked]
    account: Account
    kept: Account
    readers: list[Reader]
    half_written: int
    refused_but_done: int
    recovered: float

    @property
    def refused(self) -> list[Asked]:
        return [each for each in self.asked if each.status >= 300]

    @property
    def slowest(self) -> float:
        return max(each.took for each in self.asked)

    def figures(self) -> dict[str, float]:
        return self.account.figures() | {
            "asked": len(self.asked),
            "refused": len(self.refused),
            "slowest_s": self.slowest,
            "in_flight_lost": self.kept.lost + self.kept.failed + self.kept.twice,
            "streams_not_whole": sum(not reader.is_whole for reader in self.readers),
            "refused_but_done": self.refused_but_done,
            "half_written": self.half_written,
            "recovered_s": self.recovered,
        }


def survived(stack: Stack, provider: Upstream, away: Outage, seconds: float) -> Outcome:
    """So many seconds of an outage, in the middle of asking and answering, and what came after."""
    slow, client, later = (stack.robot(provider, model) for model in ("slow", *["instant"] * 2))
    readers = [Reader(slow, message_id) for message_id in ask_many(slow, IN_FLIGHT)]
    with ThreadPoolExecutor(IN_FLIGHT) as pool, Callers(client) as callers:
        reading = [pool.submit(reader.follow, seconds + SETTLED_WITHIN) for reader in readers]
        wait_for(lambda: all(reader.text for reader in readers), what="some text")
        with away(stack):
            time.sleep(seconds)
        recovered = seconds_to_recover(later)
        [each.result() for each in reading]
    accepted = callers.accepted()
    wait_for(lambda: accepted <= known(client), SETTLED_WITHIN, "the end of what was accepted")
    return Outcome(
        callers.asked,
        settled(client, provider, accepted),
        settled(slow, provider, (reader.message_id for reader in readers)),
        readers,
        stack.hands.do(HALF_WRITTEN),
        len(known(client) - accepted),
        recovered,
    )


@pytest.mark.parametrize("away", OUTAGES, ids=lambda away: away.__name__)
@pytest.mark.fault(13, "database away")
def test_who_asks_is_refused_and_all_goes_on(
    stack: Stack, provider: Upstream, tell: Tell, away: Outage
):
    seconds = sized(full=60, short=6)
    outcome = survived(stack, provider, away, seconds)
    tell(how=away.__name__, away_s=seconds, **outcome.figures())
    told = {(each.status, each.told["code"], bool(each.retry_after)) for each in outcome.refused}
    assert told <= {(503, -1, True)}
    assert outcome.account.lost + outcome.account.failed + outcome.account.twice == 0
    assert outcome.kept.is_sound
    assert [reader.errors for reader in outcome.readers if not reader.is_whole] == []
    assert outcome.half_written == 0
    assert len(outcome.refused) >= sized(full=1, short=0)
    assert outcome.slowest <= REFUSED_WITHIN
    assert outcome.recovered <= RECOVERED_WITHIN
