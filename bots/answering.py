"""One attempt at an answer: claim, pick a key, stream into the journal, settle."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError

from bots import claims, context, erasing, faults, settlement, vault
from bots.journal import Writer
from bots.models import ApiKey, KeyStatus, Message, Prompt, Robot, Status
from bots.provider import CutShort, Endpoint, ProviderFault, Sampling, Usage
from bots.settlement import Outcome
from bots.worker import Worker

logger = structlog.get_logger(__name__)

SETTLE_AGAIN_SECONDS = (0.2, 0.5, 1, 2, 4, 8, 15, 15, 15, 15, 15)
RETRY_BASE_SECONDS = 1.0
RETRY_SECONDS_AT_MOST = 60.0


@dataclass(frozen=True)
class Plan:
    """What an attempt needs from the database, read once before the first network call."""

    sampling: Sampling
    turns: list[dict[str, str]]
    keys: list[tuple[ApiKey, Endpoint]]


def make_plan(message: Message) -> Plan | None:
    """The prompt and the usable keys in the order to try them; None where there is no robot."""
    robot = Robot.objects.filter(number=message.number_id).first()
    if robot is None:
        return None
    keys = []
    for key in ApiKey.objects.usable().filter(number=message.number_id):
        try:
            base_url, clear = key.open()
        except vault.VaultError:
            logger.error("api_key_does_not_open", key=key.pk)
            continue
        keys.append((key, Endpoint(base_url=base_url, api_key=clear, model=robot.model)))
    return Plan(_sampling(robot, message), context.build(robot, message), keys)


def _sampling(robot: Robot, message: Message) -> Sampling:
    """The robot's, unless the caller chose: he may shorten the answer, not lengthen it."""
    given = Prompt.of(message)
    chosen = {"temperature": robot.temperature} | (given.params if given else {})
    limits = [chosen.get("max_tokens"), robot.answer_tokens]
    chosen["max_tokens"] = min((limit for limit in limits if limit is not None), default=None)
    return Sampling(**chosen)


async def answer(message_id: str, worker: Worker) -> None:
    """Answer the message if it is there to be claimed; otherwise do nothing."""
    if worker.is_stopping or worker.holds(message_id):
        return  # what we still work on gets its lease back at the next renewal
    message = await worker.database(claims.claim, message_id, worker.name)
    if message is None:
        return
    worker.hold(message.pk, message.attempt)
    try:
        outcome = await _outcome(message, worker)
        if outcome:
            await _settle(message, outcome, worker)
    except asyncio.CancelledError:
        logger.info("attempt_ended", message=message.pk, attempt=message.attempt)
        await _leave(message, worker)
    finally:
        worker.release(message.pk, message.attempt)


async def _leave(message: Message, worker: Worker) -> None:
    """The attempt is not ours any more. If it was erased, what we wrote since goes, too; should
    that not be known now, the journal's own end is near.
    """
    with suppress(OperationalError, InterfaceError):
        await worker.database(erasing.forget_if_erased, message)


async def _settle(message: Message, outcome: Outcome, worker: Worker) -> None:
    """Settle, however long the database is away: the answer is paid for already.

    Whoever claims the message meanwhile fences us off, so trying longer than the lease is safe.
    """
    for pause in SETTLE_AGAIN_SECONDS:
        try:
            settled = await worker.database(settlement.settle, message, outcome)
        except (OperationalError, InterfaceError) as error:
            logger.warning("settling_again", message=message.pk, error=repr(error), pause=pause)
            await asyncio.sleep(pause)
        else:
            if not settled:
                await _leave(message, worker)
            return
    logger.error("settling_given_up", message=message.pk, attempt=message.attempt)


async def _outcome(message: Message, worker: Worker) -> Outcome | None:
    """How this attempt ends; None where the message is queued again instead."""
    if message.attempt > settings.ATTEMPTS_AT_MOST:
        return settlement.failure(faults.ATTEMPTS_USED_UP)
    plan = await worker.database(make_plan, message)
    if plan is None or not plan.keys:
        return settlement.failure(faults.NO_USABLE_KEY)
    try:
        return await _try_keys(message, plan, worker)
    except ProviderFault as fault:
        logger.info("attempt_failed", message=message.pk, attempt=message.attempt, code=fault.code)
        delay = retry_delay(fault, message.attempt)
        if delay is None:
            return settlement.failure(fault.code)
        await worker.database(claims.retry_later, message.pk, message.attempt, delay)
        return None


def retry_delay(fault: ProviderFault, attempt: int) -> float | None:
    """Seconds until the next attempt, or None where the fault is final.

    A provider's `Retry-After` is honoured; where it asks for more patience than
    RETRY_SECONDS_AT_MOST, the answer fails at once instead of rotting in the queue.
    """
    patience = min(faults.FAULTS[fault.code].attempts, settings.ATTEMPTS_AT_MOST)
    if attempt >= patience:
        return None
    if fault.retry_after is not None:
        return fault.retry_after if fault.retry_after <= RETRY_SECONDS_AT_MOST else None
    doubled = RETRY_BASE_SECONDS * 2 ** (attempt - 1)
    return min(doubled, RETRY_SECONDS_AT_MOST) * random.uniform(0.75, 1.25)  # noqa: S311


async def _try_keys(message: Message, plan: Plan, worker: Worker) -> Outcome:
    """The first key that answers; before the first token the next one takes over."""
    last: ProviderFault | None = None
    for key, endpoint in plan.keys:
        journal = Writer(message.pk, message.attempt)
        try:
            outcome = await _stream(message, plan, (key, endpoint), journal, worker)
            if key.status != KeyStatus.VALID:
                await _keep_verdict(worker, key, KeyStatus.VALID, "answered")
            return outcome
        except ProviderFault as fault:
            if fault.key_status:
                await _keep_verdict(worker, key, fault.key_status, fault.evidence)
            if journal.text:
                raise
            last = fault
        finally:
            await journal.close()
    raise last or ProviderFault(faults.NO_USABLE_KEY, None, "no key")


async def _keep_verdict(worker: Worker, key: ApiKey, status: str, evidence: str) -> None:
    """A verdict is worth less than the answer: a database that is away does not spoil that."""
    try:
        await worker.database(key.take_verdict, status, evidence)
    except (OperationalError, InterfaceError) as error:
        logger.warning("verdict_not_kept", key=key.pk, status=status, error=repr(error))


async def _stream(
    message: Message,
    plan: Plan,
    chosen: tuple[ApiKey, Endpoint],
    journal: Writer,
    worker: Worker,
) -> Outcome:
    key, endpoint = chosen
    usage: Usage | None = None
    finish_reason = ""
    pieces = worker.provider.stream(
        endpoint, plan.turns, request_id=message.pk, sampling=plan.sampling
    )
    try:
        async for piece in pieces:
            if isinstance(piece, Usage):
                usage = piece
            elif isinstance(piece, CutShort):
                finish_reason = piece.reason
            else:
                journal.put(piece)
    finally:
        await pieces.aclose()
    return Outcome(
        Status.DONE,
        answer="".join(journal.text),
        model=endpoint.model,
        finish_reason=finish_reason,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        api_key=key,
    )
