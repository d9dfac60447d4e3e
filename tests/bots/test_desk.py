"""The desk: fair shares of the places, batches that isolate their one bad item, a tidy end."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from bots import claims, desk, plans, settlement
from bots.desk import FIRST_FEW, Desk, _claim_and_plan
from bots.line import Waiting
from bots.models import ApiKey, Message, Status
from bots.plans import Plan
from bots.provider import Endpoint, Sampling
from bots.settlement import Outcome, Settled, Settling
from bots.suspects import TOGETHER

pytestmark = pytest.mark.alike

DONE = Outcome(Status.DONE, answer="Fine.")
ENDPOINT = Endpoint(base_url="https://api.example.org", api_key="sk-1", model="echo")


class Office:
    """A desk whose database is a matter of lists, and whose attempts last until they are let go."""

    def __init__(self) -> None:
        self.desk = Desk("w1", self.in_thread, self.attempt)
        self.numbers: dict[str, int] = {}
        self.claims: list[list[str]] = []
        self.settled: list[list[str]] = []
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.let_go = asyncio.Event()
        self.may_claim = asyncio.Event()
        self.may_claim.set()
        self.troubles: list[Exception] = []
        self.bad: set[str] = set()

    def tell(self, number_id: int, ids: Iterable[str]) -> None:
        self.desk.tell(self.waiting(number_id, ids))

    def let_in(self, deaths: int, number_id: int, ids: Iterable[str]) -> None:
        self.desk.let_in(deaths, self.waiting(number_id, ids))

    def waiting(self, number_id: int, ids: Iterable[str]) -> list[Waiting]:
        waiting = [Waiting(pk, number_id) for pk in ids]
        self.numbers |= dict(waiting)
        return waiting

    async def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """What the desk has done to the database."""
        await asyncio.sleep(0)
        if function is settlement.settle_all:
            return self._settle(*args)
        return await self._claim(args[0])

    async def _claim(self, ids: list[str]) -> list[tuple[Message, Plan]]:
        self.claims.append(ids)
        await self.may_claim.wait()
        if self.troubles:
            raise self.troubles.pop()
        return [(each, plan(each)) for each in (message(pk, self.numbers[pk]) for pk in ids)]

    def _settle(self, ended: list[Settling]) -> Settled:
        ids = [one.pk for one, _outcome in ended]
        self.settled.append(ids)
        if self.bad & {*ids}:
            raise OperationalError("one of these")
        return Settled(frozenset(ids), [])

    async def attempt(self, claimed: Message, planned: Plan | None) -> None:
        self.begun.append(claimed.pk)
        try:
            async with self.desk.places.taken(planned.keys[0][0]):
                await self.let_go.wait()
        finally:
            self.ended.append(claimed.pk)


def message(pk: str, number_id: int, attempt: int = 1) -> Message:
    return Message(pk=pk, number_id=number_id, attempt=attempt, status=Status.RUNNING)


def plan(claimed: Message) -> Plan:
    """With one key, which is the number's own."""
    key = ApiKey(pk=f"key_{claimed.number_id}", number_id=claimed.number_id)
    return Plan(claimed, Sampling(), [], [(key, ENDPOINT)])


def run(scene: Callable[[Office], Awaitable[Any]]) -> Any:
    async def opened() -> Any:
        office = Office()
        loops = [asyncio.create_task(work()) for work in (office.desk.claim, office.desk.write)]
        try:
            return await scene(office)
        finally:
            running = [*loops, *(task for _attempt, task in office.desk._held.values())]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    return asyncio.run(asyncio.wait_for(opened(), 10))


async def a_while() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def ids(letter: str, count: int) -> list[str]:
    return [f"{letter}{index}" for index in range(count)]


@pytest.fixture(autouse=True)
def places(settings):
    settings.WORKER_CONCURRENCY, settings.ANSWERS_PER_NUMBER, settings.ANSWERS_PER_KEY = 60, 40, 40
    return settings


# Fair shares -------------------------------------------------------------------------------------


def test_no_number_holds_more_than_its_places():
    async def scene(office: Office) -> list[str]:
        office.tell(1, ids("a", 100))
        await a_while()
        return office.begun

    assert len(run(scene)) == 40


def test_a_number_waits_for_the_places_with_its_key_not_at_the_desk(places):
    places.ANSWERS_PER_KEY = 3

    async def scene(office: Office) -> int:
        office.tell(1, ids("a", 100))
        await a_while()
        return len(office.begun)

    assert run(scene) == FIRST_FEW  # claimed before its key was known; then no more


def test_beside_a_hanging_number_another_one_is_answered_at_once():
    async def scene(office: Office) -> list[str]:
        office.tell(1, ids("a", 100))
        await a_while()
        office.tell(2, ids("b", 1))
        await a_while()
        return office.begun[-1:]

    assert run(scene) == ["b0"]


def test_beside_two_hanging_numbers_there_is_room_for_a_third():
    async def scene(office: Office) -> list[str]:
        for number_id, letter in enumerate("ab"):
            office.tell(number_id, ids(letter, 100))
            await a_while()
        office.tell(9, ids("z", 1))
        await a_while()
        return office.begun[-1:]

    assert run(scene) == ["z0"]


def test_the_last_place_is_for_whoever_has_none(places):
    places.WORKER_CONCURRENCY = 1

    async def scene(office: Office) -> list[str]:
        office.tell(1, ids("a", 2))
        await a_while()
        return office.begun

    assert run(scene) == ["a0"]


def test_what_has_to_wait_in_line_does_not_keep_the_sweeper_from_others():
    async def scene(office: Office) -> int:
        office.tell(1, ids("a", 100))
        await a_while()
        assert len(office.desk._line) == 60
        return office.desk.wants

    assert run(scene) == 60 - 40


def test_a_few_that_are_overdue_are_looked_for_beside_those_that_are_ready():
    async def scene(office: Office) -> int:
        office.may_claim.clear()
        office.tell(None, ids("a", 100))
        return office.desk.wants

    assert run(scene) == desk.BATCH


def test_a_place_that_becomes_free_is_taken():
    async def scene(office: Office) -> int:
        office.tell(1, ids("a", 50))
        await a_while()
        office.let_go.set()
        await a_while()
        return len(office.ended)

    assert run(scene) == 50


# Claiming ----------------------------------------------------------------------------------------


def test_what_waits_is_claimed_together():
    async def scene(office: Office) -> list[int]:
        office.tell(1, ids("a", 5))
        office.tell(2, ids("b", 5))
        await a_while()
        return [len(batch) for batch in office.claims]

    assert run(scene) == [10]


def test_what_is_held_is_not_put_in_line_again():
    async def scene(office: Office) -> int:
        office.tell(1, ["a0"])
        await a_while()
        office.tell(1, ["a0"])
        return len(office.desk._line)

    assert run(scene) == 0


def test_a_claim_that_died_leaves_the_rest_in_line_for_the_next_word():
    async def scene(office: Office) -> list[str]:
        office.troubles = [OperationalError("away")]
        office.tell(1, ids("a", FIRST_FEW + 3))
        with pytest.raises(OperationalError):
            await office.desk.claim()
        again = asyncio.create_task(office.desk.claim())
        office.desk.tell([])  # as every sweep does
        await a_while()
        again.cancel()
        return office.begun

    assert len(run_alone(scene)) == 3


def run_alone(scene: Callable[[Office], Awaitable[Any]]) -> Any:
    """As `run`, of an office where nobody claims yet."""

    async def opened() -> Any:
        return await scene(Office())

    return asyncio.run(asyncio.wait_for(opened(), 10))


@pytest.mark.parametrize("trouble", [OperationalError("away"), InterfaceError("closed")])
def test_what_is_claimed_is_begun_though_planning_died(monkeypatch, trouble):
    def die(_messages):
        raise trouble

    claimed = message("a0", 1)
    monkeypatch.setattr(claims, "claim_all", lambda ids, worker: [claimed])
    monkeypatch.setattr(plans, "make_all", die)
    assert _claim_and_plan(["a0"], "w1") == [(claimed, None)]


def test_an_attempt_that_was_lost_ends_when_the_message_is_claimed_again():
    async def scene(office: Office) -> tuple[list[str], dict[str, int]]:
        again = message("a0", 1, attempt=2)
        office.tell(1, ["a0"])
        await a_while()
        office.desk._begin(again, plan(again))
        await a_while()
        return [*office.ended], office.desk.attempts()

    assert run(scene) == (["a0"], {"a0": 2})


def test_only_the_attempt_that_was_lost_is_ended():
    async def scene(office: Office) -> list[str]:
        office.tell(1, ["a0", "a1"])
        await a_while()
        office.desk.lose("a0", 1)
        office.desk.lose("a1", 7)
        await a_while()
        return [*office.ended]

    assert run(scene) == ["a0"]


# Settling ----------------------------------------------------------------------------------------


def settle_three(office: Office) -> Any:
    made = [message(pk, 1) for pk in ("a", "b", "c")]
    ends = [office.desk.settle(each, DONE) for each in made]
    return asyncio.gather(*ends, return_exceptions=True)


def test_what_has_ended_is_settled_together():
    async def scene(office: Office) -> Any:
        return await settle_three(office), office.settled

    assert run(scene) == ([True, True, True], [["a", "b", "c"]])


def test_one_that_cannot_be_settled_does_not_spoil_the_others():
    async def scene(office: Office) -> list[str]:
        office.bad = {"b"}
        return [type(end).__name__ for end in await settle_three(office)]

    assert run(scene) == ["bool", "OperationalError", "bool"]


def test_a_database_that_takes_long_to_fail_is_not_asked_for_each_of_them(monkeypatch):
    monkeypatch.setattr(desk, "ISOLATING_SECONDS", 0.0)

    async def scene(office: Office) -> Any:
        office.bad = {"b"}
        return [type(end).__name__ for end in await settle_three(office)], office.settled

    assert run(scene) == (["OperationalError"] * 3, [["a", "b", "c"]])


def test_whoever_was_ended_while_it_settled_spoils_nothing():
    async def scene(office: Office) -> bool:
        gone = asyncio.create_task(office.desk.settle(message("a", 1), DONE))
        await asyncio.sleep(0)
        gone.cancel()
        return await office.desk.settle(message("b", 1), DONE)

    assert run(scene) is True


# Suspects ----------------------------------------------------------------------------------------


def test_a_suspect_keeps_his_place_until_his_answer_has_ended():
    async def scene(office: Office) -> Any:
        office.let_in(2, 1, ["a0"])
        await a_while()
        room = [office.desk.suspects.room()[2]]
        office.let_go.set()
        await asyncio.wait_for(office.desk.suspects.has_room.wait(), 5)
        return [*room, office.desk.suspects.room()[2]]

    assert run(scene) == [TOGETHER[2] - 1, TOGETHER[2]]


def test_a_suspect_whose_claim_died_keeps_no_place():
    async def scene(office: Office) -> int:
        office.troubles = [OperationalError("away")]
        office.let_in(2, 1, ["a0"])
        with pytest.raises(OperationalError):
            await office.desk.claim()
        return office.desk.suspects.room()[2]

    assert run_alone(scene) == TOGETHER[2]


def test_a_suspect_whose_number_has_no_place_keeps_none_from_the_others():
    async def scene(office: Office) -> int:
        office.tell(1, ids("a", 41))
        await a_while()
        office.let_in(2, 1, ["b0"])
        return office.desk.suspects.room()[2]

    assert run(scene) == TOGETHER[2]


def test_at_the_end_suspects_in_line_are_nobodys_to_claim_at_once():
    async def scene(office: Office) -> list[Waiting]:
        office.let_in(2, 1, ["a0"])
        office.tell(1, ["a1"])
        _unfinished, waiting = await office.desk.close(0.01)
        return waiting

    assert run_alone(scene) == [Waiting("a1", 1)]


# The end -----------------------------------------------------------------------------------------


def test_the_end_hands_back_what_runs_and_what_waits():
    async def scene(office: Office) -> Any:
        office.tell(1, ids("a", 41))
        await a_while()
        unfinished, waiting = await office.desk.close(0.01)
        return len(unfinished), waiting

    assert run(scene) == (40, [Waiting("a40", 1)])


def test_the_end_hands_back_what_is_being_claimed_just_then():
    async def scene(office: Office) -> Any:
        office.may_claim.clear()
        office.tell(1, ["a0"])
        await a_while()
        closing = asyncio.create_task(office.desk.close(0.01))
        await a_while()
        office.may_claim.set()
        return await closing, office.begun

    assert run(scene) == (([("a0", 1)], []), [])


def test_after_the_end_nothing_is_claimed():
    async def scene(office: Office) -> tuple[int, list[list[str]]]:
        await office.desk.close(0.01)
        office.tell(1, ["a0"])
        await a_while()
        return office.desk.room, office.claims

    assert run(scene) == (0, [])


def test_the_end_waits_for_answers_that_come_in_time():
    async def scene(office: Office) -> Any:
        office.tell(1, ["a0"])
        await a_while()
        asyncio.get_running_loop().call_later(0.01, office.let_go.set)
        return await office.desk.close(5)

    assert run(scene) == ([], [])
