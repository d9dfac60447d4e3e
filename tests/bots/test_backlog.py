"""Backpressure: what could not be answered in the stated time is refused, number by number."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bots import backlog, claims, quotas, settlement
from bots.models import Message, Status
from bots.settlement import Outcome
from tests import factories

pytestmark = pytest.mark.django_db


def waiting(number, count: int, *, seconds: float) -> None:
    """So many questions that have waited so long already."""
    for index in range(count):
        factories.message(number, open_id=f"person-{index}")
    asked_at = timezone.now() - timedelta(seconds=seconds)
    Message.objects.filter(number=number).update(asked_at=asked_at)


def answered(number, count: int) -> None:
    for index in range(count):
        message = claims.claim(factories.message(number, open_id=f"happy-{index}").pk, "w")
        settlement.settle(message, Outcome(Status.DONE, answer="Fine."))


def ask(number) -> Message:
    return quotas.ask(factories.question(number))


def test_an_empty_queue_is_no_wait(number):
    assert backlog.wait_of(number.pk) == 0


def test_a_queue_that_has_only_begun_is_taken_to_move(number, settings):
    settings.ANSWERS_PER_NUMBER = 10
    waiting(number, 5, seconds=1)
    assert backlog.wait_of(number.pk) == 5


def test_an_old_queue_moves_as_it_did_lately(number):
    answered(number, 6)
    waiting(number, 4, seconds=60)
    assert backlog.wait_of(number.pk) == pytest.approx(4 / (6 / 30))


def test_where_nothing_moves_a_question_waits_as_long_as_the_oldest(number):
    waiting(number, 2, seconds=90)
    assert backlog.wait_of(number.pk) == pytest.approx(90, abs=5)


def test_a_question_that_would_wait_too_long_is_refused(number):
    waiting(number, 1, seconds=150)
    with pytest.raises(backlog.TooLong) as refused:
        ask(number)
    assert 5 <= refused.value.retry_after <= 60
    assert Message.objects.count() == 1


def test_another_number_takes_questions_all_the_same(number, charlies_number):
    waiting(number, 1, seconds=150)
    assert ask(charlies_number).is_new


def test_questions_behind_a_long_answer_of_their_own_conversation_do_not_count(number):
    first = factories.message(number)
    claims.claim(first.pk, "w")
    factories.message(number)
    Message.objects.update(asked_at=timezone.now() - timedelta(seconds=150))
    assert ask(number).is_new


def test_a_repeated_request_is_no_new_question(number):
    asked = quotas.ask(factories.question(number, idempotency_key="once"))
    waiting(number, 0, seconds=150)
    assert quotas.ask(factories.question(number, idempotency_key="once")) == asked


def test_when_the_queue_is_short_again_questions_are_taken(number, monkeypatch):
    waiting(number, 1, seconds=150)
    with pytest.raises(backlog.TooLong):
        ask(number)
    monkeypatch.setattr(backlog, "KNOWN_FOR_SECONDS", 0)
    backlog._known.clear()
    settlement.cancel(Message.objects.get())
    assert ask(number).is_new
