"""What a worker process keeps running beside Celery's threads.

One asyncio loop carries every provider call of the process, hundreds of them at once; a task only
tells the loop's desk what waits, and ends. Database work goes to a small pool of threads, so 500
answers in flight need 8 connections. Beside the answers the loop runs three timers: renewing all
leases in one statement, sweeping what is overdue (in every worker, so that no single process is
needed for it), and the heartbeat.
"""

import asyncio
import os
import random
import secrets
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
import uvloop
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from bots import claims, keys, ledger, pool, presence, settlement, suspects
from bots.desk import Desk
from bots.line import Waiting
from bots.models import Message
from bots.plans import Plan
from bots.presence import Presence
from bots.provider import Provider
from portal import nudges, outbox, wakeups
from portal.models import WorkerHeartbeat

logger = structlog.get_logger(__name__)

T = TypeVar("T")

DATABASE_THREADS = 8
RESOLVER_THREADS = 32
HEARTBEAT_SECONDS = 3.0
GRACE_SECONDS = 8.0
LAST_WORD_SECONDS = 3.0


Attempt = Callable[[Message, Plan | None, "Worker"], Coroutine[Any, Any, None]]


class Worker:
    """The answering side of one worker process; `attempt` is how a claimed message is answered."""

    def __init__(self, attempt: Attempt) -> None:
        self.name = f"{socket.gethostname()[:80]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._loop = uvloop.new_event_loop()
        # The loop resolves names in its default executor: a slow name must not hold up the others.
        self._loop.set_default_executor(ThreadPoolExecutor(RESOLVER_THREADS))
        self._database = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="database")
        self._attempt = attempt
        self.keys_lately = pool.Lately()
        self._timers: list[asyncio.Task[None]] = []
        self._work: set[asyncio.Task[None]] = set()
        self._presence: Presence | None = None
        self._letting_in = asyncio.Lock()
        self.desk: Desk
        self.provider: Provider
        self._thread = threading.Thread(target=self._run, name="answering", daemon=True)

    # From Celery's threads ----------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()
        self._be_present()
        self.run(self._begin())
        logger.info("worker_started", worker=self.name)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine on the loop and wait for it; nothing else is held meanwhile."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def tell(self, waiting: Iterable[Waiting]) -> None:
        """These may be claimed; returns at once."""
        self._loop.call_soon_threadsafe(self.desk.tell, [*waiting])

    def begin(self, work: Callable[["Worker"], Coroutine[Any, Any, None]]) -> None:
        """Start the work on the loop and return at once."""
        self._loop.call_soon_threadsafe(self._begin_work, work)

    def stop(self) -> None:
        """Let answers finish for a while, hand back those that do not, and end the loop."""
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._database.shutdown(wait=False, cancel_futures=True)
        if self._presence:
            self._presence.end()
        logger.info("worker_stopped", worker=self.name)

    def _be_present(self) -> None:
        """Without it, what we leave by dying is taken up later, not less surely."""
        try:
            self._presence = Presence(self.name)
        except OSError as error:
            logger.warning("worker_not_present", worker=self.name, error=repr(error))

    # On the loop --------------------------------------------------------------------------------

    async def database(self, function: Callable[..., T], *args: Any) -> T:
        """Run database work in the small pool; its connection goes back when it is done."""

        def tidily() -> T:
            try:
                return function(*args)
            finally:
                close_old_connections()

        return await self._loop.run_in_executor(self._database, tidily)

    def _begin_work(self, work: Callable[["Worker"], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(work(self))
        self._work.add(task)
        task.add_done_callback(self._end_work)

    def _end_work(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("worker_task_failed", exc_info=error)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _begin(self) -> None:
        self.provider = Provider()
        self.desk = Desk(self.name, self.database, self._answer)
        await self._timed(self._beat)
        timers: list[Coroutine[Any, Any, None]] = [
            self._every(settings.LEASE_RENEWAL_SECONDS, self._renew),
            self._every(settings.SWEEP_SECONDS, self._sweep, jitter=0.3),
            self._every(HEARTBEAT_SECONDS, self._beat),
            self._watch_stops(),
            self._watch_suspects(),
            self._always(self.desk.claim),
            self._always(self.desk.write),
        ]
        self._loop.call_later(suspects.PROVEN_SECONDS, self.desk.suspects.prove)
        # Whoever starts may start in the place of one that died.
        timers.append(self._sweep())
        self._timers = [asyncio.create_task(timer) for timer in timers]

    async def _answer(self, message: Message, plan: Plan | None) -> None:
        await self._attempt(message, plan, self)

    async def _end(self) -> None:
        unfinished, waiting = await self.desk.close(GRACE_SECONDS)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        left.add(asyncio.create_task(self.desk.leave_unbegun()))
        # First of all they charge what they have called for: whoever claims it next would think
        # that nobody knows.
        await asyncio.wait(left, timeout=LAST_WORD_SECONDS)
        given_back = await self._timed(lambda: self.database(claims.hand_back, unfinished))
        await self._timed(lambda: self.database(self._forget_heartbeat))
        await self.provider.aclose()
        settlement.nudge_all([*waiting, *(given_back or [])])

    async def _every(
        self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]], jitter: float = 0.0
    ) -> None:
        while True:
            await asyncio.sleep(seconds * random.uniform(1 - jitter, 1 + jitter))  # noqa: S311
            await self._timed(work)

    async def _always(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Work that never ends by itself; whatever it dies of, it begins again."""
        while True:
            await self._timed(work)

    async def _timed(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        """Run one tick. Whatever it dies of, and be it a bug, the next one comes."""
        tick = asyncio.create_task(work())
        await asyncio.wait([tick])
        if tick.cancelled():
            return None
        error = tick.exception()
        if isinstance(error, DatabaseError | InterfaceError):
            logger.warning("worker_timer_failed", error=repr(error))
        elif error:
            logger.error("worker_timer_failed", exc_info=error)
        return None if error else tick.result()

    async def _renew(self) -> None:
        attempts = self.desk.attempts()
        if attempts:
            for pk in await self.database(claims.renew, self.name, attempts):
                self.desk.lose(pk, attempts[pk])

    async def _watch_stops(self) -> None:
        """A stop anywhere makes us look at once which of our answers are still wanted."""
        async with wakeups.hub().listening(settlement.STOPS_CHANNEL) as stopped:
            while True:
                await stopped.wait()
                stopped.clear()
                await self._timed(self._renew)

    async def _sweep(self) -> None:
        await self._timed(self._take_over)
        await self._timed(self._sweep_messages)
        await self._timed(self._sweep_suspects)
        await self._timed(self._sweep_keys)
        await self._timed(self._sweep_ledger)
        await self._timed(self._deliver_outbox)

    async def _take_over(self) -> None:
        """What died with other workers is not held for the rest of its leases."""
        if self._presence:  # otherwise nobody's can be read here
            await self.database(_end_leases_of_departed)

    async def _sweep_messages(self) -> None:
        """Take what is overdue, as far as there is room here: the rest is for other workers."""
        self.desk.tell([])  # what is in line is looked at, too, should claiming have died
        wanted = self.desk.wants
        while wanted > 0:
            limit = min(wanted, claims.SWEEP_BATCH)
            overdue = await self.database(claims.take_overdue, limit)
            if overdue:
                logger.info("swept", messages=len(overdue))
            self.desk.tell_overdue(overdue)
            if len(overdue) < limit:
                return
            wanted -= limit

    async def _sweep_suspects(self) -> None:
        """Those that may have killed their worker: few at a time, or one."""
        async with self._letting_in:  # or two of us would fill the same room
            for deaths, room in self.desk.suspects.room().items():
                wanted = min(self.desk.wants, room)
                if wanted > 0:
                    taken = await self.database(claims.take_suspects, deaths, wanted)
                    self.desk.let_in(deaths, taken)

    async def _watch_suspects(self) -> None:
        """Where one of them has gone, the next one comes at once, not with the next sweep."""
        while True:
            await self.desk.suspects.has_room.wait()
            self.desk.suspects.has_room.clear()
            await self._timed(self._sweep_suspects)

    async def _sweep_keys(self) -> None:
        for key_id in await self.database(keys.take_overdue_checks):
            nudges.nudge("bots.tasks.check_key", key_id)

    async def _sweep_ledger(self) -> None:
        if left := await self.database(ledger.sweep):
            logger.warning("calls_unknown", calls=left)

    async def _deliver_outbox(self) -> None:
        await self.database(outbox.deliver)

    async def _beat(self) -> None:
        await self.database(self._keep_heartbeat)

    def _keep_heartbeat(self) -> None:
        WorkerHeartbeat.objects.update_or_create(name=self.name, defaults={"at": timezone.now()})

    def _forget_heartbeat(self) -> None:
        WorkerHeartbeat.objects.filter(name=self.name).delete()


def _end_leases_of_departed() -> None:
    with presence.departed() as names:
        if names:
            left = claims.end_leases(names)
            WorkerHeartbeat.objects.filter(name__in=names).delete()
            logger.info("workers_departed", workers=names, messages=left)


class NoWorker(Exception):
    """This process does not answer (any more): leave the work to the sweepers."""


class _Current:
    worker: Worker | None = None


def start_current(attempt: Attempt) -> None:
    """Begin answering in this process."""
    _Current.worker = Worker(attempt)
    _Current.worker.start()


def current() -> Worker:
    """This process's worker; raises NoWorker before its start and after its stop."""
    if _Current.worker is None:
        raise NoWorker
    return _Current.worker


def stop_current() -> None:
    worker, _Current.worker = _Current.worker, None
    if worker:
        worker.stop()
