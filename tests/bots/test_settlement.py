"""Settling: one final state, one place in the feed, in commit order."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import close_old_connections, transaction
from django.utils import timezone

from bots import claims, faults, feed, journal, settlement
from bots.models import ApiKey, FeedEntry, Message, Status
from bots.settlement import Outcome, Settling
from portal import moderation, outbox
from portal.models import AuditEntry, State
from tests import factories
from tests.bots import talking
from tests.ddio_api.answers import apart


def settled(number, answer="Fine.", **fields) -> Message:
    claimed = claims.claim(factories.message(number, **fields).pk, "w1")
    settlement.settle(claimed, Outcome(Status.DONE, answer=answer, prompt_tokens=3))
    return Message.objects.get(pk=claimed.pk)


def test_it_writes_the_answer_and_its_place_in_the_feed(number):
    message = settled(number)
    entry = FeedEntry.objects.get()
    assert (message.status, message.answer, message.seq) == (Status.DONE, "Fine.", 1)
    assert (entry.message_id, entry.seq, entry.at) == (message.pk, 1, message.answered_at)


def test_each_number_counts_for_itself(number, charlies_number):
    assert settled(number).seq == 1
    assert settled(number).seq == 2
    assert settled(charlies_number).seq == 1


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_attempts_in_one_batch_the_one_that_runs_settles(number, order):
    lost = claims.claim(factories.message(number).pk, "w1")
    Message.objects.update(lease_until=lost.asked_at)
    fresh = claims.claim(lost.pk, "w1")  # by the same worker, after a long sleep
    both = [
        Settling(each, Outcome(Status.DONE, answer=f"{each.attempt}")) for each in (lost, fresh)
    ]
    assert settlement.settle_all(both[::order]).ids == {lost.pk}
    assert Message.objects.get().answer == "2"
    assert FeedEntry.objects.count() == 1


def test_a_cancel_that_came_first_wins_over_the_answer(number):
    claimed = claims.claim(factories.message(number).pk, "w1")
    assert settlement.cancel(claimed) is True
    assert settlement.settle(claimed, Outcome(Status.DONE, answer="late")) is False
    assert Message.objects.get().status == Status.CANCELLED


def test_a_cancel_after_the_answer_changes_nothing(number):
    message = settled(number)
    assert settlement.cancel(message) is False
    assert FeedEntry.objects.count() == 1


def test_a_queued_question_can_be_cancelled(number):
    message = factories.message(number)
    assert settlement.cancel(message) is True
    assert (Message.objects.get().status, Message.objects.get().answer) == ("cancelled", "")


def test_a_cancelled_answer_keeps_what_it_had_said(number, monkeypatch):
    claimed = claims.claim(factories.message(number).pk, "w1")
    monkeypatch.setattr(journal, "text_so_far", lambda pk, attempt: "Half an ans")
    settlement.cancel(claimed)
    assert Message.objects.get().answer == "Half an ans"


def test_a_stop_keeps_what_the_last_attempt_has_said_whichever_the_caller_had_read(
    number, monkeypatch
):
    said = {1: "Of a dead att", 2: "Half an ans"}
    monkeypatch.setattr(journal, "text_so_far", lambda pk, attempt: said[attempt])
    stale = claims.claim(factories.message(number).pk, "w1")
    claims.retry_later(stale.pk, 1, 0)
    claims.claim(stale.pk, "w2")
    assert settlement.cancel(stale) is True
    assert Message.objects.get().answer == "Half an ans"


def test_an_answer_that_arrives_after_a_suspension_is_withheld(number):
    claimed = claims.claim(factories.message(number).pk, "w1")
    factories.suspended(number)
    settlement.settle(claimed, Outcome(Status.DONE, answer="secret"))
    message = Message.objects.get()
    assert (message.status, message.error_code) == (Status.CANCELLED, faults.WITHHELD)
    assert message.answer == ""


@pytest.mark.parametrize("state", [State.SUSPENDED, State.CLOSED])
def test_a_stop_after_a_suspension_publishes_nothing(number, monkeypatch, state):
    claimed = claims.claim(factories.message(number).pk, "w1")
    monkeypatch.setattr(journal, "text_so_far", lambda pk, attempt: "secret")
    talking.in_state(number, state)
    assert settlement.cancel(claimed) is True
    message = Message.objects.get()
    assert (message.status, message.error_code) == (Status.CANCELLED, faults.WITHHELD)
    assert message.answer == ""


@pytest.mark.django_db(transaction=True)
def test_a_stop_waits_for_a_suspension_that_is_being_written(number, monkeypatch):
    claimed = claims.claim(factories.message(number).pk, "w1")
    monkeypatch.setattr(journal, "text_so_far", lambda pk, attempt: "secret")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            factories.suspended(number)
            stopping = pool.submit(apart(settlement.cancel), claimed)
            with pytest.raises(TimeoutError):
                stopping.result(0.3)
        assert stopping.result(10) is True
    assert Message.objects.get().error_code == faults.WITHHELD


def test_a_suspension_cancels_what_is_in_flight(number):
    factories.message(number)
    factories.suspended(number)
    assert outbox.deliver() == 1
    assert Message.objects.get().error_code == faults.WITHHELD


def test_a_suspension_carried_out_late_spares_what_was_asked_afterwards(number):
    factories.suspended(number)
    moderation.move(number, moderation.REINSTATE, actor=None)
    factories.message(number)
    outbox.deliver()
    assert Message.objects.get().status == Status.QUEUED


def test_an_approval_cancels_nothing(number):
    factories.message(number)
    factories.suspended(number)
    moderation.move(number, moderation.REINSTATE, actor=None)
    outbox.OutboxEntry.objects.order_by("pk").first().delete()
    outbox.deliver()
    assert Message.objects.get().status == Status.QUEUED


def settle_apart(pk: str) -> None:
    try:
        settlement.settle(claims.claim(pk, "w"), Outcome(Status.DONE, answer="x"))
    finally:
        close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_parallel_settlements_are_numbered_without_gap_or_double(number):
    pks = [factories.message(number, open_id=f"p{index}").pk for index in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(settle_apart, pks))
    seqs = FeedEntry.objects.order_by("pk").values_list("seq", flat=True)
    assert sorted(seqs) == list(range(1, 41))


def test_the_feed_is_read_in_order_and_each_entry_once(number):
    wanted = [settled(number, open_id=f"p{index}").pk for index in range(5)]
    first = feed.read(feed.Query(number.pk, limit=3))
    second = feed.read(feed.Query(number.pk, cursor=first.next_cursor, limit=3))
    assert [entry.message_id for entry in first.entries + second.entries] == wanted
    assert (first.has_more, second.has_more) == (True, False)


def test_an_empty_page_keeps_the_cursor(number):
    page = feed.read(feed.Query(number.pk, cursor=7))
    assert (page.entries, page.next_cursor, page.has_more) == ([], 7, False)


# Closing ----------------------------------------------------------------------------------------


def test_a_closed_numbers_keys_are_forgotten_once(number):
    key = factories.key(number, "https://api.example.com/v1")
    moderation.move(number, moderation.CLOSE, actor=None)
    outbox.deliver()
    outbox.OutboxEntry.objects.update(done_at=None, due_at=timezone.now())
    outbox.deliver()
    key.refresh_from_db()
    assert (key.sealed, bool(key.removed_at)) == ("", True)
    removed = AuditEntry.objects.get(action="key.removed")
    assert removed.details == {"key": key.pk, "because": "number.close"}


def test_a_suspended_numbers_keys_are_kept(number):
    key = factories.key(number, "https://api.example.com/v1")
    factories.suspended(number)
    outbox.deliver()
    assert ApiKey.objects.bound().get() == key


def test_what_a_suspension_stops_is_withheld_all_at_once(number):
    done = factories.message(number, open_id="happy")
    settlement.settle(claims.claim(done.pk, "w1"), Outcome(Status.DONE, answer="Fine."))
    in_flight = [factories.message(number, open_id=f"person-{index}") for index in range(3)]
    claims.claim(in_flight[0].pk, "w1")
    assert settlement.withhold_all([done, *in_flight]) == 3
    withheld = Message.objects.filter(pk__in=[message.pk for message in in_flight])
    assert set(withheld.values_list("status", "answer", "error_code")) == {("cancelled", "", 50002)}
    assert settlement.withhold_all([]) == 0
