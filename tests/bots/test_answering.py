"""From a claimed question to a settled answer; the provider is faked at its HTTP edge."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from bots import answering, claims, journal, plans, settlement
from bots.chat import Given
from bots.line import Waiting
from bots.models import ApiKey, KeyStatus, Message, Robot, Status
from bots.provider import ProviderFault
from bots.worker import Worker
from portal import wakeups
from tests import factories
from tests.bots.at_work import answer_now, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def use_model(number, model: str) -> None:
    Robot.objects.filter(number=number).update(model=model)


def answer(worker, message: Message) -> Message:
    answer_now(worker, message.pk)
    return Message.objects.get(pk=message.pk)


def test_it_answers_and_keeps_usage_model_and_key(number, upstream, worker):
    key = factories.key(number, upstream.url)
    message = answer(worker, factories.message(number, "ping"))
    assert (message.status, message.answer) == (Status.DONE, "You said: ping")
    assert (message.model, message.api_key_id, message.attempt) == ("echo", key.pk, 1)
    assert message.prompt_tokens > 0


def test_it_calls_upstream_once_and_names_the_message(number, upstream, worker):
    factories.key(number, upstream.url)
    message = factories.message(number)
    answer(worker, message)
    answer(worker, message)
    assert upstream.calls()["counts"] == {message.pk: 1}


def test_it_sends_what_the_caller_gave(number, upstream, worker):
    factories.key(number, upstream.url)
    Robot.objects.update(temperature=1.5, answer_tokens=50)
    turns = [{"role": "user", "content": "ping"}]
    params = {"temperature": 0.0, "top_p": 0.5, "max_tokens": 90, "stop": ["END"]}
    answer(worker, factories.message(number, "ping", given=Given(turns, params)))
    sent = upstream.calls()["last"]["body"]
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, *turns]
    assert {name: sent[name] for name in params} == params | {"max_tokens": 50}


@pytest.mark.parametrize(("robots", "callers", "sent"), [(None, 9, 9), (9, None, 9), (50, 9, 9)])
def test_the_smaller_budget_for_the_answer_counts(number, upstream, worker, robots, callers, sent):
    factories.key(number, upstream.url)
    Robot.objects.update(answer_tokens=robots)
    params = {"max_tokens": callers} if callers else {}
    turns = [{"role": "user", "content": "ping"}]
    answer(worker, factories.message(number, given=Given(turns, params)))
    assert upstream.calls()["last"]["body"]["max_tokens"] == sent


def test_it_keeps_why_an_answer_is_not_whole(number, upstream, worker):
    factories.key(number, upstream.url)
    use_model(number, "length")
    message = answer(worker, factories.message(number))
    assert (message.status, message.finish_reason) == (Status.DONE, "length")


def test_the_journal_holds_what_was_said_until_it_is_settled(number, upstream, worker):
    factories.key(number, upstream.url)
    use_model(number, "slow")
    message = factories.message(number)
    worker.tell([Waiting(message.pk, number.pk)])
    wait_for(lambda: journal.text_so_far(message.pk, 1))
    assert journal.text_so_far(message.pk, 1).startswith("1 ")
    settlement.cancel(Message.objects.get())
    wait_for(lambda: not worker.desk.attempts())
    assert worker.run(journal.read(message.pk)) == []


def test_a_robot_without_a_usable_key_fails_with_71001(number, upstream, worker):
    factories.key(number, upstream.url, status=KeyStatus.INVALID)
    message = answer(worker, factories.message(number))
    assert (message.status, message.error_code, message.answer) == (Status.FAILED, 71001, None)
    assert upstream.calls()["total"] == 0


def test_a_refused_key_is_marked_and_the_next_one_answers(number, upstream, worker):
    refused = factories.key(number, upstream.url, "sk-bad-1", priority=0)
    factories.key(number, upstream.url, "sk-good-1", priority=1)
    message = answer(worker, factories.message(number, "ping"))
    assert message.status == Status.DONE
    assert ApiKey.objects.get(pk=refused.pk).status == KeyStatus.INVALID


def test_a_key_that_works_again_is_valid_again(number, upstream, worker):
    key = factories.key(number, upstream.url, status=KeyStatus.UNREACHABLE)
    answer(worker, factories.message(number))
    assert ApiKey.objects.get(pk=key.pk).status == KeyStatus.VALID


@pytest.mark.parametrize(("model", "code"), [("403", 71003), ("404", 71003), ("429-quota", 71004)])
def test_a_final_fault_settles_failed_with_its_code(number, upstream, worker, model, code):
    use_model(number, model)
    factories.key(number, upstream.url)
    message = answer(worker, factories.message(number))
    assert (message.status, message.error_code) == (Status.FAILED, code)


@pytest.mark.parametrize("model", ["429", "500", "cut", "html"])
def test_a_passing_fault_queues_the_message_again(number, upstream, worker, model):
    use_model(number, model)
    factories.key(number, upstream.url)
    message = answer(worker, factories.message(number))
    assert (message.status, message.attempt) == (Status.QUEUED, 1)
    assert message.next_attempt_at > timezone.now()


@pytest.mark.parametrize(("model", "code"), [("429", 71005), ("500", 71006), ("cut", 71008)])
def test_a_fault_that_stays_fails_with_its_code(number, upstream, worker, model, code):
    use_model(number, model)
    factories.key(number, upstream.url)
    message = factories.message(number)
    Message.objects.update(attempt=4)
    assert answer(worker, message).error_code == code


def test_attempts_are_capped(number, upstream, worker):
    factories.key(number, upstream.url)
    message = factories.message(number)
    Message.objects.update(attempt=5)
    assert answer(worker, message).error_code == 71010
    assert upstream.calls()["total"] == 0


def test_what_is_to_be_tried_again_is_tried_when_its_time_has_come(number, upstream, worker):
    use_model(number, "flaky-1")
    factories.key(number, upstream.url)
    message = answer(worker, factories.message(number))
    assert (message.status, message.attempt) == (Status.QUEUED, 1)
    wait_for(lambda: Message.objects.get().status == Status.DONE)
    assert Message.objects.get().attempt == 2


def test_retry_after_is_honoured_up_to_a_minute():
    patient = ProviderFault(71005, retry_after=7.0, key_status=None, evidence="")
    endless = ProviderFault(71005, retry_after=600.0, key_status=None, evidence="")
    assert 7.0 <= (answering.retry_delay(patient, 1) or 0) <= 8.75  # not all who wait at once
    assert answering.retry_delay(endless, 1) is None


def test_a_cancel_stops_the_upstream_call(number, upstream, worker):
    use_model(number, "slow")
    factories.key(number, upstream.url)
    message = factories.message(number)
    worker.tell([Waiting(message.pk, number.pk)])
    wait_for(lambda: journal.text_so_far(message.pk, 1))
    settlement.cancel(Message.objects.get(pk=message.pk))
    wait_for(lambda: not worker.desk.attempts())
    stored = Message.objects.get(pk=message.pk)
    assert stored.status == Status.CANCELLED
    assert stored.answer.startswith("1")
    wait_for(lambda: upstream.calls()["aborted"] == 1)


def test_a_lost_lease_stops_the_attempt(number, upstream, worker, settings):
    use_model(number, "slow")
    factories.key(number, upstream.url)
    message = factories.message(number)
    worker.tell([Waiting(message.pk, number.pk)])
    wait_for(lambda: journal.text_so_far(message.pk, 1))
    Message.objects.update(claimed_by="another", attempt=2)
    wakeups.publish(settlement.STOPS_CHANNEL)
    wait_for(lambda: not worker.desk.attempts())
    assert Message.objects.get(pk=message.pk).claimed_by == "another"


def test_a_worker_that_stops_hands_its_answers_back(number, upstream, nudged, monkeypatch):
    monkeypatch.setattr("bots.worker.GRACE_SECONDS", 0.2)
    use_model(number, "slow")
    factories.key(number, upstream.url)
    message = factories.message(number)
    leaving = Worker(answering.attempt)
    leaving.start()
    leaving.tell([Waiting(message.pk, number.pk)])
    wait_for(lambda: journal.text_so_far(message.pk, 1))
    nudged.clear()
    leaving.stop()
    stored = Message.objects.get(pk=message.pk)
    assert (stored.status, stored.claimed_by) == (Status.QUEUED, "")
    assert stored.due_at <= timezone.now() + timedelta(seconds=1)
    assert ("bots.tasks.answer", Waiting(message.pk, number.pk)) in nudged


def test_what_a_stopping_worker_gave_back_is_no_try(number, upstream, worker):
    factories.key(number, upstream.url)
    message = factories.message(number, "ping")
    Message.objects.update(attempt=7, handed_back=7)
    assert answer(worker, message).answer == "You said: ping"


@pytest.fixture
def away_at_first(monkeypatch):
    """Has this function of a module meet a database that is away, twice; returns what is left."""

    def take_away(module, name):
        work, away = getattr(module, name), [OperationalError("away"), OperationalError("away")]

        def work_later(*args):
            if away:
                raise away.pop()
            return work(*args)

        monkeypatch.setattr(module, name, work_later)
        return away

    return take_away


def test_an_answer_is_kept_while_the_database_is_away(number, upstream, worker, away_at_first):
    factories.key(number, upstream.url)
    message = factories.message(number, "ping")
    away = away_at_first(settlement, "settle_all")
    assert answer(worker, message).answer == "You said: ping"
    assert (away, upstream.calls()["total"]) == ([], 1)


def test_what_is_to_be_tried_again_is_queued_though_the_database_is_away(
    number, upstream, worker, away_at_first
):
    use_model(number, "flaky-1")
    factories.key(number, upstream.url)
    away = away_at_first(claims, "retry_later")
    assert answer(worker, factories.message(number)).status == Status.QUEUED
    assert away == []


def test_no_try_is_lost_to_a_database_that_is_away(number, upstream, worker, away_at_first):
    factories.key(number, upstream.url)
    message = factories.message(number, "ping")
    away = away_at_first(plans, "make_all")
    assert answer(worker, message).answer == "You said: ping"
    assert (away, Message.objects.get().attempt) == ([], 1)


def test_the_sweeper_takes_what_is_overdue(number, upstream, worker):
    factories.key(number, upstream.url)
    message = factories.message(number, "ping")
    Message.objects.update(due_at=timezone.now())
    worker.run(worker._sweep())
    wait_for(lambda: Message.objects.get(pk=message.pk).answer == "You said: ping")
