"""Product code in turns: others come between any two of its transactions, as in other processes.

One thread and one connection carry them all, so what happens is only what the test decides. A
procedure pauses before each of its transactions, before each statement outside of one, and at each
journal access; there it may go on later, or never (its process was killed).
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import Atomic
from django.utils import timezone
from greenlet import getcurrent, greenlet

from bots import journal
from portal import app_records, ids, wakeups

FOREVER = 1_000


class Procedure(greenlet):
    """One run of product code, with its result when it is over."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(self._run)
        self._work = work
        self.result: Any = None
        self.is_dying = False

    def _run(self) -> None:
        self.result = self._work()

    def go_on(self, turns: int = FOREVER) -> bool:
        """Run up to so many pauses; returns whether it is over."""
        for _ in range(turns):
            if self.dead:
                break
            self.switch()
        return self.dead

    def die(self) -> None:
        self.is_dying = True
        self.throw()


def pause() -> None:
    current = getcurrent()
    if isinstance(current, Procedure) and not (current.is_dying or connection.in_atomic_block):
        current.parent.switch()


class Clock:
    """Stands where `django.utils.timezone` looks for datetime's clock."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self, tz: Any = None) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Journal:
    """Valkey's part: what every attempt has said; it may vanish at any moment."""

    def __init__(self) -> None:
        self.said: dict[str, list[tuple[int, str]]] = {}

    def say(self, message_id: str, attempt: int, text: str) -> None:
        self.said.setdefault(message_id, []).append((attempt, text))

    def text_so_far(self, message_id: str, attempt: int) -> str:
        pause()
        pieces = self.said.get(message_id, [])
        found = "".join(text for by, text in pieces if by == attempt)
        pause()
        return found

    def end_all(self, settled: Iterable[tuple[str, int]]) -> None:
        self.forget(message_id for message_id, _number in settled)

    def forget(self, message_ids: Iterable[str]) -> None:
        pause()
        for message_id in message_ids:
            self.said.pop(message_id, None)


@contextmanager
def frame(clock: Clock, kept: Journal, wrote: Callable[[], None]) -> Iterator[None]:
    """The clock, the journal and the ids are the test's own, procedures pause, writing is told."""
    enter, numbers = Atomic.__enter__, itertools.count(1)

    def enter_after_a_pause(self: Atomic) -> None:
        pause()
        enter(self)

    def execute_after_a_pause(execute: Any, sql: str, *rest: Any) -> Any:
        if not sql.startswith("BEGIN"):
            pause()
        if not sql.startswith("SELECT"):
            wrote()
        return execute(sql, *rest)

    with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(execute_after_a_pause):
        patch.setattr(Atomic, "__enter__", enter_after_a_pause)
        patch.setattr(timezone, "datetime", clock)
        patch.setattr(ids, "new_id", lambda prefix: f"{prefix}_{next(numbers):06}")
        patch.setattr(journal, "text_so_far", kept.text_so_far)
        patch.setattr(journal, "forget", kept.forget)
        patch.setattr(journal, "end_all", kept.end_all)
        patch.setattr(wakeups, "publish", lambda *_: pause())
        patch.setattr(app_records, "_tell", lambda _number: None)
        yield
