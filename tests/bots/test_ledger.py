"""The ledger: each upstream call is charged once, whatever ends it, with what the provider told."""

import asyncio
import time
from datetime import timedelta

import pytest
from django.db.models import F, Sum
from django.utils import timezone

from bots import budgets, claims, erasing, ledger, settlement
from bots.line import Waiting
from bots.models import LedgerDay, LedgerEntry, Message, Price, Robot, Status
from bots.plans import Plan
from bots.provider import Usage
from bots.settlement import Outcome
from bots.tabs import Call
from tests import factories
from tests.bots.at_work import answer_now, wait_for
from tests.bots.test_answering import use_model

pytestmark = pytest.mark.django_db(transaction=True)

FIGURES = ["state", "prompt_tokens", "completion_tokens", "is_estimated"]
SUMS = ["prompt_tokens", "completion_tokens", "cost"]


def entry(**facts) -> LedgerEntry:
    return LedgerEntry.objects.get(**facts)


def figures() -> list[tuple[object, ...]]:
    return list(LedgerEntry.objects.order_by("pk").values_list(*FIGURES))


def claimed(number, worker="w1", **fields) -> Plan:
    """A question that a worker has planned and reserved for, as the desk has it done."""
    message = claims.claim(factories.message(number, **fields).pk, worker)
    return budgets.plan_all([message])[0]


def claimed_again(message: Message) -> Plan:
    Message.objects.filter(pk=message.pk).update(lease_until=message.asked_at)
    return budgets.plan_all([claims.claim(message.pk, "w2")])[0]


@pytest.fixture
def key(number):
    return factories.key(number, "https://x.example/v1")


# The call itself ----------------------------------------------------------------------------------


def test_an_answer_is_charged_with_what_the_provider_told(number, upstream, worker):
    key = factories.key(number, upstream.url)
    message = factories.message(number, "ping")
    answer_now(worker, message.pk)
    message.refresh_from_db()
    assert figures() == [("used", message.prompt_tokens, message.completion_tokens, False)]
    found = entry()
    assert (found.message_id, found.person_id, found.api_key_id) == (
        message.pk,
        message.person_id,
        key.pk,
    )
    assert (found.model, found.channel, found.attempt, found.call) == ("echo", "ddio", 1, 1)


def test_where_the_provider_tells_nothing_it_is_an_estimate(number, upstream, worker):
    factories.key(number, upstream.url)
    use_model(number, "no-usage")
    answer_now(worker, factories.message(number, "ping").pk)
    [(state, prompt, completion, is_estimated)] = figures()
    assert (state, completion, is_estimated) == ("used", 1, True)
    assert prompt > 0


def test_a_call_that_is_refused_costs_nothing_and_its_successor_is_an_entry_of_its_own(
    number, upstream, worker
):
    refused = factories.key(number, upstream.url, "sk-bad-1", priority=0)
    factories.key(number, upstream.url, "sk-good-1", priority=1)
    answer_now(worker, factories.message(number, "ping").pk)
    assert [(state, bool(tokens)) for state, tokens, *_ in figures()] == [
        ("failed", False),
        ("used", True),
    ]
    assert entry(call=1).api_key_id == refused.pk


@pytest.mark.parametrize(("model", "is_charged"), [("500", False), ("cut", True), ("429", False)])
def test_what_is_tried_again_ends_as_failed(number, upstream, worker, model, is_charged):
    factories.key(number, upstream.url)
    use_model(number, model)
    answer_now(worker, factories.message(number).pk)
    assert Message.objects.get().status == Status.QUEUED
    [(state, prompt, _completion, is_estimated)] = figures()
    assert (state, bool(prompt), is_estimated) == ("failed", is_charged, is_charged)


def test_an_answer_that_fails_is_charged_with_what_it_said(number, upstream, worker):
    factories.key(number, upstream.url)
    use_model(number, "cut")
    message = factories.message(number)
    Message.objects.update(attempt=4)
    answer_now(worker, message.pk)
    [(state, _prompt, completion, is_estimated)] = figures()
    assert (state, completion, is_estimated) == ("failed", 2, True)  # "You sa"


def test_who_calls_nobody_leaves_no_entry(number, worker):
    answer_now(worker, factories.message(number).pk)
    assert Message.objects.get().error_code == 71001
    assert not LedgerEntry.objects.exists()


def test_a_stop_is_charged_with_what_was_said_until_then(number, upstream, worker):
    factories.key(number, upstream.url)
    use_model(number, "slow")
    message = factories.message(number)
    worker.tell([Waiting(message.pk, number.pk)])
    wait_for(lambda: upstream.calls()["in_flight"])
    settlement.cancel(Message.objects.get())
    wait_for(lambda: not worker.desk.attempts())
    [(state, prompt, _completion, is_estimated)] = figures()
    assert (state, is_estimated) == ("cancelled", True)
    assert prompt > 0


def test_a_stop_is_charged_with_what_was_thought_until_then(number, upstream, worker):
    factories.key(number, upstream.url)
    use_model(number, "ponder")
    message = factories.message(number)
    worker.tell([Waiting(message.pk, number.pk)])
    wait_for(lambda: upstream.calls()["in_flight"])
    time.sleep(0.5)
    settlement.cancel(Message.objects.get())
    wait_for(lambda: not worker.desk.attempts())
    [(state, _prompt, completion, is_estimated)] = figures()
    assert (state, is_estimated, Message.objects.get().answer) == ("cancelled", True, "")
    assert completion >= 4  # a thought takes three or four


def test_what_was_thought_is_charged_where_no_usage_was_told(number, upstream, worker):
    factories.key(number, upstream.url)
    use_model(number, "ponder")
    answer_now(worker, factories.message(number).pk)
    [(state, _prompt, completion, is_estimated)] = figures()
    assert (state, is_estimated, Message.objects.get().answer) == ("used", True, "ok")
    assert completion > 20 * 3


def test_a_days_cost_stays_a_number_that_can_be_added_to(number, key):
    Price.objects.create(number=number, model="echo", input=10**12, output=10**12)
    for _call in range(3):
        end(claimed(number), prompt=10**9, completion=10**9)
    assert LedgerDay.objects.get().cost == ledger.DAYS_COST_AT_MOST


def test_a_worker_that_stops_charges_what_it_gives_back(number, upstream, worker):
    factories.key(number, upstream.url)
    use_model(number, "slow")
    message = factories.message(number)
    worker.tell([Waiting(message.pk, number.pk)])
    wait_for(lambda: upstream.calls()["in_flight"])
    worker.desk.close = _at_once(worker.desk.close)
    worker.stop()
    worker.stop = lambda: None
    assert Message.objects.get().status == Status.QUEUED
    assert [(state, is_estimated) for state, *_, is_estimated in figures()] == [("cancelled", True)]


def _at_once(close):
    return lambda _grace: close(0.01)


@pytest.mark.parametrize(("most", "charged"), [(None, 2_501), (50, 50)])
def test_an_estimate_is_no_more_than_the_provider_was_asked_for(number, key, most, charged):
    Robot.objects.update(answer_tokens=most)
    plan = claimed(number)
    call = Call(key.pk, "echo", ["word "] * 2_000)
    assert plan.message.tab.figures(call).completion == charged


# Reserving and settling ---------------------------------------------------------------------------


def test_before_the_call_its_most_is_reserved(number, key):
    Robot.objects.update(answer_tokens=50)
    Price.objects.create(number=number, model="echo", input=2_000_000, output=8_000_000)
    plan = claimed(number)
    found = entry()
    assert (found.state, found.completion_tokens, found.settled_at) == ("reserved", 50, None)
    assert found.prompt_tokens == 2 * plan.message.tab.prompt
    assert found.reserved_tokens == found.tokens
    assert found.cost == found.prompt_tokens * 2_000_000 + 50 * 8_000_000


def test_the_price_is_that_of_the_time_of_the_call(number, key):
    price = Price.objects.create(number=number, model="echo", input=3, output=5)
    plan = claimed(number)
    Price.objects.filter(pk=price.pk).update(input=1_000, output=1_000)
    end(plan, prompt=10, completion=20)
    found = entry()
    assert (found.input_price, found.output_price, found.cost) == (3, 5, 10 * 3 + 20 * 5)


def end(plan: Plan, status: str = Status.DONE, prompt: int = 3, completion: int = 4) -> bool:
    """The attempt's one call is over, and so is the attempt."""
    key, endpoint = plan.keys[0]
    call = Call(key.pk, endpoint.model, ["Fine."])
    plan.message.tab.calls.append(call)
    call.usage = Usage(prompt, completion, prompt + completion)
    return settlement.settle(plan.message, Outcome(status, answer="Fine."))


def test_it_is_settled_once(number, key):
    plan = claimed(number)
    assert end(plan) is True
    assert end(plan) is False
    ledger.leave_all([plan.message])
    assert figures() == [("used", 3, 4, False)]
    assert LedgerDay.objects.get().used == 1


def test_an_answer_that_comes_after_a_stop_is_charged_all_the_same(number, key):
    plan = claimed(number)
    settlement.cancel(Message.objects.get())
    assert end(plan) is False
    assert entry().state == "reserved"  # until its worker hears of it
    ledger.leave_all([plan.message])
    assert figures() == [("cancelled", 3, 4, False)]


def test_whoever_claims_it_next_has_what_its_dead_worker_reserved_charged(number, key):
    plan = claimed(number)
    again = claimed_again(plan.message)
    end(again)
    lost, used = LedgerEntry.objects.order_by("attempt")
    assert (lost.state, lost.is_estimated, used.state) == ("unknown", True, "used")
    assert lost.tokens == lost.reserved_tokens > 0


def test_what_its_worker_says_later_of_an_unknown_call_changes_nothing(number, key):
    plan = claimed(number)
    claimed_again(plan.message)
    ledger.leave_all([plan.message])
    assert entry(attempt=1).state == "unknown"


def test_a_sweeper_ends_what_nobody_works_on(number, key):
    claimed(number)
    settlement.cancel(Message.objects.get())
    assert ledger.sweep() == 0  # its worker may still say
    LedgerEntry.objects.update(at=F("at") - timedelta(minutes=5))
    assert ledger.sweep() == 1
    assert (entry().state, ledger.sweep()) == ("unknown", 0)


def test_a_sweeper_leaves_what_somebody_works_on(number, key):
    claimed(number)
    LedgerEntry.objects.update(at=F("at") - timedelta(minutes=5))
    assert ledger.sweep() == 0


def test_an_attempt_that_never_began_leaves_nothing(number, key):
    plan = claimed(number)
    ledger.leave_all([plan.message])
    assert not LedgerEntry.objects.exists()


def test_what_was_claimed_and_never_begun_costs_nothing(number, key, worker):
    plan = claimed(number, worker.name)
    worker.desk._unbegun.append(plan.message)
    worker.run(worker.desk.leave_unbegun())
    assert not LedgerEntry.objects.exists()


def test_those_that_leave_together_are_charged_together(number, key, worker, monkeypatch):
    batches = []
    leave_all = ledger.leave_all
    monkeypatch.setattr(
        ledger, "leave_all", lambda left: (batches.append(len(left)), leave_all(left))
    )
    plans = [claimed(number, open_id=f"p{each}") for each in range(5)]

    async def leave() -> None:
        await asyncio.gather(*(worker.desk.leave(plan.message) for plan in plans))

    worker.run(leave())
    assert batches == [5]


def test_a_call_that_several_keys_fail_at_is_charged_key_by_key(number, upstream, worker):
    for priority in range(3):
        factories.key(number, upstream.url, f"sk-busy-{priority}", priority=priority)
    answer_now(worker, factories.message(number).pk)
    assert [(each.call, each.state) for each in LedgerEntry.objects.order_by("call")] == [
        (1, "failed"),
        (2, "failed"),
        (3, "failed"),
    ]
    assert LedgerDay.objects.get().failed == upstream.calls()["total"] == 3


def test_the_days_add_up_to_the_entries(number, key):
    for index, status in enumerate([Status.DONE, Status.FAILED, Status.DONE]):
        plan = claimed(number, open_id=f"person-{index}")
        end(plan, status, prompt=10**index, completion=7)
    days = LedgerDay.objects.aggregate(**{name: Sum(name) for name in SUMS})
    assert days == LedgerEntry.objects.aggregate(**{name: Sum(name) for name in SUMS})
    day = LedgerDay.objects.get()
    assert (day.day, day.used, day.failed) == (timezone.now().date(), 2, 1)


def test_erasing_a_person_keeps_what_was_spent(number, key):
    plan = claimed(number)
    end(plan)
    erasing.erase(plan.message.person)
    assert figures() == [("used", 3, 4, False)]
