"""A question that kills its worker each time: it fails after the cap, those beside it are answered.

The question itself is harmless: whoever calls the provider for it is killed by the test, at once.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import psutil
import pytest
from django.conf import settings

from bots import faults
from tests.faults.asking import ask, ask_many, settled
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, sized
from tests.platform import Client
from tests.upstream import Upstream

LOOK_SECONDS = 0.01
MODELS = ("silent", "wait-1", "brisk")


class Curse:
    """Kills the worker, by SIGKILL, as soon as it calls the provider for the message."""

    def __init__(self, stack: Stack, provider: Upstream, message_id: str) -> None:
        self._stack, self._provider, self._message_id = stack, provider, message_id
        self._over = Event()
        self._thread = Thread(target=self._watch)
        self.kills = 0

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            if self._provider.calls()["counts"].get(self._message_id, 0) > self.kills:
                with suppress(LookupError, psutil.NoSuchProcess):
                    self._stack.platform.kill_worker()
                self.kills += 1

    @contextmanager
    def lies(self) -> Iterator["Curse"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._thread.join()


def patience(stack: Stack) -> float:
    """Seconds for so many deaths, each a lease, a sweep and a start; and then for the others."""
    return settings.ATTEMPTS_AT_MOST * (stack.lease + 2 * stack.sweep + 15) + 180


def outcome(client: Client, message_id: str, seconds: float) -> tuple[str, int | None]:
    end = time.monotonic() + seconds
    while (item := client.item(message_id, wait=5))["status"] in ("queued", "running"):
        assert time.monotonic() < end, f"{message_id} does not end"
    return item["status"], (item["error"] or {}).get("code")


@pytest.mark.long
@pytest.mark.fault(10, "poison message")
def test_a_question_that_kills_its_worker_fails_and_the_others_are_answered(
    stack: Stack, provider: Upstream, tell: Tell
):
    poisoned, slow, brisk = (stack.robot(provider, model) for model in MODELS)
    began = time.monotonic()
    beside = ask_many(slow, sized(full=20, short=3))
    poison, _took = ask(poisoned, "Die.")
    with Curse(stack, provider, poison).lies() as curse:
        quick = ask_many(brisk, sized(full=500, short=50))
        ended = outcome(poisoned, poison, patience(stack))
        after = time.monotonic() - began
        long, short = (
            settled(client, provider, asked, patience(stack))
            for client, asked in ((slow, beside), (brisk, quick))
        )
    tell(long, kills=curse.kills, poison=f"{ended[0]} {ended[1]}", after_s=after)
    tell(asked_meanwhile=len(quick), not_answered=short.lost + short.failed + short.twice)
    assert ended == ("failed", faults.ATTEMPTS_USED_UP)
    assert curse.kills == settings.ATTEMPTS_AT_MOST
    assert short.is_sound
    assert long.is_sound
