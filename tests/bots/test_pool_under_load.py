"""Three keys, two of which fail in turn while many answers are under way: nobody notices but the
owner, and he once for each change."""

import time
from collections import Counter
from functools import partial

import pytest
from django.db import close_old_connections
from django.utils import timezone

from bots import answering, key_checks
from bots.line import Waiting
from bots.models import ApiKey, KeyStatus, Message, Robot, Status, key_status
from bots.worker import Worker
from portal import nudges, outbox
from portal.models import Notice
from tests import factories
from tests.bots.at_work import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

ANSWERS = 200
KEYS = ("sk-one-1234567890abcdef", "sk-two-1234567890abcdef", "sk-three-1234567890abcdef")
RECOVERY_SECONDS = 30


@pytest.fixture
def worker(transactional_db, settings, monkeypatch):
    """One that carries out its own nudges to check a key, and soon."""
    settings.SWEEP_SECONDS = 0.2
    monkeypatch.setattr(key_status, "_SOFT_REST", 0.5)
    monkeypatch.setattr(key_status, "_REFUSED_REST", 0.5)
    worker = Worker(answering.attempt)

    def check(task: str, *key_ids: str) -> None:
        if task == "bots.tasks.check_key":
            for key_id in key_ids:
                worker.begin(partial(key_checks.check, key_id))

    monkeypatch.setattr(nudges, "nudge", check)
    worker.start()
    yield worker
    worker.stop()
    worker._database.shutdown()


@pytest.fixture
def keys(number, upstream):
    Robot.objects.filter(number=number).update(model="echo-0.3")
    return [
        factories.key(number, upstream.url, clear, label=clear[3:6], weight=1) for clear in KEYS
    ]


class Crowd:
    """Askers, each a person of his own, a few more at a time."""

    def __init__(self, number, worker) -> None:
        self._number, self._worker = number, worker
        self.asked = 0

    def ask(self, count: int, pause: float = 0.0) -> None:
        for _question in range(count):
            self.asked += 1
            message = factories.message(self._number, open_id=f"person-{self.asked}")
            self._worker.tell([Waiting(message.pk, self._number.pk)])
            time.sleep(pause)

    def ask_until(self, true, seconds: float = RECOVERY_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, "it did not happen in time"
            self.ask(1, 0.05)

    def wait(self) -> None:
        wait_for(lambda: not Message.objects.unsettled().exists(), RECOVERY_SECONDS)


def is_in(label: str, status: str) -> bool:
    close_old_connections()
    return ApiKey.objects.filter(label=label, status=status).exists()


def test_two_keys_fail_in_turn_and_no_answer_does(number, upstream, worker, keys):
    crowd = Crowd(number, worker)
    for clear, trouble, status in (
        (KEYS[0], "503", KeyStatus.TROUBLE),
        (KEYS[1], "429-quota", KeyStatus.OUT_OF_QUOTA),
    ):
        label = clear[3:6]
        crowd.ask(ANSWERS // 4)
        upstream.play(clear, trouble)
        crowd.ask(ANSWERS // 4, 0.005)
        crowd.ask_until(lambda label=label, status=status: is_in(label, status))
        upstream.play(clear, "")
        wait_for(lambda label=label: is_in(label, KeyStatus.VALID), RECOVERY_SECONDS)
    crowd.wait()
    assert crowd.asked >= ANSWERS
    assert Message.objects.filter(status=Status.DONE).count() == crowd.asked
    outbox.deliver()
    told = Counter(Notice.objects.values_list("kind", flat=True))
    assert told == {"key_down": 2, "key_back": 2}


def test_who_is_back_is_asked_again(number, upstream, worker, keys):
    failed = {"status": KeyStatus.TROUBLE, "check_due_at": timezone.now()}
    ApiKey.objects.filter(label="one").update(**failed)
    crowd = Crowd(number, worker)
    crowd.ask_until(lambda: is_in("one", KeyStatus.VALID))
    Message.objects.all().update(api_key=None)
    crowd.ask(30)
    crowd.wait()
    used = Counter(Message.objects.exclude(api_key=None).values_list("api_key__label", flat=True))
    assert used["one"] > 0
