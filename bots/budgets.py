"""Budgets: what a number may spend in a month and one person in a day, hard however many ask.

Before a call its most is reserved: twice its prompt as it is estimated (no text is counted as so
much), and the longest answer that it may have, which the provider is told. Whoever reserves for a
number with limits has its budget's row for himself, and reads what is settled and what others have
reserved in one statement: so all that is ever called for fits. What does not fit beside the others
waits for them; at the end an answer is given the room that is left; then there are no more.

Only what a provider counts beyond what it was asked for can pass a limit: where it heeds no
`max_tokens`, or where several of a number's keys accept a call and never answer it.
"""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from bots import budget_warnings, claims, context, ledger, months, plans, terms
from bots.models import Message
from bots.plans import Plan, Standing
from bots.tabs import Rate, Tab
from bots.terms import Terms
from portal import statements

PROMPT_MARGIN = 2
LEAST_ANSWER = 64  # tokens; rather than a shorter answer, none
UNLIMITED = 2**31 - 1
WAIT_SECONDS = (1.0, 2.0)
WAITS_AT_MOST = 1_000
TOKEN = Rate(1, 1)


def plan_all(messages: Collection[Message]) -> list[Plan]:
    """A plan for each of these, with what it may spend reserved.

    One that waits has given its message back: it is not the attempt's any more.
    """
    made = plans.make_all(messages)
    may_call = [plan for plan in made if _may_call(plan)]
    if not may_call:
        return made
    found = terms.read({plan.message.number_id for plan in may_call})
    is_plain = not any(each.is_limited for each in found.values())
    is_plain = is_plain and all(plan.message.attempt == 1 for plan in may_call)
    # Mostly nothing but the entries is written: one statement, which needs no transaction.
    with statements.turn() if is_plain else transaction.atomic():
        reserved = reserve_all(may_call, found)
    return [reserved.get(plan.message.pk, plan) for plan in made]


def _may_call(plan: Plan) -> bool:
    is_blocked = plan.finding is not None
    return bool(plan.keys) and not is_blocked and plan.message.tries <= settings.ATTEMPTS_AT_MOST


def reserve_all(may_call: Sequence[Plan], found: dict[int, Terms]) -> dict[str, Plan]:
    """The plans as they may be carried out, by message; inside a transaction.

    Whoever had no limits when his terms were read has none here either.
    """
    ledger.leave_behind([plan.message for plan in may_call])
    _lock_limited([plan.message for plan in may_call if found[plan.message.number_id].is_limited])
    found = terms.locked(found)
    reserving = _Reserving()
    done = [reserving.reserve(plan, found[plan.message.number_id]) for plan in may_call]
    waiting = [each.message for each in done if each.standing is Standing.WAITS]
    if waiting:
        delay = random.uniform(*WAIT_SECONDS)  # noqa: S311
        claims.hand_back([(message.pk, message.attempt) for message in waiting], delay)
    ledger.open_all([_opening(plan, plan.message.tab) for plan in done if plan.message.tab])
    return {plan.message.pk: plan for plan in done}


_MESSAGES = "SELECT id FROM bots_message WHERE {these} ORDER BY id {lock}"


def _lock_limited(messages: Sequence[Message]) -> None:
    """Before their budgets, as whoever settles does: some may have to be handed back."""
    if messages:
        these, ids = statements.among("id", [message.pk for message in messages])
        statements.rows(_MESSAGES.format(these=these, lock=statements.locked()), ids)


def _opening(plan: Plan, tab: Tab) -> ledger.Opening:
    key, endpoint = plan.keys[0]
    return ledger.Opening(plan.message, tab, key.pk, endpoint.model, tab.prompt * PROMPT_MARGIN)


# What is left -------------------------------------------------------------------------------------


@dataclass
class _Spent:
    """What is settled of something, and what is reserved beyond that."""

    settled: int
    reserved: int


@dataclass(frozen=True)
class _Limit:
    """So much at most, and what a token takes of it."""

    at_most: int
    spent: _Spent
    rate: Rate
    is_months: bool

    def room(self, prompt: int, *, ever: bool) -> int:
        """The tokens that an answer may have beside what others have reserved, or `ever`, should
        they use nothing of it; less than none where not even the prompt has room.
        """
        left = self.at_most - self.spent.settled - prompt * self.rate.input
        left -= 0 if ever else self.spent.reserved
        if left < 0:
            return -1
        return left // self.rate.output if self.rate.output else UNLIMITED

    def is_spent(self) -> bool:
        """There is no room for a short question and a short answer, nor will there be."""
        return self.room(LEAST_ANSWER, ever=True) < LEAST_ANSWER

    def take(self, prompt: int, answer: int) -> None:
        self.spent.reserved += self.rate.cost(prompt, answer)


def decide(room: Callable[[bool], int], wanted: int, *, may_wait: bool) -> tuple[Standing, int]:
    """Whether an answer of so many tokens may be had, and else how long a one.

    `room` is what there is, now (False) and if nobody else used what he has reserved (True).
    """
    now, ever = room(False), room(True)
    least = min(wanted, LEAST_ANSWER)
    for enough in (wanted, least):
        if now >= enough:
            return Standing.GRANTED, min(now, wanted)
        if ever >= enough and may_wait:
            return Standing.WAITS, 0
    return Standing.REFUSED, 0


class _Reserving:
    """One transaction's reservations: what one takes, the next one has not."""

    def __init__(self) -> None:
        self._now = timezone.now()
        self._months: dict[int, tuple[_Spent, _Spent]] = {}
        self._days: dict[int, _Spent] = {}

    def reserve(self, plan: Plan, of_number: Terms) -> Plan:
        tab = Tab(
            at=self._now,
            prompt=context.size(plan.turns),
            most=plan.sampling.max_tokens or settings.BUDGETED_ANSWER_TOKENS,
            rates=of_number.rates,
            is_limited=of_number.is_limited,
            is_capped=of_number.is_limited or plan.sampling.max_tokens is not None,
        )
        if of_number.is_limited:
            standing = self._fit(plan, of_number, tab)
            if standing is not Standing.GRANTED:
                return replace(plan, standing=standing)
            plan = replace(plan, sampling=replace(plan.sampling, max_tokens=tab.most))
        plan.message.tab = tab
        return plan

    def _fit(self, plan: Plan, of_number: Terms, tab: Tab) -> Standing:
        """Take the room for the tab, which may have to be shorter."""
        limits = self._limits(plan, of_number)
        prompt = tab.prompt * PROMPT_MARGIN

        def room(ever: bool) -> int:
            return min(limit.room(prompt, ever=ever) for limit in limits)

        may_wait = plan.message.handed_back < WAITS_AT_MOST
        standing, tab.most = decide(room, tab.most, may_wait=may_wait)
        if standing is Standing.GRANTED:
            for limit in limits:
                limit.take(prompt, tab.most)
        elif any(limit.is_months and limit.is_spent() for limit in limits):
            month = months.month_of(self._now)
            budget_warnings.warn(plan.message.number_id, month, budget_warnings.SPENT)
        return standing

    def _limits(self, plan: Plan, of_number: Terms) -> list[_Limit]:
        limits = []
        if of_number.tokens is not None or of_number.cost is not None:
            tokens, cost = self._of_month(plan.message.number_id)
            if of_number.tokens is not None:
                limits.append(_Limit(of_number.tokens, tokens, TOKEN, True))
            if of_number.cost is not None:
                rate = of_number.dearest([endpoint.model for _key, endpoint in plan.keys])
                limits.append(_Limit(of_number.cost, cost, rate, True))
        if of_number.person_tokens is not None:
            spent = self._of_day(plan.message.person_id)
            limits.append(_Limit(of_number.person_tokens, spent, TOKEN, False))
        return limits

    def _of_month(self, number_id: int) -> tuple[_Spent, _Spent]:
        if number_id not in self._months:
            month = months.month_of(self._now)
            days = [statements.day(month), statements.day(months.next_month(month))]
            [found] = statements.rows(_MONTH, [number_id, *days, number_id])
            tokens, cost, tokens_reserved, cost_reserved = map(int, found)
            of_month = (_Spent(tokens, tokens_reserved), _Spent(cost, cost_reserved))
            self._months[number_id] = of_month
        return self._months[number_id]

    def _of_day(self, person_id: int) -> _Spent:
        if person_id not in self._days:
            begins = months.midnight(months.day_of(self._now))
            [found] = statements.rows(_DAY, [person_id, statements.moment(begins)])
            self._days[person_id] = _Spent(*map(int, found))
        return self._days[person_id]


# Each is one statement, so that what is settled meanwhile is in one of the two sums. What the last
# month has still reserved takes room of this one until it is settled: of both indexes SQLite would
# else take the wrong one, that of a number's whole month.
_MONTH = """SELECT * FROM
    (SELECT COALESCE(SUM(prompt_tokens + completion_tokens), 0), COALESCE(SUM(cost), 0)
        FROM bots_ledgerday WHERE number_id = %s AND day >= %s AND day < %s) AS settled,
    (SELECT COALESCE(SUM(prompt_tokens + completion_tokens), 0), COALESCE(SUM(cost), 0)
        FROM bots_ledgerentry WHERE number_id = %s AND state = 'reserved') AS reserved
"""
_DAY = """SELECT
    COALESCE(SUM(CASE state WHEN 'reserved' THEN 0 ELSE prompt_tokens + completion_tokens END), 0),
    COALESCE(SUM(CASE state WHEN 'reserved' THEN prompt_tokens + completion_tokens ELSE 0 END), 0)
    FROM bots_ledgerentry WHERE person_id = %s AND at >= %s"""
