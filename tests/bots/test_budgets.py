"""Budgets: who may call, how long an answer he may have, who waits, and who is told."""

from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from django.core import mail
from django.utils import timezone

from bots import (
    budget_settings,
    budget_warnings,
    budgets,
    claims,
    ledger,
    months,
    quotas,
    settlement,
)
from bots.budgets import LEAST_ANSWER, UNLIMITED, decide
from bots.models import Budget, LedgerDay, LedgerEntry, Message, Price, Robot, Status
from bots.models.ledger import MICRO
from bots.plans import Plan, Standing
from bots.quotas import QuotaUsedUp, Whose
from bots.tabs import Call
from portal import outbox
from portal.models import Notice, OutboxEntry
from tests import factories
from tests.bots.at_work import answer_now
from tests.bots.spending import spend
from tests.bots.test_ledger import claimed, end

pytestmark = pytest.mark.django_db
PROMPT = 2 * (9 // 4 + 1 + 8 + 6 // 4 + 1 + 8)  # as reserved: "Be brief.", "Hello?"
_people = count(1)


@pytest.fixture(autouse=True)
def key(number):
    Robot.objects.update(answer_tokens=100)
    return factories.key(number, "https://x.example/v1")


def limit(number, **limits) -> Budget:
    return Budget.objects.create(number=number, **limits)


def ask(number, open_id: str = "") -> Plan:
    return claimed(number, open_id=open_id or f"p{next(_people)}", new_conversation=True)


def standings(number, asks: int) -> list[str]:
    return [ask(number).standing.value for _ in range(asks)]


# The month ----------------------------------------------------------------------------------------


def test_without_a_budget_nobody_waits_and_nothing_is_asked_of_the_provider(number):
    Robot.objects.update(answer_tokens=None)
    plan = ask(number)
    assert (plan.standing, plan.sampling.max_tokens) == (Standing.GRANTED, None)


def test_with_a_budget_the_provider_is_told_how_long_an_answer_may_be(number, settings):
    settings.BUDGETED_ANSWER_TOKENS = 70
    Robot.objects.update(answer_tokens=None)
    limit(number, tokens=1_000)
    assert ask(number).sampling.max_tokens == 70


def test_what_has_no_room_beside_the_others_waits_for_them(number):
    limit(number, tokens=2 * (PROMPT + 100))
    assert standings(number, 3) == ["granted", "granted", "waits"]


def test_whoever_waits_has_used_up_no_try(number):
    limit(number, tokens=PROMPT + 100)
    ask(number)
    waiting = ask(number).message
    waiting.refresh_from_db()
    assert (waiting.status, waiting.tries) == (Status.QUEUED, 0)
    assert timedelta(0) < waiting.next_attempt_at - timezone.now() <= timedelta(seconds=2)
    assert not LedgerEntry.objects.filter(message=waiting).exists()


def test_what_others_did_not_use_is_there_for_the_next(number):
    limit(number, tokens=PROMPT + 100 + 7)
    end(ask(number), prompt=3, completion=4)
    assert ask(number).standing is Standing.GRANTED


def test_towards_the_end_an_answer_has_the_room_that_is_left(number):
    limit(number, tokens=PROMPT + 80)
    assert ask(number).sampling.max_tokens == 80


def test_rather_than_a_very_short_answer_there_is_none(number):
    limit(number, tokens=PROMPT + LEAST_ANSWER - 1)
    assert ask(number).standing is Standing.REFUSED


def test_a_robot_with_short_answers_has_them_to_the_end(number):
    Robot.objects.update(answer_tokens=5)
    limit(number, tokens=PROMPT + 5)
    assert ask(number).standing is Standing.GRANTED


def test_a_budget_in_money_counts_by_the_models_prices(number):
    Price.objects.create(number=number, model="echo", input=1 * MICRO, output=10 * MICRO)
    limit(number, micros=2 * (PROMPT + 1_000))  # a millionth buys a token of the prompt
    assert standings(number, 3) == ["granted", "granted", "waits"]


def test_what_has_no_price_takes_nothing_of_a_budget_in_money(number):
    limit(number, micros=0)
    assert ask(number).standing is Standing.GRANTED


def test_what_was_spent_last_month_is_not_this_months(number):
    limit(number, tokens=PROMPT + 100)
    spend(
        number, 10_000, at=months.midnight(months.month_of(timezone.now())) - timedelta(minutes=1)
    )
    assert ask(number).standing is Standing.GRANTED


def test_a_call_belongs_to_the_month_in_which_it_began(number, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 10, 31, 23, 59, tzinfo=UTC))
    plan = ask(number)
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 11, 1, 0, 1, tzinfo=UTC))
    end(plan, prompt=10, completion=10)
    assert LedgerDay.objects.get().day == date(2026, 10, 31)


def test_another_numbers_spending_takes_nothing(number, charlies_number):
    factories.key(charlies_number, "https://x.example/v1")
    limit(number, tokens=PROMPT + 100)
    ask(charlies_number)
    assert ask(number).standing is Standing.GRANTED


def test_in_one_batch_each_leaves_less_to_the_next(number):
    limit(number, tokens=2 * (PROMPT + 100))
    asked = [factories.message(number, open_id=f"p{each}").pk for each in range(4)]
    made = budgets.plan_all(claims.claim_all(asked, "w"))
    assert sorted(plan.standing.value for plan in made) == ["granted"] * 2 + ["waits"] * 2


def test_whoever_has_waited_for_ever_is_refused(number):
    limit(number, tokens=PROMPT + 100)
    ask(number)
    message = factories.message(number, open_id="bob")
    Message.objects.filter(pk=message.pk).update(
        attempt=budgets.WAITS_AT_MOST, handed_back=budgets.WAITS_AT_MOST
    )
    [plan] = budgets.plan_all([claims.claim(message.pk, "w")])
    assert plan.standing is Standing.REFUSED


@pytest.mark.parametrize(
    ("now", "ever", "decided"),
    [
        (100, 100, (Standing.GRANTED, 100)),
        (UNLIMITED, UNLIMITED, (Standing.GRANTED, 100)),
        (99, 100, (Standing.WAITS, 0)),
        (99, 99, (Standing.GRANTED, 99)),
        (0, 64, (Standing.WAITS, 0)),
        (63, 63, (Standing.REFUSED, 0)),
        (-1, -1, (Standing.REFUSED, 0)),
    ],
)
def test_whether_there_is_room_for_an_answer_of_a_hundred(now, ever, decided):
    assert decide(lambda for_ever: ever if for_ever else now, 100, may_wait=True) == decided


# The end ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_question_without_a_budget_fails_with_71011_and_nobody_is_called(
    number, upstream, worker
):
    limit(number, tokens=10)
    message = factories.message(number)
    answer_now(worker, message.pk)
    assert Message.objects.get().error_code == 71011
    assert upstream.calls()["total"] == 0
    assert not LedgerEntry.objects.exists()


def warned() -> list[int]:
    rows = OutboxEntry.objects.filter(topic=budget_warnings.WARNED).order_by("pk")
    return [row.payload["percent"] for row in rows]


def test_it_warns_at_eighty_per_cent_and_at_a_hundred_once_each(number):
    limit(number, tokens=10_000)
    told = []
    for tokens in (7_999, 1, 1_000, 1_000):
        end(ask(number), prompt=tokens, completion=0)
        told.append(warned())
    assert told == [[], [80], [80], [80, 100]]


def test_a_warning_names_number_and_month(number):
    limit(number, tokens=1_000)
    end(ask(number), prompt=850, completion=0)
    month = timezone.now().replace(day=1).date().isoformat()
    [row] = OutboxEntry.objects.filter(topic=budget_warnings.WARNED)
    told = {name: row.payload[name] for name in ("number", "month", "percent")}
    assert told == {"number": number.pk, "month": month, "percent": 80}


def test_the_owner_reads_of_it_and_gets_a_mail(number):
    limit(number, tokens=1_000)
    for tokens in (850, 150):
        end(ask(number), prompt=tokens, completion=0)
    outbox.deliver()
    outbox.deliver_slowly()
    kinds = Notice.objects.order_by("at").values_list("kind", flat=True)
    assert list(kinds) == ["budget_80", "budget_100"]
    assert "four fifths" in mail.outbox[0].subject
    assert "/usage/" in mail.outbox[1].body


def test_a_question_that_is_too_long_for_the_rest_is_no_end_of_the_budget(number):
    limit(number, tokens=2_000)
    message = factories.message(number, "问" * 3_000)
    [plan] = budgets.plan_all([claims.claim(message.pk, "w")])
    assert (plan.standing, warned()) == (Standing.REFUSED, [])


def test_of_another_cap_of_persons_he_is_not_told_anew(number, alice):
    limit(number, tokens=1_000)
    end(ask(number), prompt=850, completion=0)
    budget_settings.save(number, {"tokens": 1_000, "person_asks": 5}, actor=alice)
    end(ask(number), prompt=10, completion=0)
    assert warned() == [80]


def test_of_a_raised_budget_he_is_told_anew(number, alice):
    limit(number, tokens=1_000)
    end(ask(number), prompt=1_000, completion=0)
    budget_settings.save(number, {"tokens": 2_000}, actor=alice)
    end(ask(number), prompt=700, completion=0)
    assert warned() == [100, 80]


def test_it_warns_where_a_question_was_refused_though_some_is_left(number):
    limit(number, tokens=10)
    ask(number)
    ask(number)
    assert warned() == [100]


def test_it_warns_of_money_too(number):
    Price.objects.create(number=number, model="echo", input=1 * MICRO, output=1 * MICRO)
    limit(number, micros=1_000)
    end(ask(number), prompt=800, completion=0)
    assert warned() == [80]


# One person's day ---------------------------------------------------------------------------------


def test_a_person_has_so_many_tokens_a_day(number):
    limit(number, person_tokens=PROMPT + 100)
    assert ask(number, "alice").standing is Standing.GRANTED
    assert ask(number, "alice").standing is Standing.WAITS
    assert ask(number, "bob").standing is Standing.GRANTED


def test_where_a_persons_tokens_are_used_up_his_question_is_refused(number):
    limit(number, person_tokens=PROMPT + 100)
    end(ask(number, "alice"), prompt=PROMPT, completion=100)
    with pytest.raises(QuotaUsedUp) as refusal:
        quotas.ask(factories.question(number))
    assert refusal.value.limit.whose is Whose.TOKENS
    assert 0 < refusal.value.retry_after <= 86_400


def test_a_persons_own_limit_does_not_warn_the_owner(number):
    limit(number, person_tokens=10)
    assert ask(number).standing is Standing.REFUSED
    assert warned() == []


def test_a_person_may_ask_as_often_a_day_as_the_owner_says(number):
    limit(number, person_asks=2)
    for _ in range(2):
        quotas.ask(factories.question(number, new_conversation=True))
    with pytest.raises(QuotaUsedUp) as refusal:
        quotas.ask(factories.question(number, new_conversation=True))
    assert (refusal.value.limit.whose, refusal.value.limit.at_most) == (Whose.PERSON, 2)
    quotas.ask(factories.question(number, open_id="bob"))


def test_the_owner_may_not_allow_more_than_the_platform(number, settings):
    settings.ASKS_PER_PERSON_AND_DAY = 1
    limit(number, person_asks=50)
    assert quotas.limit_of_person(number.pk, "alice").at_most == 1


def test_yesterdays_tokens_are_not_todays(number):
    limit(number, person_tokens=PROMPT + 100)
    end(ask(number, "alice"), prompt=PROMPT, completion=100)
    LedgerEntry.objects.update(at=timezone.now() - timedelta(days=1))
    assert quotas.limit_of_person(number.pk, "alice").whose is Whose.PERSON


def test_a_stopped_answer_gives_back_what_it_did_not_use(number):
    limit(number, tokens=PROMPT + 100)
    plan = ask(number)
    plan.message.tab.calls.append(Call(plan.keys[0][0].pk, "echo"))
    settlement.cancel(Message.objects.get())
    assert ask(number).standing is Standing.WAITS
    ledger.leave_all([plan.message])
    assert LedgerEntry.objects.get().tokens == PROMPT / 2
