"""The desk of one worker process: who is next, who is being answered, what is to be settled.

Everything here runs on the worker's loop and is a matter of memory; what it does to the database
it does for many messages at a time. While one batch of claims (or of settlements) is written, the
next one gathers: alone, an answer waits for nobody, and under load a transaction is shared.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from bots import budgets, claims, ledger, settlement
from bots.line import Line, Waiting
from bots.models import Message
from bots.places import Places
from bots.plans import Plan
from bots.settlement import Outcome, Settled, Settling
from bots.suspects import Suspects

logger = structlog.get_logger(__name__)

BATCH = 64
# A number may hold so many times the places that are free after that: where some providers hang,
# there is room for the next number.
SHARE = 5
# Of a number whose keys are not known yet, or not any more.
FIRST_FEW = 8
NUMBERS_REMEMBERED = 10_000
ISOLATING_SECONDS = 1.0  # in which the database refuses what it will not take
LATER_SECONDS = 0.05  # the clock of the rows and that of the loop are not the same
# What planning may die of without spoiling the plans of the rest: the world, or its own bug.
WORLD = (DatabaseError, InterfaceError, OSError)
FAILURES = (*WORLD, AttributeError, LookupError, TypeError, ValueError)

InThread = Callable[..., Coroutine[Any, Any, Any]]
Attempt = Callable[[Message, Plan | None], Coroutine[Any, Any, None]]


class Desk:
    """`in_thread` does database work, `attempt` is how one claimed message is answered."""

    def __init__(self, name: str, in_thread: InThread, attempt: Attempt) -> None:
        self.name = name
        self.places = Places()
        self._in_thread = in_thread
        self._attempt = attempt
        self._line = Line()
        self._called_up: frozenset[str] = frozenset()
        self.suspects = Suspects(self._is_here)
        self._held: dict[str, tuple[int, asyncio.Task[None]]] = {}
        self._of_number: Counter[int | None] = Counter()
        self._lanes: dict[int | None, frozenset[str]] = {}
        self._called = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._unbegun: list[Message] = []
        self._ended: list[tuple[Settling, asyncio.Future[bool]]] = []
        self._has_ended = asyncio.Event()
        self._left: list[tuple[Message, asyncio.Future[None]]] = []
        self._leaving: asyncio.Task[None] | None = None
        self._is_open = True

    # Who is next --------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many more may be answered at once."""
        return max(0, settings.WORKER_CONCURRENCY - len(self._held)) if self._is_open else 0

    @property
    def wants(self) -> int:
        """How many more it makes sense to look for among those that are overdue: those that have to
        wait in line do not count.

        A few even where others are ready: what a dead worker has left must not wait for them.
        """
        wanted = self.room - self._line.ready(self._share)
        few = BATCH if self._is_open and len(self._line) else 0
        return wanted if wanted > 0 else few

    def tell(self, waiting: Iterable[Waiting]) -> None:
        """These may be claimed. What we still work on gets its lease back at the next renewal."""
        self._line.add(each for each in waiting if each.message_id not in self._held)
        self._called.set()

    def tell_overdue(self, overdue: Iterable[Waiting]) -> None:
        """These should have been claimed before all others of their numbers."""
        self._line.add_first([each for each in overdue if each.message_id not in self._held])
        self._called.set()

    def let_in(self, deaths: int, suspects: Iterable[Waiting]) -> None:
        """These may have killed their worker so many times.

        Whose number has no place free comes again later: in line he would keep the few places of
        his kind from all others.
        """
        ready = [each for each in suspects if self._share(each.number_id) > 0]
        self.suspects.add(deaths, ready)
        self.tell_overdue(ready)

    def tell_later(self, waiting: Waiting, seconds: float) -> None:
        """This may be claimed after so many seconds. Should we be gone by then, a sweeper knows."""
        asyncio.get_running_loop().call_later(seconds + LATER_SECONDS, self.tell, [waiting])

    def _is_here(self, message_id: str) -> bool:
        """It waits here, is being claimed or is being answered."""
        return any(message_id in those for those in (self._line, self._called_up, self._held))

    async def claim(self) -> None:
        """Claim what waits as long as there is room for it, for ever.

        What it dies of costs nothing but time: whatever was to be claimed, a sweeper finds.
        """
        while True:
            await self._called.wait()
            self._called.clear()
            while ids := self._line.take(min(self.room, BATCH), self._share):
                self._called_up = frozenset(ids)
                try:
                    async with self._claiming:
                        await self._claim(ids)
                finally:
                    self._called_up = frozenset()
                await asyncio.sleep(0)  # those that have begun take their places

    async def _claim(self, ids: list[str]) -> None:
        for message, plan in await self._in_thread(_claim_and_plan, ids, self.name):
            self._begin(message, plan)

    def _share(self, number_id: int | None) -> int:
        """How many more of the number may be claimed now."""
        if number_id is None:
            return self.room
        held = self._of_number[number_id]
        fair = (SHARE * self.room - held) // (SHARE + 1)
        if not held:
            fair = max(fair, 1)
        lanes = self._lanes.get(number_id)
        left = sum(map(self.places.left, lanes)) if lanes else FIRST_FEW
        return min(settings.ANSWERS_PER_NUMBER - held, fair, left)

    # Who is being answered ----------------------------------------------------------------------

    def _begin(self, message: Message, plan: Plan | None) -> None:
        if not self._is_open:
            self._unbegun.append(message)
            return
        if message.pk in self._held:  # we lost it and claimed it again before we knew
            self._held[message.pk][1].cancel()
        task = asyncio.create_task(self._attempt(message, plan))
        self._held[message.pk] = (message.attempt, task)
        self._of_number[message.number_id] += 1
        if plan and plan.keys:
            self._remember(message.number_id, frozenset(key.lane for key, _ in plan.keys))
        task.add_done_callback(lambda done: self._release(message, done))

    def _remember(self, number_id: int, lanes: frozenset[str]) -> None:
        if len(self._lanes) >= NUMBERS_REMEMBERED:
            self._lanes.clear()
        self._lanes[number_id] = lanes

    def _release(self, message: Message, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            logger.error("attempt_died", message=message.pk, exc_info=task.exception())
        if self._held.get(message.pk, (0, None))[1] is task:
            del self._held[message.pk]
            self.suspects.leave(message.pk)
        self._of_number[message.number_id] -= 1
        if not self._of_number[message.number_id]:
            del self._of_number[message.number_id]
        self._called.set()

    def attempts(self) -> dict[str, int]:
        """What is held, and by which attempt."""
        return {pk: attempt for pk, (attempt, _task) in self._held.items()}

    def lose(self, message_id: str, attempt: int) -> None:
        """The message is not ours any more: end the attempt."""
        held = self._held.get(message_id)
        if held and held[0] == attempt:
            logger.info("lease_lost", message=message_id, attempt=attempt)
            held[1].cancel()

    # What is to be settled ----------------------------------------------------------------------

    async def settle(self, message: Message, outcome: Outcome) -> bool:
        """Settle with whatever else has ended by now; False where it is not ours any more.

        Raises what the transaction died of; then nothing of it was written.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._ended.append((Settling(message, outcome), future))
        self._has_ended.set()
        return await future

    async def write(self) -> None:
        """Settle what has ended, for ever."""
        while True:
            await self._has_ended.wait()
            self._has_ended.clear()
            while batch := self._ended[:BATCH]:
                del self._ended[:BATCH]
                await self._write(batch)

    async def _write(self, batch: list[tuple[Settling, asyncio.Future[bool]]]) -> None:
        ended = [one for one, _future in batch]
        loop = asyncio.get_running_loop()
        began = loop.time()
        writing = asyncio.create_task(self._in_thread(settlement.settle_all, ended))
        await asyncio.wait([writing])
        error = writing.exception()
        # Whatever took long was the database; there it helps nobody to try one by one.
        if error and len(batch) > 1 and loop.time() - began < ISOLATING_SECONDS:
            for alone in batch:  # whatever one of them has, the others must not suffer from it
                await self._write([alone])
            return
        settled: Settled | None = None if error else writing.result()
        if settled:
            self.tell(settled.next_in_line)
        for one, future in batch:
            if future.done():
                continue  # whoever waited for it was cancelled
            if settled:
                future.set_result(one.message.pk in settled.ids)
            elif error:
                future.set_exception(error)

    async def leave(self, message: Message) -> None:
        """The attempt is not ours any more: charge what it has called for, with all others that
        are left just now. Raises what the transaction died of.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left.append((message, future))
        if self._leaving is None or self._leaving.done():
            self._leaving = asyncio.create_task(self._write_left())
        await future

    async def _write_left(self) -> None:
        while batch := self._left[:BATCH]:
            del self._left[:BATCH]
            messages = [message for message, _future in batch]
            writing = asyncio.create_task(self._in_thread(ledger.leave_all, messages))
            await asyncio.wait([writing])
            for _message, future in batch:
                if future.done():
                    continue  # whoever waited for it was cancelled
                if error := writing.exception():
                    future.set_exception(error)
                else:
                    future.set_result(None)

    # The end ------------------------------------------------------------------------------------

    async def close(self, grace: float) -> tuple[list[tuple[str, int]], list[Waiting]]:
        """Claim nothing more, and let the answers finish for a while (seconds).

        Returns what did not finish, begun or not, and what was never claimed: somebody else's now.
        Suspects in line are left to the sweepers, who know them for what they are.
        """
        self._is_open = False
        running = [task for _attempt, task in self._held.values()]
        if running:
            await asyncio.wait(running, timeout=grace)
        async with self._claiming:  # what is being claimed just now
            waiting = [one for one in self._line.empty() if one.message_id not in self.suspects]
            unbegun = [(message.pk, message.attempt) for message in self._unbegun]
            return [*self.attempts().items(), *unbegun], waiting

    async def leave_unbegun(self) -> None:
        """Charge nothing for what was claimed and never begun."""
        with_tab = [message for message in self._unbegun if message.tab]
        await asyncio.gather(*map(self.leave, with_tab), return_exceptions=True)


def _claim_and_plan(ids: list[str], worker: str) -> list[tuple[Message, Plan | None]]:
    """Without a plan, an attempt makes its own: so one that cannot be made is one message's."""
    messages = claims.claim_all(ids, worker)
    try:
        return [(plan.message, plan) for plan in budgets.plan_all(messages)]
    except FAILURES as error:
        logger.error("planning_failed", messages=len(messages), exc_info=error)
        return [(message, None) for message in messages]
