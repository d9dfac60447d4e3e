"""Writing the call log: in batches, in bounded memory, and whatever is lost is counted."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DataError, OperationalError, close_old_connections

from ddio_api import call_log
from ddio_api.call_log import CallLog, Entry
from ddio_api.models import Call, Gap
from portal import ending

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SEE_TO_THREAD = CallLog._see_to_thread


def entry(seconds: int = 0, **facts) -> Entry:
    given = {
        "number_id": None,
        "app_id": "",
        "at": NOON + timedelta(seconds=seconds),
        "door": "ddio",
        "operation": "ddio-feed",
        "method": "GET",
        "status": 200,
        "code": 0,
        "outcome": "ok",
        "duration_ms": 7,
        "address": "203.0.113.7",
        "request_id": f"req_{seconds}",
    }
    return Entry(**(given | facts))


class Database:
    """Whether `insert` finds a database."""

    def __init__(self, monkeypatch) -> None:
        self.error: Exception | None = None
        self.batches: list[int] = []
        self._insert = call_log.insert
        monkeypatch.setattr(call_log, "insert", self.insert)

    def insert(self, rows):
        self.batches.append(len(rows))
        if self.error:
            raise self.error
        self._insert(rows)


@pytest.fixture
def database(monkeypatch, db) -> Database:
    return Database(monkeypatch)


def gaps() -> list[tuple]:
    return list(Gap.objects.values_list("began", "ended", "calls"))


def test_entries_are_written_in_order_and_in_batches(database):
    log = CallLog()
    for second in range(call_log.BATCH + 10):
        log.add(entry(second))
    log.flush()
    assert database.batches == [call_log.BATCH, 10]
    assert log.waiting == 0
    ordered = list(Call.objects.order_by("pk").values_list("at", flat=True))
    assert ordered == sorted(ordered)


def test_adding_asks_no_database(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        CallLog().add(entry())


def test_while_the_database_is_away_entries_wait(database):
    log = CallLog()
    database.error = OperationalError("away")
    log.add(entry())
    log.flush()
    assert (log.waiting, log.lost) == (1, 0)
    database.error = None
    log.flush()
    assert (log.waiting, Call.objects.count(), gaps()) == (0, 1, [])


def test_what_there_is_no_room_for_is_lost_and_counted(database):
    log = CallLog(room=10)
    for second in range(25):
        log.add(entry(second))
    assert (log.waiting, log.lost) == (10, 15)
    log.flush()
    assert Call.objects.count() == 10
    assert gaps() == [(NOON + timedelta(seconds=10), NOON + timedelta(seconds=24), 15)]


def test_a_gap_is_told_once(database):
    log = CallLog(room=1)
    log.add(entry(0))
    log.add(entry(1))
    log.flush()
    log.flush()
    assert len(gaps()) == 1
    assert log.lost == 1


def test_a_gap_that_cannot_be_written_is_written_later(database, monkeypatch):
    log = CallLog(room=1)
    log.add(entry(0))
    log.add(entry(1))
    with monkeypatch.context() as away:
        away.setattr(Gap.objects, "create", lambda **_fields: (_ for _ in ()).throw(_away()))
        log.flush()
    log.add(entry(2))
    log.add(entry(3))
    log.flush()
    assert gaps() == [(NOON + timedelta(seconds=1), NOON + timedelta(seconds=3), 2)]


def _away() -> OperationalError:
    return OperationalError("away")


def test_a_batch_that_is_refused_for_what_is_in_it_holds_up_no_other(database):
    log = CallLog()
    database.error = DataError("no such number")
    log.add(entry())
    log.flush()
    assert (log.waiting, log.lost, [calls for _, _, calls in gaps()]) == (0, 1, [1])


@pytest.mark.django_db(transaction=True)
def test_a_value_that_the_database_refuses_costs_its_batch_alone():
    log = CallLog()
    log.add(entry(status=10**9))
    log.flush()
    log.add(entry(1))
    log.flush()
    assert [call.status for call in Call.objects.all()][-1] == 200
    assert log.waiting == 0


def test_the_lost_of_this_process_can_be_asked_for(calls, db):
    calls._room = 0
    calls.add(entry())
    assert call_log.lost_calls() == 1


@pytest.mark.django_db
def test_a_database_that_is_away_harms_no_request(calls, client_of_alice, monkeypatch):
    calls._room = 3
    monkeypatch.setattr(call_log, "insert", lambda _rows: (_ for _ in ()).throw(_away()))
    statuses = []
    for _call in range(10):
        statuses.append(client_of_alice.get("chat/feedback").status_code)
        calls.flush()
    assert statuses == [200] * 10
    assert (calls.waiting, calls.lost) == (3, 7)


# The thread -------------------------------------------------------------------------------------


@pytest.fixture
def running(monkeypatch, transactional_db):
    """A log with its thread, which is gone afterwards."""
    monkeypatch.setattr(CallLog, "_see_to_thread", SEE_TO_THREAD)
    monkeypatch.setattr(ending, "_last_deeds", [])
    log = CallLog()
    yield log
    log.finish()


def until(true) -> bool:
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
        close_old_connections()
    return bool(true())


def test_it_writes_by_itself_within_seconds(running):
    running.add(entry())
    assert until(Call.objects.exists)


def test_a_full_batch_is_not_kept_waiting(running, monkeypatch):
    monkeypatch.setattr(call_log, "FLUSH_SECONDS", 60.0)
    running.add(entry())
    for second in range(call_log.BATCH):
        running.add(entry(second))
    assert until(lambda: Call.objects.count() >= call_log.BATCH)


def test_many_threads_add_and_one_writes(running):
    def add() -> None:
        for second in range(300):
            running.add(entry(second))

    threads = [threading.Thread(target=add) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert until(lambda: Call.objects.count() == 2400)
    assert sum(thread.name == "call-log" for thread in threading.enumerate()) == 1


def test_a_process_that_stops_writes_what_waits(running, monkeypatch):
    monkeypatch.setattr(call_log, "FLUSH_SECONDS", 60.0)
    running.add(entry())
    ending.end()
    assert Call.objects.count() == 1


def test_what_comes_after_the_end_is_counted(running):
    running.add(entry())
    ending.end()
    running.add(entry(1))
    assert running.lost == 1


def test_a_database_that_hangs_does_not_hold_up_the_end(running, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(call_log, "END_SECONDS", 0.2)
    monkeypatch.setattr(call_log, "insert", lambda _rows: release.wait(10))
    running.add(entry())
    began = time.monotonic()
    ending.end()
    took = time.monotonic() - began
    release.set()
    assert took < 2
