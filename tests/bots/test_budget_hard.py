"""However many ask at once: a budget is never passed, and the ledger has what the provider saw."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import close_old_connections
from django.db.models import F, Sum

from bots import answering, settlement
from bots.line import Waiting
from bots.models import Budget, LedgerDay, LedgerEntry, Message, Robot, Status
from bots.worker import Worker
from tests import factories
from tests.bots.at_work import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

ASKS = 200
PAID_FOR = 100
TOKENS_EACH = 16  # of a question of one word, by the simulator's count: 11 asked and 5 answered
LIMIT = PAID_FOR * TOKENS_EACH
CHARGED = F("prompt_tokens") + F("completion_tokens")


@pytest.fixture
def workers(transactional_db: None) -> Iterator[list[Worker]]:
    running = [Worker(answering.attempt) for _ in range(3)]
    for each in running:
        each.start()
    yield running
    for each in running:
        each.stop()


@pytest.fixture
def limited(number, upstream):
    factories.key(number, upstream.url, "sk-busy-1", priority=0)
    factories.key(number, upstream.url, "sk-good-1", priority=1)
    Robot.objects.update(model="echo-0.3", answer_tokens=5)
    Budget.objects.create(number=number, tokens=LIMIT)
    return number


class Watch(threading.Thread):
    """Looks again and again at what is charged and reserved, and stops one answer in a while."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self._over = threading.Event()

    def run(self) -> None:
        for turn in itertools.count():
            charged = LedgerEntry.objects.aggregate(sum=Sum(CHARGED))["sum"] or 0
            self.most = max(self.most, charged)
            if turn % 10 == 0:
                self._stop_one()
            if self._over.wait(0.03):
                break
        close_old_connections()

    def _stop_one(self) -> None:
        running = Message.objects.filter(status=Status.RUNNING).first()
        if running:
            settlement.cancel(running)

    def end(self) -> None:
        self._over.set()
        self.join()


def ask_all(number, workers: list[Worker]) -> None:
    asked = [factories.message(number, "Hello", open_id=f"p{each}") for each in range(ASKS)]
    waiting = [Waiting(message.pk, number.pk) for message in asked]
    for place, worker in enumerate(workers):
        worker.tell(waiting[place:] + waiting[:place])
    wait_for(lambda: not Message.objects.unsettled().exists(), 60)
    wait_for(lambda: not any(worker.desk.attempts() for worker in workers))


def test_two_hundred_asks_at_once_never_pass_a_budget_for_a_hundred(limited, upstream, workers):
    watch = Watch()
    watch.start()
    ask_all(limited, workers)
    watch.end()
    calls = upstream.calls()
    ended = Counter(Message.objects.values_list("status", flat=True))
    assert watch.most <= LIMIT
    assert calls["tokens"]["prompt"] + calls["tokens"]["completion"] <= LIMIT
    assert set(Message.objects.values_list("error_code", flat=True)) == {None, 71011}
    assert ended[Status.DONE] > PAID_FOR / 2
    assert_the_ledger_has_what_the_provider_saw(calls)


def assert_the_ledger_has_what_the_provider_saw(calls: dict[str, Any]) -> None:
    entries = LedgerEntry.objects.all()
    by_message = Counter(entries.values_list("message_id", flat=True))
    counted = entries.filter(is_estimated=False).aggregate(
        prompt=Sum("prompt_tokens"), completion=Sum("completion_tokens")
    )
    told = calls["tokens"]
    estimated = entries.filter(is_estimated=True).aggregate(sum=Sum(CHARGED))["sum"] or 0
    print(Counter(entries.values_list("state", flat=True)), calls["total"], told, estimated)
    assert by_message == calls["counts"]
    assert set(entries.values_list("state", flat=True)) == {"used", "failed", "cancelled"}
    assert sum(counted.values()) == told["prompt"] + told["completion"] - told["aborted"]
    assert told["aborted"] <= estimated
    days = LedgerDay.objects.aggregate(sum=Sum(CHARGED))["sum"]
    assert days == entries.aggregate(sum=Sum(CHARGED))["sum"]
