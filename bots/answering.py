"""One attempt at an answer: pick a key, stream into the journal, settle."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext_noop

from bots import budgets, erasing, faults, ledger, safety, settlement
from bots.blocked import Finding
from bots.journal import Writer
from bots.line import Waiting
from bots.models import ApiKey, KeyStatus, Message, Place, Status
from bots.plans import Plan, Standing
from bots.provider import CutShort, Endpoint, ProviderFault, Thought, Usage
from bots.settlement import Outcome
from bots.tabs import Call
from bots.worker import Worker

logger = structlog.get_logger(__name__)

T = TypeVar("T")

AGAIN_SECONDS = (0.2, 0.5, 1, 2, 4, 8, 15, 15, 15, 15, 15)
RETRY_BASE_SECONDS = 1.0
RETRY_SECONDS_AT_MOST = 60.0
ANSWERED = gettext_noop("answered")  # evidence: kept in English, shown by bots.evidence


async def attempt(message: Message, plan: Plan | None, worker: Worker) -> None:
    """Answer the message, which the worker has claimed and holds."""
    try:
        outcome = await _outcome(message, plan, worker)
        if outcome:
            await _settle(message, outcome, worker)
    except asyncio.CancelledError:
        logger.info("attempt_ended", message=message.pk, attempt=message.attempt)
        await _leave(message, worker)


async def _leave(message: Message, worker: Worker) -> None:
    """The attempt is not ours any more, but what it has called for is charged. If it was erased,
    what we wrote since goes, too. Should the database be away, a sweeper ends what the ledger has
    open, and the journal's own end is near.
    """
    with suppress(OperationalError, InterfaceError):
        await worker.database(erasing.forget_if_erased, message)
    with suppress(OperationalError, InterfaceError):
        if message.tab:
            await worker.desk.leave(message)


async def _settle(message: Message, outcome: Outcome, worker: Worker) -> None:
    """Settle, though the database may be away for a minute: the answer is paid for already.

    Whoever claims the message meanwhile fences us off, so trying longer than the lease is safe.
    """
    if not await _persistently(lambda: worker.desk.settle(message, outcome), message):
        await _leave(message, worker)


async def _persistently(work: Callable[[], Awaitable[T]], message: Message) -> T:
    """The database's answer, for which this waits through an outage; raises what ends it."""
    for pause in AGAIN_SECONDS:
        try:
            return await work()
        except (OperationalError, InterfaceError) as error:
            logger.warning("attempt_waits", message=message.pk, error=repr(error), pause=pause)
            await asyncio.sleep(pause)
    return await work()


async def _outcome(message: Message, plan: Plan | None, worker: Worker) -> Outcome | None:
    """How this attempt ends; None where the message is queued again instead."""
    if message.tries > settings.ATTEMPTS_AT_MOST:
        return settlement.failure(faults.ATTEMPTS_USED_UP)
    planned = plan or await _plan(message, worker)
    if refusal := _refusal(planned):
        return refusal
    if planned.standing is Standing.WAITS:  # the message was queued again already
        waiting = Waiting(message.pk, message.number_id)
        worker.desk.tell_later(waiting, budgets.WAIT_SECONDS[1])
        return None
    try:
        return await _try_keys(planned, worker)
    except ProviderFault as fault:
        logger.info("attempt_failed", message=message.pk, attempt=message.attempt, code=fault.code)
        delay = retry_delay(fault, message.tries)
        if delay is None:
            return settlement.failure(fault.code)
        if await _queue_again(message, delay, worker):
            worker.desk.tell_later(Waiting(message.pk, message.number_id), delay)
        else:
            await _leave(message, worker)
        return None


def _refusal(plan: Plan) -> Outcome | None:
    """Why nobody is to be called, if so."""
    if plan.finding:
        return safety.outcome(settlement.failure(faults.BLOCKED), plan.finding)
    if not plan.keys:
        return settlement.failure(faults.NO_USABLE_KEY)
    if plan.standing is Standing.REFUSED:
        return settlement.failure(faults.BUDGET_USED_UP)
    return None


async def _queue_again(message: Message, delay: float, worker: Worker) -> bool:
    """Persistently: without this it would seem that the worker had died of the message."""
    return await _persistently(lambda: worker.database(ledger.retry_later, message, delay), message)


async def _plan(message: Message, worker: Worker) -> Plan:
    """For one that could not be planned with its batch; no try is lost to a database away."""
    [planned] = await _persistently(lambda: worker.database(budgets.plan_all, [message]), message)
    return planned


def retry_delay(fault: ProviderFault, tries: int) -> float | None:
    """Seconds until the next attempt, or None where the fault is final after so many tries.

    A provider's `Retry-After` is honoured; where it asks for more patience than
    RETRY_SECONDS_AT_MOST, the answer fails at once instead of rotting in the queue.
    """
    patience = min(faults.FAULTS[fault.code].attempts, settings.ATTEMPTS_AT_MOST)
    if tries >= patience:
        return None
    if fault.retry_after is not None:
        if fault.retry_after > RETRY_SECONDS_AT_MOST:
            return None
        # Not all at once: those who wait for the same key would be refused together again.
        return min(fault.retry_after * random.uniform(1, 1.25), RETRY_SECONDS_AT_MOST)  # noqa: S311
    doubled = RETRY_BASE_SECONDS * 2 ** (tries - 1)
    return min(doubled, RETRY_SECONDS_AT_MOST) * random.uniform(0.75, 1.25)  # noqa: S311


async def _try_keys(plan: Plan, worker: Worker) -> Outcome:
    """The first key that answers; before the first token the next one takes over."""
    met: list[ProviderFault] = []
    for key, endpoint in plan.keys:
        journal = Writer(plan.message.pk, plan.message.attempt)
        try:
            async with worker.desk.places.taken(key):
                if (wait := worker.keys_lately.seconds_to_wait(key)) > 0:
                    raise ProviderFault(faults.RATE_LIMITED, None, "not asked", wait)
                outcome = await _stream(plan, (key, endpoint), journal, worker)
            if _was_called(outcome) and worker.keys_lately.has_answered(key):
                await _keep_verdict(worker, key, KeyStatus.VALID, ANSWERED)
            return outcome
        except ProviderFault as fault:
            if fault.key_status:
                worker.keys_lately.has_failed(key, fault)
                seen = (fault.key_status, fault.evidence, fault.retry_after)
                await _keep_verdict(worker, key, *seen)
            if journal.text:
                raise
            met.append(fault)
        finally:
            await journal.close()
    raise _most_hopeful(met)


def _was_called(outcome: Outcome) -> bool:
    """Not where its provider's moderation kept the question from the model."""
    return outcome.finding is None or outcome.finding.place != Place.QUESTION


def _most_hopeful(met: list[ProviderFault]) -> ProviderFault:
    """Of what the keys met: the one that is worth the most tries, and then the soonest."""
    return min(met, key=lambda each: (-faults.FAULTS[each.code].attempts, each.retry_after or 0.0))


async def _keep_verdict(worker: Worker, key: ApiKey, *seen: Any) -> None:
    """A verdict is worth less than the answer: a database that is away does not spoil that."""
    try:
        await worker.database(key.take_verdict, *seen)
    except (OperationalError, InterfaceError) as error:
        logger.warning("verdict_not_kept", key=key.pk, status=seen[0], error=repr(error))


async def _stream(
    plan: Plan, chosen: tuple[ApiKey, Endpoint], journal: Writer, worker: Worker
) -> Outcome:
    key, endpoint = chosen
    call = Call(key.pk, endpoint.model)
    finish_reason = ""
    finding: Finding | None = None
    moderation = safety.Moderation(plan.guard, worker.provider, chosen)
    try:
        await moderation.see_question(plan.message.question)
        finish_reason = await _receive(
            plan, endpoint, call, safety.Gate(plan.guard, journal), worker
        )
        await moderation.see_answer("".join(journal.text))
    except safety.Blocked as blocked:
        finding = blocked.finding
    ended = Outcome(
        Status.DONE,
        answer="".join(journal.text),
        model=endpoint.model,
        finish_reason=finish_reason,
        prompt_tokens=call.usage.prompt_tokens if call.usage else None,
        completion_tokens=call.usage.completion_tokens if call.usage else None,
        api_key=key,
    )
    return safety.outcome(ended, finding)


async def _receive(
    plan: Plan, endpoint: Endpoint, call: Call, gate: safety.Gate, worker: Worker
) -> str:
    """The call, on the attempt's tab from here on; why the answer was cut short, if it was."""
    if plan.message.tab:
        plan.message.tab.calls.append(call)
    finish_reason = ""
    pieces = worker.provider.stream(
        endpoint, plan.turns, request_id=plan.message.pk, sampling=plan.sampling
    )
    try:
        async for piece in pieces:
            if isinstance(piece, Usage):
                call.usage = piece
            elif isinstance(piece, CutShort):
                finish_reason = piece.reason
            elif isinstance(piece, Thought):
                call.thought.append(piece.text)
            else:
                call.said.append(piece)
                gate.put(piece)
        gate.end()
    except ProviderFault as fault:
        call.fault = fault
        raise
    finally:
        await pieces.aclose()
    return finish_reason
