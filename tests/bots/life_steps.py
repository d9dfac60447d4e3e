"""The product, as its own callers call it; and what it has written, gone again."""

from django.conf import settings
from django.db import transaction

from bots import answering, budgets, chat, claims, erasing, faults, ledger, settlement, terms
from bots.line import Waiting
from bots.models import (
    ApiKey,
    Conversation,
    FeedCounter,
    FeedEntry,
    IdempotencyKey,
    LedgerDay,
    LedgerEntry,
    Message,
    Person,
    Status,
)
from bots.plans import Plan
from bots.provider import Endpoint, ProviderFault, Sampling
from portal import outbox
from portal.models import AuditEntry, Notice, OutboxEntry, ServiceNumber, State
from tests.bots.message_life import Attempt

WRITTEN = (FeedEntry, FeedCounter, IdempotencyKey, LedgerEntry, LedgerDay, Message, Conversation,
           Person, OutboxEntry, AuditEntry, Notice)  # fmt: skip
KEY = (ApiKey(pk="key_1"), Endpoint("https://x.example/v1", "sk-1", "echo"))
ANSWER_TOKENS = 40


def is_used_up(message: Message) -> bool:
    return message.tries > settings.ATTEMPTS_AT_MOST


def delay_after(message: Message, retry_after: float) -> float | None:
    fault = ProviderFault(faults.RATE_LIMITED, None, "", retry_after=retry_after)
    return answering.retry_delay(fault, message.tries)


def carry_out_consequences() -> None:
    outbox.deliver()


def tidy() -> None:
    chat.forget_idempotency_keys()
    erasing.finish_interrupted()


def stop(pk: str, error_code: int | None = None) -> bool:
    return settlement.cancel(Message.objects.get(pk=pk), error_code)


def take(kind: int, room: int) -> list[Waiting]:
    """What a sweeper takes of those that died so often; of all others, if that is 0."""
    return claims.take_suspects(kind, room) if kind else claims.take_overdue(room)


def reserve(messages: list[Message]) -> list[Plan]:
    """As the desk has it done for those that it has claimed."""
    sampling = Sampling(max_tokens=ANSWER_TOKENS)
    turns = [{"role": "user", "content": "a?"}]
    plans = [Plan(each, sampling, turns, [KEY]) for each in messages if not is_used_up(each)]
    found = terms.read({each.number_id for each in messages})
    with transaction.atomic():
        return list(budgets.reserve_all(plans, found).values())


def leave(ended: list[Attempt]) -> None:
    ledger.leave_all([one.message for one in ended])


def outcome(one: Attempt, fault: int | None) -> settlement.Outcome:
    if is_used_up(one.message):
        return settlement.failure(faults.ATTEMPTS_USED_UP)
    if one.is_refused:
        return settlement.failure(faults.BUDGET_USED_UP)
    return settlement.failure(fault) if fault else settlement.Outcome(Status.DONE, answer=one.text)


def forget_everything(numbers: list[ServiceNumber]) -> None:
    with transaction.atomic():
        for model in WRITTEN:
            model.objects.all()._raw_delete("default")
        ServiceNumber.objects.update(state=State.APPROVED)
