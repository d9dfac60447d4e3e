"""Message life, in every order that hypothesis can think of: nothing accepted is lost.

The code and the database are the real ones; the clock, the journal and who comes next are the
test's. LIFE_RUNS names how many lives are tried (the default is few), LIFE_STEPS how long they are.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings as django_settings
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bots import chat, claims, erasing, faults, ledger, ratings, settlement
from bots.models import Budget, EntryState, LedgerEntry, Message, Person, Status
from bots.plans import Standing
from bots.suspects import TOGETHER
from bots.tabs import Call
from portal import moderation
from portal.models import ServiceNumber
from tests import factories
from tests.bots.in_turns import FOREVER, Clock, Journal, Procedure, frame
from tests.bots.life_steps import (
    carry_out_consequences,
    delay_after,
    forget_everything,
    is_used_up,
    leave,
    outcome,
    reserve,
    stop,
    take,
    tidy,
)
from tests.bots.message_life import WAITS_AT_MOST, WITHHELD, Attempt, Book, May, Row

RUNS = int(os.environ.get("LIFE_RUNS", "25"))
STEPS = int(os.environ.get("LIFE_STEPS", "40"))

PEOPLE = st.sampled_from(["alice", "bob"])
NUMBERS = st.sampled_from([0, 1])
WORKERS = st.sampled_from(["w1", "w2", "w3"])
KEYS = st.sampled_from(["", "", "k1", "k2"])
TEXTS = st.sampled_from(["a?", "b?"])
SECONDS = st.sampled_from([1, 6, 11, 21, 31, 61, 901, 86_401])
TURNS = st.sampled_from([FOREVER, FOREVER, 1, 2, 3, 5, 8])
DELAYS = st.sampled_from([0.5, 10, 60, 61])
FAULTS = st.sampled_from([faults.NO_USABLE_KEY, faults.CUT_OFF])
ANY = st.integers(0, 7)
ANEW = {"new_conversation": True}
BUDGET = 200  # a call reserves about 60
KINDS = st.sampled_from([0, *TOGETHER])


def where(true: Callable[["Life"], Any]) -> Any:
    """A rule for lives of which this is true: for others it would be a step without a change."""
    return precondition(true)


ALIVE = where(lambda life: life.book.alive())
UNSETTLED = where(lambda life: life.book.unsettled())


class Life(RuleBasedStateMachine):
    messages: Bundle[str] = Bundle("messages")
    attempts: Bundle[Attempt] = Bundle("attempts")

    def __init__(self, numbers: list[ServiceNumber]) -> None:
        super().__init__()
        self.numbers = numbers
        self.clock, self.journal, self.book = Clock(), Journal(), Book()
        self.may = May()
        self.dead: list[str] = []
        self.is_owed = False  # a suspension, what it means for what is in flight
        self.names = {name: name for name in ("w1", "w2", "w3", "last")}
        self.paused: list[tuple[Procedure, May]] = []
        self.orphans: set[str] = set()  # in whose journal a killed worker may have left words
        self.frame = frame(self.clock, self.journal, self.book.something_was_written)
        self.frame.__enter__()
        self.look()

    @invariant()
    def look(self) -> None:
        self.book.look(self.may, self.clock.at)
        self.may = May()
        self.clock.advance(0.001)

    def run(self, work: Callable[[], Any], turns: int, may: May) -> Any:
        """Run so many turns of it; what is left is for others to go on with, or to kill."""
        procedure = Procedure(work)
        self.may = may
        if procedure.go_on(turns):
            return procedure.result
        self.paused.append((procedure, may))
        return None

    # Asking --------------------------------------------------------------------------------------

    def _ask(self, of: int, **asked: Any) -> Any:
        number = self.numbers[of]
        question = factories.question(number, **asked)
        expected = self._expected(number.pk, asked)
        try:
            message = chat.ask(question)
        except (chat.TooManyPending, chat.IdempotencyConflict, chat.UnknownConversation) as error:
            assert type(error) is expected  # noqa: PT017
            return multiple()
        assert expected in ("new", message.pk)
        if expected != "new":
            return multiple()
        self.may = May({"asked"}, [message.pk])
        if question.idempotency_key:
            name = (number.pk, question.idempotency_key)
            self.book.keys[name] = (message.pk, _sorted(asked), self.clock.at)
        return message.pk

    def _expected(self, number_id: int, asked: dict[str, Any]) -> Any:
        key, conversation = asked["idempotency_key"], asked.get("conversation_id")
        kept = self.book.kept_key(number_id, key, self.clock.at) if key else None
        if kept:
            return kept[0] if kept[1] == _sorted(asked) else chat.IdempotencyConflict
        if conversation and not self.book.goes_on(conversation, number_id, asked["open_id"]):
            return chat.UnknownConversation
        if self.book.pending(number_id, asked["open_id"]) >= django_settings.PENDING_PER_PERSON:
            return chat.TooManyPending
        return "new"

    @initialize(
        target=messages, people=st.lists(st.tuples(NUMBERS, PEOPLE), min_size=1, max_size=4)
    )
    def begin(self, people: list[tuple[int, str]]) -> Any:
        """Hypothesis leaves out most of the rules in each life, and be it those that ask."""
        asked = []
        for of, who in people:
            asked.append(self._ask(of, open_id=who, text="a?", idempotency_key="", **ANEW))
            self.look()
        return multiple(*asked)

    @rule(target=messages, of=NUMBERS, who=PEOPLE, text=TEXTS, key=KEYS, anew=st.booleans())
    def ask(self, of: int, who: str, text: str, key: str, anew: bool) -> Any:
        return self._ask(of, open_id=who, text=text, idempotency_key=key, new_conversation=anew)

    @rule(target=messages, after=messages, who=PEOPLE, key=KEYS)
    def ask_in_the_same_conversation(self, after: str, who: str, key: str) -> Any:
        row = self.book.rows[after]
        of = [number.pk for number in self.numbers].index(row.number_id)
        return self._ask(
            of, open_id=who, text="c?", idempotency_key=key, conversation_id=row.conversation_id
        )

    # Workers -------------------------------------------------------------------------------------

    @rule(target=attempts, of=NUMBERS, who=PEOPLE, text=TEXTS, by=WORKERS)
    def ask_and_claim(self, of: int, who: str, text: str, by: str) -> Any:
        asked = self._ask(of, open_id=who, text=text, idempotency_key="", **ANEW)
        self.look()
        return self._claim([asked], by) if isinstance(asked, str) else multiple()

    @UNSETTLED
    @rule(
        target=attempts, wanted=st.lists(messages, min_size=1, max_size=3, unique=True), by=WORKERS
    )
    def claim(self, wanted: list[str], by: str) -> Any:
        return self._claim(wanted, by)

    @where(lambda life: life.book.claimable(life.clock.at))
    @rule(target=attempts, which=st.lists(ANY, min_size=1, max_size=3), by=WORKERS)
    def claim_what_is_free(self, which: list[int], by: str) -> Any:
        free = self.book.claimable(self.clock.at)
        return self._claim(sorted({free[one % len(free)] for one in which}), by)

    @where(lambda life: life.book.running())
    @rule(target=attempts, which=ANY, by=WORKERS)
    def claim_what_has_lapsed(self, which: int, by: str) -> Any:
        """Its worker was killed, or slept and lost it; it may itself be the one that claims now."""
        running = self.book.running()
        self.clock.advance(django_settings.LEASE_SECONDS + 1)
        return self._claim([running[which % len(running)]], by)

    def _claim(self, wanted: list[str], by: str) -> Any:
        free = [pk for pk in wanted if self.book.is_claimable(pk, self.clock.at)]
        claimed = claims.claim_all(wanted, self.names[by])
        assert {message.pk for message in claimed} == set(free)
        self.may = May({"claimed"}, free)
        begun = [self._begin(message, by) for message in claimed]
        self.look()
        return multiple(*self._reserve(begun))

    def _reserve(self, begun: list[Attempt]) -> list[Attempt]:
        """What waits for its budget is given back at once; what has one calls the provider."""
        attempts = {one.pk: one for one in begun}
        waiting = []
        for plan in reserve([one.message for one in begun]):
            attempt = attempts[plan.message.pk]
            attempt.is_refused = plan.standing is Standing.REFUSED
            if attempt.message.tab:
                attempt.message.tab.calls.append(Call("key_1", "echo", attempt.said))
            if plan.standing is Standing.WAITS:
                waiting.append(attempt)
        self.may = May({"given back"}, [one.pk for one in waiting])
        for one in waiting:
            one.is_over = True
            self._was_no_try(one)
        self.look()
        return begun

    def _was_no_try(self, attempt: Attempt) -> None:
        self.book.tries[attempt.pk] -= 1
        self.book.upstream_calls[attempt.pk] -= not is_used_up(attempt.message)

    def _begin(self, message: Message, by: str) -> Attempt:
        lease = self.clock.at + timedelta(seconds=django_settings.LEASE_SECONDS)
        attempt = Attempt(message, self.names[by], lease)
        assert message.attempt == self.book.rows[message.pk].attempt + 1
        assert message.claimed_by == attempt.worker
        self.book.attempts.append(attempt)
        self.book.tries[message.pk] += 1
        assert message.tries == self.book.tries[message.pk]
        self.book.upstream_calls[message.pk] += not is_used_up(message)
        return attempt

    def _of_those_alive(self, which: int) -> Attempt:
        alive = self.book.alive()
        return alive[which % len(alive)]

    @ALIVE
    @rule(which=ANY)
    def say(self, which: int) -> None:
        attempt = self._of_those_alive(which)
        if not is_used_up(attempt.message):
            attempt.said.append(f"{attempt.worker}#{attempt.number}.{len(attempt.said)} ")
            self.journal.say(attempt.pk, attempt.number, attempt.said[-1])

    @where(lambda life: life.book.attempts)
    @rule(ended=st.lists(attempts, min_size=1, max_size=3, unique=True), fault=st.none() | FAULTS)
    def settle(self, ended: list[Attempt], fault: int | None) -> None:
        """However late, and again where it is not known whether the first time was in vain."""
        self._settle([one for one in ended if not one.is_dead], fault)

    @ALIVE
    @rule(which=st.lists(ANY, min_size=1, max_size=3), fault=st.none() | FAULTS)
    def settle_what_runs(self, which: list[int], fault: int | None) -> None:
        ended = [self._of_those_alive(one) for one in which]
        self._settle(list(dict.fromkeys(ended)), fault)

    def _settle(self, ended: list[Attempt], fault: int | None = None) -> None:
        outcomes = {one: outcome(one, fault) for one in ended}
        mine = [one for one in ended if self.book.is_mine(one)]
        settled = settlement.settle_all(
            [settlement.Settling(one.message, outcome) for one, outcome in outcomes.items()]
        )
        assert settled.ids == {one.pk for one in mine}
        assert set(settled.next_in_line) == self.book.first_after(settled.ids)
        given = {one.pk: outcomes[one] for one in mine}

        def endings(row: Row) -> list[Any]:
            outcome = given[row.pk]
            return self.book.ending(row, outcome.status, outcome.answer, outcome.error_code)

        self.may = May({"settled"}, given, endings)
        self._let_go(ended)

    def _let_go(self, ended: list[Attempt]) -> None:
        """A worker whose write was fenced looks whether its words must go."""
        for one in ended:
            one.is_over = True
            if not self.book.is_mine(one):
                leave([one])
                erasing.forget_if_erased(one.message)

    @ALIVE
    @rule(which=ANY, delay=DELAYS)
    def retry(self, which: int, delay: float) -> None:
        attempt = self._of_those_alive(which)
        if is_used_up(attempt.message):
            return None
        wait = delay_after(attempt.message, delay)
        if wait is None:
            return self._settle([attempt], faults.RATE_LIMITED)
        mine = self.book.is_mine(attempt)
        assert ledger.retry_later(attempt.message, wait) is mine
        self.may = May({"given back"}, [attempt.pk] if mine else [])
        self._let_go([attempt])
        return None

    @ALIVE
    @rule(which=ANY, newest=st.booleans())
    def renew(self, which: int, newest: bool) -> None:
        """What it names may be older than what the worker has claimed meanwhile."""
        name = self._of_those_alive(which).worker
        held = self.book.held(name, newest=newest)
        lost = claims.renew(name, {pk: one.number for pk, one in held.items()})
        mine = {pk for pk, one in held.items() if self.book.is_mine(one)}
        ours = [pk for pk in held if self.book.rows[pk].claimed_by == name]
        self.may = May({"renewed"}, ours)
        assert lost == set(held) - mine
        for pk in mine:
            held[pk].lease = self.clock.at + timedelta(seconds=django_settings.LEASE_SECONDS)
        self._let_go([held[pk] for pk in lost])

    @ALIVE
    @rule(which=ANY)
    def hand_back(self, which: int) -> None:
        """The worker stops; another takes its place, under a name of its own."""
        name = self._of_those_alive(which).worker
        held = self.book.held(name)
        mine = [pk for pk, one in held.items() if self.book.is_mine(one)]
        leave(list(held.values()))
        given = claims.hand_back([(pk, one.number) for pk, one in held.items()])
        assert {pk for pk, _number in given} == set(mine)
        self.may = May({"given back"}, mine)
        for pk in mine:
            self._was_no_try(held[pk])
        self._let_go(list(held.values()))
        self._replace(name)

    @ALIVE
    @rule(which=ANY)
    def kill_worker(self, which: int) -> None:
        name = self._of_those_alive(which).worker
        for one in self.book.alive():
            if one.worker == name:
                one.is_over = one.is_dead = True
                self.orphans.add(one.pk)
        self.dead.append(name)
        self._replace(name)

    def _replace(self, name: str) -> None:
        self.names = {by: f"{own}'" if own == name else own for by, own in self.names.items()}

    @where(lambda life: life.dead)
    @rule(turns=TURNS)
    def end_leases_of_the_dead(self, turns: int) -> None:
        dead = list(self.dead)
        running = [row for row in self.book.rows.values() if row.status == Status.RUNNING]
        lapsed = [row.pk for row in running if row.lease_until and row.lease_until < self.clock.at]
        held = [row.pk for row in running if row.claimed_by in dead]
        may = May({"lapsed", "nudged"}, [*held, *lapsed])
        self.run(lambda: claims.end_leases(dead), turns, may)

    @UNSETTLED
    @rule(kind=KINDS, room=st.sampled_from([200, 1]), turns=TURNS, late=st.sampled_from([0, 21]))
    def sweep(self, kind: int, room: int, turns: int, late: int) -> None:
        self.clock.advance(late)
        due = self.book.overdue(self.clock.at, kind)
        found = self.run(lambda: take(kind, room), turns, May({"nudged"}))
        if turns == FOREVER:
            assert {pk for pk, _number in found} <= due
            assert len(found) == min(room, len(due))
            still_due = Message.objects.filter(due_at__lte=self.clock.at)
            assert not still_due.filter(pk__in=[pk for pk, _number in found]).exists()

    @where(lambda life: life.dead)
    @rule(turns=TURNS)
    def sweep_the_ledger(self, turns: int) -> None:
        self.run(ledger.sweep, turns, May())

    # Everybody else ------------------------------------------------------------------------------

    @UNSETTLED
    @rule(which=ANY, turns=TURNS)
    def cancel_what_is_unsettled(self, which: int, turns: int) -> None:
        unsettled = self.book.unsettled()
        self.cancel(unsettled[which % len(unsettled)].pk, turns, None)

    @rule(message=messages, turns=TURNS, code=st.sampled_from([None, None, faults.WITHHELD]))
    def cancel(self, message: str, turns: int, code: int | None) -> None:
        unsettled = not self.book.rows[message].is_settled
        withheld = May({"settled"}, [message], lambda _row: [WITHHELD])
        may = withheld if code else May({"settled"}, [message], self.book.stopped)
        stopped = self.run(lambda: stop(message, code), turns, may)
        assert turns != FOREVER or stopped is unsettled

    @where(lambda life: not life.silenced())
    @rule(of=NUMBERS)
    def suspend(self, of: int) -> None:
        moderation.move(self.numbers[of], moderation.SUSPEND, actor=None, reason="spam")
        self.is_owed = True

    @where(lambda life: life.silenced())
    @rule()
    def reinstate(self) -> None:
        moderation.move(self.silenced()[0], moderation.REINSTATE, actor=None)

    def silenced(self) -> list[ServiceNumber]:
        return [number for number in self.numbers if self.book.silent(number.pk)]

    @where(lambda life: life.is_owed)
    @rule(turns=TURNS)
    def carry_out(self, turns: int) -> None:
        """What a suspension means for what is in flight, now or later, once or again."""
        self.run(carry_out_consequences, turns, May({"settled"}, None, lambda _row: [WITHHELD]))
        self.is_owed = turns != FOREVER

    @where(lambda life: life.book.people)
    @rule(of=NUMBERS, who=PEOPLE, turns=TURNS)
    def erase(self, of: int, who: str, turns: int) -> None:
        person = Person.objects.filter(number=self.numbers[of], open_id=who).first()
        if person is None:
            return
        before = {pk for pk, row in self.book.rows.items() if row.person_id == person.pk}

        def erase_all() -> None:
            erasing.erase(person)
            left = Message.objects.filter(pk__in=before)
            assert not left.exclude(question="", answer=None, comment="").exists()

        # What was asked before the conversations were hidden is emptied with the others.
        may = May({"settled", "emptied"}, None, self._stopped_silently, person.pk)
        self.run(erase_all, turns, may)

    def _stopped_silently(self, row: Row) -> list[Any]:
        if not self.book.conversations[row.conversation_id][1]:
            return []
        return self.book.ending(row, Status.CANCELLED, "", None)

    @where(lambda life: life.book.keys or life.book.to_empty())
    @rule(turns=TURNS)
    def tidy(self, turns: int) -> None:
        """Goes on with what was erased before, or is erased meanwhile; and with that alone."""
        self.run(tidy, turns, May({"settled", "emptied"}, None, self._stopped_silently))

    @where(lambda life: len(life.book.unsettled()) < len(life.book.rows))
    @rule(message=messages, liked=st.booleans())
    def rate(self, message: str, liked: bool) -> None:
        row = Message.objects.get(pk=message)
        self.may = May({"rated"}, [message])
        with suppress(ratings.NotRateable):
            ratings.rate(row, "like" if liked else "dislike", "secret")

    # The world -----------------------------------------------------------------------------------

    @where(lambda life: life.paused)
    @rule(which=ANY, turns=TURNS)
    def go_on(self, which: int, turns: int) -> None:
        procedure, self.may = self.paused[which % len(self.paused)]
        if procedure.go_on(turns):
            self.paused.remove((procedure, self.may))

    @where(lambda life: life.paused)
    @rule(which=ANY)
    def kill_process(self, which: int) -> None:
        procedure, _may = self.paused.pop(which % len(self.paused))
        procedure.die()

    @UNSETTLED
    @rule(seconds=SECONDS)
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @where(lambda life: life.journal.said)
    @rule()
    def flush_valkey(self) -> None:
        self.journal.said.clear()

    # The end -------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Everything is killed; one worker and its sweeper must bring all to its end."""
        try:
            while self.paused:
                self.paused.pop()[0].die()
            if sys.exc_info()[0] is None:
                self._drain()
                self._write_late()
                self._close_the_ledger()
                self._finish_erasing()
        finally:
            self.frame.__exit__(None, None, None)
            forget_everything(self.numbers)

    def _drain(self) -> None:
        """In each round one at least is answered or refused: the others may wait for the budget."""
        for _sweep in range(len(self.book.rows) + 1):
            if not self.book.unsettled():
                return
            self.clock.advance(WAITS_AT_MOST + 1)
            ledger.sweep()  # what others are not heard of for must not keep the budget for ever
            self.may = May({"nudged"})
            found = [pk for kind in (0, *TOGETHER) for pk, _number in take(kind, 200)]
            self.look()
            self.may = May({"claimed"}, found)
            begun = [self._begin(message, "last") for message in claims.claim_all(found, "last")]
            self.look()
            self._settle([one for one in self._reserve(begun) if not one.is_over])
            self.look()
        assert not self.book.unsettled(), "something is stuck"

    def _write_late(self) -> None:
        """Whoever was only asleep wakes up now."""
        self._settle([one for one in self.book.attempts if not (one.is_over or one.is_dead)])
        self.look()

    def _close_the_ledger(self) -> None:
        """What dead workers have left is charged, too."""
        self.clock.advance(django_settings.LEASE_SECONDS * ledger.LEASES_TO_BE_LEFT + 1)
        ledger.sweep()
        assert not LedgerEntry.objects.filter(state=EntryState.RESERVED).exists()
        self.book.something_was_written()
        self.look()

    def _finish_erasing(self) -> None:
        self.tidy(FOREVER)
        self.look()
        for pk, (_, erased_at, emptied_at) in self.book.conversations.items():
            assert bool(erased_at) == bool(emptied_at), f"{pk} still says something"
        for pk in self.journal.said.keys() - self.orphans:
            assert not self.book.rows[pk].erased_at, f"the journal of {pk} still says something"


def _sorted(asked: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(asked.items()))


@pytest.fixture
def numbers(transactional_db: None, settings: Any) -> list[ServiceNumber]:
    settings.ATTEMPTS_AT_MOST, settings.PENDING_PER_PERSON = 3, 4
    limited, free = factories.number(), factories.number()
    Budget.objects.create(number=limited, tokens=BUDGET)
    return [limited, free]


def test_every_order_of_events_keeps_the_promise(numbers):
    run_state_machine_as_test(
        partial(Life, numbers),
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            derandomize=True,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )
