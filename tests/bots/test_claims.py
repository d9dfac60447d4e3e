"""Claims, leases and attempts: one worker at a time, and late writes are fenced."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.db import close_old_connections
from django.utils import timezone

from bots import claims, settlement
from bots.line import Waiting
from bots.models import Message, Status
from bots.settlement import Outcome
from tests import factories

ANSWERED = Outcome(Status.DONE, answer="Fine.")


def expire_leases() -> None:
    past = timezone.now() - timedelta(seconds=1)
    Message.objects.filter(status=Status.RUNNING).update(lease_until=past, due_at=past)


def test_a_claim_takes_the_message_with_a_lease_and_an_attempt(number):
    message = claims.claim(factories.message(number).pk, "w1")
    assert (message.status, message.attempt, message.claimed_by) == (Status.RUNNING, 1, "w1")
    assert message.lease_until > timezone.now()


def test_a_claimed_message_is_not_claimed_again(number):
    pk = factories.message(number).pk
    claims.claim(pk, "w1")
    assert claims.claim(pk, "w2") is None


def test_a_message_whose_lease_ran_out_is_claimed_with_the_next_attempt(number):
    pk = factories.message(number).pk
    claims.claim(pk, "w1")
    expire_leases()
    assert claims.claim(pk, "w2").attempt == 2


def test_a_later_question_waits_for_the_earlier_one(number):
    first, second = factories.message(number), factories.message(number)
    assert claims.claim(second.pk, "w1") is None
    settlement.settle(claims.claim(first.pk, "w1"), ANSWERED)
    assert claims.claim(second.pk, "w1") is not None


def test_settling_nudges_the_next_question_in_line(
    number, nudged, django_capture_on_commit_callbacks
):
    first, second = factories.message(number), factories.message(number)
    claimed = claims.claim(first.pk, "w1")
    with django_capture_on_commit_callbacks(execute=True):
        settlement.settle(claimed, ANSWERED)
    assert nudged == [("bots.tasks.answer", Waiting(second.pk, number.pk))]


def test_a_worker_that_lost_its_lease_settles_nothing(number):
    pk = factories.message(number).pk
    stale = claims.claim(pk, "w1")
    expire_leases()
    fresh = claims.claim(pk, "w2")
    assert settlement.settle(stale, Outcome(Status.DONE, answer="late")) is False
    assert settlement.settle(fresh, Outcome(Status.DONE, answer="right")) is True
    assert Message.objects.get().answer == "right"


def test_renewing_prolongs_the_lease_and_names_what_was_lost(number):
    ours = claims.claim(factories.message(number, open_id="a").pk, "w1")
    lost = claims.claim(factories.message(number, open_id="b").pk, "w1")
    expire_leases()
    claims.claim(lost.pk, "w2")
    assert claims.renew("w1", {ours.pk: 1, lost.pk: 1}) == {lost.pk}
    assert Message.objects.get(pk=ours.pk).lease_until > timezone.now()


def test_an_own_older_attempt_counts_as_lost(number):
    pk = factories.message(number).pk
    claims.claim(pk, "w1")
    expire_leases()
    claims.claim(pk, "w1")
    assert claims.renew("w1", {pk: 1}) == {pk}


def test_a_message_to_be_retried_is_not_claimed_before_its_time(number):
    pk = factories.message(number).pk
    claims.claim(pk, "w1")
    assert claims.retry_later(pk, 1, 30)
    assert claims.claim(pk, "w1") is None
    Message.objects.update(next_attempt_at=timezone.now())
    assert claims.claim(pk, "w1").attempt == 2


def test_a_message_handed_back_is_claimed_at_once(number):
    pk = factories.message(number).pk
    claims.claim(pk, "w1")
    claims.hand_back([(pk, 1)])
    assert claims.claim(pk, "w2").attempt == 2


def test_the_leases_of_the_dead_end_and_nobody_elses(number):
    left = claims.claim(factories.message(number, open_id="a").pk, "dead").pk
    ours = claims.claim(factories.message(number, open_id="b").pk, "w1").pk
    assert claims.end_leases(["dead", "unknown"]) == 1
    assert [each.message_id for each in claims.take_overdue()] == [left]
    assert claims.claim(ours, "w2") is None
    assert claims.claim(left, "w2").attempt == 2


def test_what_a_dead_worker_was_only_told_of_is_due_again(number):
    left = claims.claim(factories.message(number).pk, "dead").pk
    claims.end_leases(["dead"])
    claims.take_overdue()  # by one that dies before it claims it
    assert claims.take_overdue() == []
    claims.end_leases(["dead too"])
    assert [each.message_id for each in claims.take_overdue()] == [left]


def test_a_late_hand_back_is_fenced(number):
    pk = factories.message(number).pk
    claims.claim(pk, "w1")
    expire_leases()
    claims.claim(pk, "w2")
    claims.hand_back([(pk, 1)])
    assert Message.objects.get().claimed_by == "w2"


def test_a_fresh_message_is_left_to_its_nudge(number):
    factories.message(number)
    assert claims.take_overdue() == []


def test_sweepers_find_what_was_never_claimed_but_only_one_of_them(number):
    pk = factories.message(number).pk
    Message.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert claims.take_overdue() == [Waiting(pk, number.pk)]
    assert claims.take_overdue() == []


def test_sweepers_find_abandoned_messages(number):
    pk = factories.message(number).pk
    claims.claim(pk, "w1")
    expire_leases()
    assert claims.take_overdue() == [Waiting(pk, number.pk)]


def test_sweepers_leave_questions_behind_an_unsettled_one(number):
    first = factories.message(number).pk
    factories.message(number)
    Message.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert claims.take_overdue() == [Waiting(first, number.pk)]


def claim_apart(pk: str) -> bool:
    try:
        return claims.claim(pk, "w") is not None
    finally:
        close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_of_many_parallel_claims_one_wins(number):
    pk = factories.message(number).pk
    with ThreadPoolExecutor(10) as pool:
        won = list(pool.map(claim_apart, [pk] * 50))
    assert won.count(True) == 1
    assert Message.objects.get().attempt == 1


# The statement by hand ---------------------------------------------------------------------------


def states(now: datetime) -> list[dict[str, Any]]:
    """Every state that matters to a claim: status; lease and next attempt around now."""
    moments = [now + timedelta(seconds=seconds) for seconds in (-1, 0, 1)]
    queued = [{"status": Status.QUEUED, "next_attempt_at": at} for at in (None, *moments)]
    running = [{"status": Status.RUNNING, "lease_until": at} for at in (None, *moments)]
    settled = {"status": Status.CANCELLED, "seq": 1}
    return [*queued, *running, settled]


def test_what_is_claimed_is_what_is_called_claimable(number, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    for place, (first, second) in enumerate(product(states(now), repeat=2)):
        asked = [factories.message(number, open_id=f"person{place}") for _ in range(2)]
        for message, state in zip(asked, (first, second), strict=True):
            Message.objects.filter(pk=message.pk).update(**state)
    claimable = set(Message.objects.all().claimable(now).values_list("pk", flat=True))
    everything = list(Message.objects.values_list("pk", flat=True))
    claimed = [message.pk for message in claims.claim_all(everything, "w1")]
    assert sorted(claimed) == sorted(claimable)
    assert 0 < len(claimed) < len(everything)
