"""Celery's doors: they run on the process's worker, and let go quietly where there is none."""

from typing import Any

import pytest
from celery import current_app
from kombu.exceptions import DecodeError

from bots import answering, tasks, worker
from bots.models import ApiKey, Message, Status
from tests import factories
from tests.bots.at_work import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def current():
    worker.start_current(answering.attempt)
    yield worker.current()
    worker.stop_current()


def test_the_answer_task_answers(number, upstream, current):
    factories.key(number, upstream.url)
    tasks.answer(factories.message(number, "ping").pk)
    wait_for(lambda: Message.objects.get().answer == "You said: ping")


def test_the_answer_task_answers_many(number, upstream, current):
    factories.key(number, upstream.url)
    asked = [factories.message(number, open_id=f"person-{index}") for index in range(3)]
    tasks.answer(*[[message.pk, number.pk] for message in asked])
    wait_for(lambda: Message.objects.filter(status=Status.DONE).count() == 3)


def test_the_check_task_checks(number, upstream, current):
    key = factories.key(number, upstream.url, status="pending")
    tasks.check_key(key.pk)
    wait_for(lambda: ApiKey.objects.get().status == "valid")


def test_a_row_that_is_gone_is_no_error(current):
    assert tasks.answer("msg_gone") is None
    assert tasks.check_key("key_gone") is None


def test_a_process_that_does_not_answer_leaves_the_message_alone(number):
    message = factories.message(number)
    assert tasks.answer(message.pk) is None
    assert Message.objects.get().status == Status.QUEUED


class Told:
    """A message from the broker, as far as a strategy looks at it."""

    def __init__(self, payload: Any) -> None:
        self._payload = payload

    @property
    def payload(self) -> Any:
        if isinstance(self._payload, Exception):
            raise self._payload
        return self._payload


def handler(task: Any) -> Any:
    return task.start_strategy(current_app, None)


def test_the_reading_thread_tells_the_loop_without_a_request(number, upstream, current):
    factories.key(number, upstream.url)
    message = factories.message(number, "ping")
    handler(tasks.answer)(Told([[[message.pk, number.pk]], {}, {}]), None, None, None, [])
    wait_for(lambda: Message.objects.get().answer == "You said: ping")


@pytest.mark.parametrize("payload", [["no three parts"], [[5], {}, {}], [[["a", 1, 2]], {}, {}]])
def test_a_nudge_that_makes_no_sense_is_logged_and_stops_nobody(payload, current, caplog):
    handler(tasks.answer)(Told(payload), None, None, None, [])
    assert caplog.text.count("nudge_not_taken") == 1


def test_what_cannot_be_read_is_left_to_celery(current):
    with pytest.raises(DecodeError):
        handler(tasks.answer)(Told(DecodeError("no JSON")), None, None, None, [])
