"""What a change means for the robots and their owners: the handlers of portal's outbox."""

from typing import Any

from django.utils.dateparse import parse_datetime

from bots import budget_warnings, key_notices, keys, settlement
from bots.models import ApiKey, Message
from portal import moderation, notices, outbox
from portal.models import State

AT_ONCE = 100


def register() -> None:
    outbox.handle(moderation.STATE_CHANGED, withhold_answers)
    outbox.handle(moderation.STATE_CHANGED, forget_keys)
    outbox.handle(ApiKey.CHANGED, key_notices.tell)
    outbox.handle(budget_warnings.WARNED, budget_warnings.tell)
    notices.announce(key_notices.KINDS, key_notices.in_words)


def withhold_answers(payload: dict[str, Any]) -> None:
    """A suspended or closed number answers nobody: what was in flight is cancelled, 50002.

    Only what was asked before: a consequence may come late, when the number is back again.
    """
    if payload["state"] not in (State.SUSPENDED, State.CLOSED):
        return
    asked_before = Message.objects.filter(
        number=payload["number"], asked_at__lte=parse_datetime(payload["at"])
    )
    in_flight = asked_before.unsettled().order_by("pk")
    while settlement.withhold_all(list(in_flight[:AT_ONCE])):
        pass


def forget_keys(payload: dict[str, Any]) -> None:
    """Closed is closed for good: nothing is asked with its keys any more, so none is kept."""
    if payload["state"] == State.CLOSED:
        keys.remove_all(payload["number"])
