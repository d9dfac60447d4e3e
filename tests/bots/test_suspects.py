"""Questions whose worker went silent again and again are let in few at a time."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from bots import claims
from bots.line import Waiting
from bots.models import Message
from bots.suspects import TOGETHER, Suspects
from tests import factories

pytestmark = pytest.mark.django_db


def abandoned(number, tries: int, handed_back: int = 0) -> Waiting:
    """A message that so many workers left by dying."""
    pk = factories.message(number).pk
    claims.claim(pk, "w1")
    lapsed = timezone.now() - timedelta(seconds=1)
    changes = {"lease_until": lapsed, "due_at": lapsed, "handed_back": handed_back}
    Message.objects.filter(pk=pk).update(attempt=tries + handed_back, **changes)
    return Waiting(pk, number.pk)


def test_whoever_has_died_once_is_taken_like_any_other(number):
    waiting = abandoned(number, 1, handed_back=3)
    assert claims.take_overdue() == [waiting]


@pytest.mark.parametrize("tries", [2, 3, 6])
def test_whoever_has_died_more_often_is_taken_for_himself(number, tries):
    waiting = abandoned(number, tries)
    assert claims.take_overdue() == []
    assert claims.take_suspects(min(tries, 3), 10) == [waiting]
    assert claims.take_suspects(min(tries, 3), 10) == []


def test_those_of_another_kind_are_left(number):
    abandoned(number, 2)
    assert claims.take_suspects(3, 10) == []


def test_what_a_provider_refused_often_is_no_suspect(number):
    waiting = abandoned(number, 4)
    claims.retry_later(waiting.message_id, 4, -1.0)
    assert claims.take_overdue() == [waiting]


def test_one_takes_no_more_than_there_is_room_for(number):
    for _ in range(3):
        abandoned(factories.number(), 3)
    assert len(claims.take_suspects(3, 1)) == 1
    assert Message.objects.filter(due_at__lt=F("asked_at")).count() == 2


def test_there_is_room_again_when_one_has_gone():
    here = {"a", "b"}
    suspects = Suspects(here.__contains__)
    suspects.prove()
    suspects.add(3, [Waiting("a", 1)])
    suspects.add(2, [Waiting("b", 1)])
    assert suspects.room() == {2: TOGETHER[2] - 1, 3: 0}
    here.clear()
    assert suspects.room() == TOGETHER


def test_those_that_have_died_most_wait_until_their_worker_has_lived_for_a_while():
    suspects = Suspects(set().__contains__)
    assert suspects.room() == {2: TOGETHER[2]}
    suspects.prove()
    assert suspects.has_room.is_set()
    assert suspects.room() == TOGETHER
