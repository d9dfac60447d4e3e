"""Who waits to write waits patiently, asks often, and is told when there is no more hope."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.sqlite3 import base

from portal.sqlite.base import SHORT_MILLISECONDS, DatabaseWrapper, is_taken

PATIENCE_SECONDS = 0.5


def connected(path: Path, timeout: float = 20.0) -> DatabaseWrapper:
    facts = dict.fromkeys(["CONN_HEALTH_CHECKS", "ATOMIC_REQUESTS", "CONN_MAX_AGE", "TIME_ZONE"])
    options = {"transaction_mode": "IMMEDIATE", "timeout": timeout}
    settings = {"NAME": str(path), "OPTIONS": options, "AUTOCOMMIT": True, **facts}
    made = DatabaseWrapper(settings, "default")
    made.inc_thread_sharing()
    return made


@pytest.fixture
def path(tmp_path: Path, django_db_blocker: Any) -> Iterator[Path]:
    path = tmp_path / "written.sqlite3"
    with django_db_blocker.unblock():  # whatever database the tests have, these have their own
        with closing(connected(path)) as one, one.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")
        yield path


@contextmanager
def begun(one: DatabaseWrapper) -> Iterator[None]:
    one.ensure_connection()
    one.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    try:
        yield
    finally:
        one.rollback()
        one.set_autocommit(True)


def patience_of(one: DatabaseWrapper) -> int:
    with one.cursor() as cursor:
        return int(cursor.execute("PRAGMA busy_timeout").fetchone()[0])


def test_who_comes_second_begins_when_the_first_has_ended(path):
    with closing(connected(path)) as first, closing(connected(path)) as second:
        with begun(first):
            waiting = threading.Thread(target=lambda: begun(second).__enter__())
            waiting.start()
            waiting.join(0.1)
            assert waiting.is_alive()
        waiting.join(10)
        assert not waiting.is_alive()


def test_who_waits_in_vain_is_told_after_his_time(path):
    with closing(connected(path)) as first, closing(connected(path, PATIENCE_SECONDS)) as second:
        with begun(first):
            began = time.monotonic()
            with pytest.raises(OperationalError) as refused, begun(second):
                pass
            assert time.monotonic() - began >= PATIENCE_SECONDS
        assert is_taken(refused.value)
        with begun(second):  # and it was nothing for good
            pass


def test_only_the_beginning_is_asked_for_often(path):
    with closing(connected(path, 7.0)) as one:
        with begun(one):
            assert patience_of(one) == 7000
        assert patience_of(one) == 7000


def test_another_trouble_is_not_waited_for(path):
    with closing(connected(path)) as one, begun(one):
        began = time.monotonic()
        with pytest.raises(OperationalError) as refused:
            one._start_transaction_under_autocommit()  # one is under way already
        assert not is_taken(refused.value)
        assert time.monotonic() - began < 10


def test_of_one_process_one_thread_alone_asks_and_often(path, monkeypatch):
    asking, most, patience = set(), [], set()
    begin = base.DatabaseWrapper._start_transaction_under_autocommit

    def watched(self: DatabaseWrapper) -> None:
        asking.add(self)
        most.append(len(asking))
        patience.add(patience_of(self))
        try:
            begin(self)
        finally:
            asking.discard(self)

    def take_turn() -> None:
        with closing(connected(path)) as one, begun(one):
            pass

    monkeypatch.setattr(base.DatabaseWrapper, "_start_transaction_under_autocommit", watched)
    waiting = [threading.Thread(target=take_turn) for _ in range(4)]
    with closing(connected(path)) as first, begun(first):
        for thread in waiting:
            thread.start()
        waiting[0].join(0.3)
        assert all(thread.is_alive() for thread in waiting)
    for thread in waiting:
        thread.join(20)
    assert not any(thread.is_alive() for thread in waiting)
    assert max(most) == 1
    assert patience == {SHORT_MILLISECONDS}
