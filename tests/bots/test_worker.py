"""A worker's timers and its hold on what it answers."""

import asyncio
import subprocess
import threading
import time

import pytest
from django.db import OperationalError
from django.utils import timezone

from bots import answering, claims, journal
from bots.line import Waiting
from bots.models import Message, Status
from bots.suspects import TOGETHER
from bots.worker import Worker
from portal import nudges, parts
from portal.embedded import free_port
from portal.models import WorkerHeartbeat
from tests import factories
from tests.bots.at_work import wait_for
from tests.bots.test_answering import use_model

pytestmark = pytest.mark.django_db(transaction=True)
SWEEP_SECONDS = 5.0


def test_a_running_worker_is_known_and_a_stopped_one_is_not():
    leaving = Worker(answering.attempt)
    leaving.start()
    assert WorkerHeartbeat.objects.alive().filter(name=leaving.name).exists()
    leaving.stop()
    assert not WorkerHeartbeat.objects.exists()


@pytest.mark.parametrize("trouble", [OperationalError("away"), KeyError("a bug")])
def test_a_timer_outlives_whatever_a_tick_dies_of(worker, trouble):
    ticks = []

    async def tick() -> None:
        ticks.append(1)
        raise trouble

    async def scene() -> None:
        timer = asyncio.create_task(worker._every(0.01, tick))
        await asyncio.sleep(0.2)
        timer.cancel()

    worker.run(scene())
    assert len(ticks) > 2


def test_what_a_worker_still_answers_it_does_not_claim_again(number, upstream, worker):
    use_model(number, "slow")
    factories.key(number, upstream.url)
    message = factories.message(number)
    worker.tell([Waiting(message.pk, number.pk)])
    wait_for(lambda: journal.text_so_far(message.pk, 1))
    Message.objects.update(lease_until=message.asked_at)
    worker.tell([Waiting(message.pk, number.pk)])
    worker.run(asyncio.sleep(0.1))
    assert Message.objects.get().attempt == 1
    worker._loop.call_soon_threadsafe(worker.desk.lose, message.pk, 1)


def test_a_full_worker_sweeps_nothing(number, worker, settings):
    settings.WORKER_CONCURRENCY = 0
    factories.message(number)
    Message.objects.update(due_at=Message.objects.get().asked_at)
    worker.run(worker._sweep_messages())
    assert len(claims.take_overdue()) == 1


def left_by_three(number):
    """A message that three workers left by dying."""
    message = factories.message(number, "ping", new_conversation=True)
    lapsed = message.asked_at
    held = {"status": Status.RUNNING, "claimed_by": "dead", "lease_until": lapsed}
    Message.objects.filter(pk=message.pk).update(attempt=3, due_at=lapsed, **held)
    return message


@pytest.fixture
def dead_thrice(number, upstream):
    factories.key(number, upstream.url)
    return left_by_three(number)


@pytest.fixture
def never_proven(monkeypatch):
    monkeypatch.setattr("bots.suspects.PROVEN_SECONDS", 3600.0)


def test_a_worker_just_started_leaves_what_has_died_most(dead_thrice, never_proven, worker):
    worker.run(worker._sweep())
    assert [each.message_id for each in claims.take_suspects(3, 1)] == [dead_thrice.pk]


def test_a_worker_that_has_lived_for_a_while_takes_it(dead_thrice, never_proven, worker):
    worker._loop.call_soon_threadsafe(worker.desk.suspects.prove)
    wait_for(lambda: Message.objects.get().answer == "You said: ping")


@pytest.fixture
def soon_proven(monkeypatch):
    monkeypatch.setattr("bots.suspects.PROVEN_SECONDS", 0.05)


def test_a_worker_knows_when_it_has_lived_for_a_while(dead_thrice, soon_proven, worker):
    wait_for(lambda: Message.objects.get().answer == "You said: ping")


def test_where_one_of_them_is_answered_the_next_one_comes(number, dead_thrice, soon_proven, worker):
    for _ in range(4):  # more than there are sweeps so soon
        left_by_three(number)
    wait_for(lambda: Message.objects.filter(status=Status.DONE).count() == 5, SWEEP_SECONDS / 2)


def test_two_sweeps_at_once_let_in_no_more_than_one_would(
    number, dead_thrice, never_proven, worker, monkeypatch
):
    monkeypatch.setattr("bots.worker.GRACE_SECONDS", 0.1)
    use_model(number, "slow")
    left_by_three(number)
    worker.desk.suspects._is_proven = True
    take, overtaken = claims.take_suspects, threading.Event()
    first_to_come = iter([lambda: overtaken.wait(0.3)])

    def take_when_overtaken(deaths, limit):
        next(first_to_come, lambda: None)()
        return take(deaths, limit)

    async def sweep_twice() -> None:
        monkeypatch.setattr(claims, "take_suspects", take_when_overtaken)
        first = asyncio.create_task(worker._sweep_suspects())
        await asyncio.sleep(0.05)
        second = asyncio.create_task(worker._sweep_suspects())
        await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        overtaken.set()
        await asyncio.gather(first, second)

    worker.run(sweep_twice())
    assert worker.run(room(worker)) == {3: 0, 2: TOGETHER[2]}


async def room(worker: Worker) -> dict[int, int]:
    return worker.desk.suspects.room()


def test_a_broker_that_hangs_holds_a_nudge_for_a_moment_only(tmp_path, monkeypatch):
    nudges._Broker.away_until = 0.0
    port = free_port()
    options = ["--port", str(port), "--dir", str(tmp_path), "--save", ""]
    server = subprocess.Popen([parts._valkey_server(), *options], stdout=subprocess.DEVNULL)
    monkeypatch.setattr(nudges.current_app.conf, "broker_url", f"redis://127.0.0.1:{port}/0")
    monkeypatch.setattr(nudges.current_app.conf, "broker_write_url", f"redis://127.0.0.1:{port}/0")
    nudges._connection.cache_clear()
    wait_for(lambda: nudges.send("bots.tasks.answer", "msg_x"))
    server.send_signal(subprocess.signal.SIGSTOP)
    began = time.monotonic()
    taken = nudges.send("bots.tasks.answer", "msg_x")
    took = time.monotonic() - began
    server.kill()
    server.wait()
    nudges._connection.cache_clear()
    assert taken is False
    assert took < 1.5


def test_what_a_dead_worker_has_left_comes_before_what_waits(number, worker, settings):
    settings.WORKER_CONCURRENCY = 0
    waiting = [factories.message(number, open_id=f"person-{index}").pk for index in range(2)]
    left = factories.message(number, open_id="abandoned").pk
    worker.tell(Waiting(pk, number.pk) for pk in waiting)
    worker.run(asyncio.sleep(0))
    Message.objects.filter(pk=left).update(due_at=timezone.now())
    worker.run(worker._sweep_messages())
    assert worker.desk._line.take(3, lambda _number: 3) == [left, *waiting]
