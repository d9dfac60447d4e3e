"""The outbox: each consequence at least once, in order, and none twice at the same time."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models import F
from django.utils import timezone

from portal import outbox
from portal.models import OutboxEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def carried_out(monkeypatch) -> list[dict]:
    done: list[dict] = []
    monkeypatch.setitem(outbox._handlers, "test.topic", [done.append])
    return done


def test_it_carries_out_what_was_added_once(carried_out):
    outbox.add("test.topic", number=1)
    outbox.add("test.topic", number=2)
    assert (outbox.deliver(), outbox.deliver()) == (2, 0)
    assert carried_out == [{"number": 1}, {"number": 2}]


def test_adding_nudges_a_worker_after_the_commit(django_capture_on_commit_callbacks, nudged):
    with django_capture_on_commit_callbacks(execute=True):
        outbox.add("test.topic")
    assert nudged == [("portal.tasks.deliver_outbox",)]


def test_a_handler_that_fails_is_tried_again_later(monkeypatch):
    def fail(payload):
        raise OperationalError

    monkeypatch.setitem(outbox._handlers, "test.topic", [fail])
    entry = outbox.add("test.topic")
    assert outbox.deliver() == 0
    entry.refresh_from_db()
    assert (entry.done_at, entry.attempts) == (None, 1)
    assert entry.due_at > timezone.now()


def test_a_handler_with_a_bug_does_not_hold_up_the_entries_behind_it(carried_out, monkeypatch):
    monkeypatch.setitem(outbox._handlers, "test.broken", [lambda payload: payload["missing"]])
    outbox.add("test.broken")
    outbox.add("test.topic", number=2)
    assert outbox.deliver() == 1
    assert carried_out == [{"number": 2}]


def test_every_handler_of_a_topic_is_called_though_one_fails(monkeypatch):
    done: list[dict] = []
    handlers = [lambda payload: payload["missing"], done.append]
    monkeypatch.setitem(outbox._handlers, "test.topic", handlers)
    outbox.add("test.topic", number=1)
    assert outbox.deliver() == 0
    assert done == [{"number": 1}]
    assert OutboxEntry.objects.filter(done_at=None).count() == 1


def test_what_is_to_be_written_once_is_written_once(carried_out):
    outbox.add_once("the key", "test.topic", number=1)
    outbox.add_once("the key", "test.topic", number=2)
    outbox.deliver()
    assert carried_out == [{"number": 1}]


def test_an_entry_that_another_worker_carries_out_is_left_alone(carried_out):
    entry = outbox.add("test.topic")
    OutboxEntry.objects.update(due_at=timezone.now() + timedelta(seconds=30))
    assert outbox._deliver_one(entry) is False
    assert carried_out == []


# Entries that always fail ------------------------------------------------------------------------


def wait(seconds: int) -> None:
    """Everything comes due that much sooner."""
    OutboxEntry.objects.update(due_at=F("due_at") - timedelta(seconds=seconds))


@pytest.fixture
def delivered(monkeypatch) -> list[int]:
    """What a slow handler did of the entries that have a number; the others always fail."""
    done: list[int] = []
    slowly = [lambda payload: done.append(payload["number"])]
    monkeypatch.setitem(outbox._handlers, "test.slow", slowly)
    monkeypatch.setattr(outbox, "_slow", {"test.slow"})
    return done


def test_slow_entries_that_always_fail_do_not_starve_the_later_ones(delivered):
    _bad = [outbox.add("test.slow") for _nth in range(10)]
    outbox.add("test.slow", number=1)
    for _sweep in range(11):
        outbox.deliver_slowly()
        wait(5)
    outbox.add("test.slow", number=2)
    for _sweep in range(11):
        outbox.deliver_slowly()
        wait(5)
    assert delivered == [1, 2]


def test_an_entry_that_fails_again_and_again_rests_ever_longer(delivered):
    entry = outbox.add("test.slow")
    pauses = []
    for _try in range(8):
        OutboxEntry.objects.update(due_at=timezone.now())
        outbox.deliver_slowly()
        entry.refresh_from_db()
        pauses.append(round((entry.due_at - timezone.now()).total_seconds() / 30))
    assert pauses == [1, 2, 4, 8, 16, 32, 32, 32]


def test_done_entries_are_forgotten_after_a_week(carried_out):
    outbox.add("test.topic")
    outbox.deliver()
    outbox.forget_done()
    assert OutboxEntry.objects.count() == 1
    OutboxEntry.objects.update(done_at=timezone.now() - timedelta(days=8))
    outbox.forget_done()
    assert not OutboxEntry.objects.exists()
