"""What a change in portal means for the robots: the handlers of portal's outbox."""

from typing import Any

from bots import faults, settlement
from bots.models import Message
from portal import moderation, outbox
from portal.models import State


def register() -> None:
    outbox.handle(moderation.STATE_CHANGED, withhold_answers)


def withhold_answers(payload: dict[str, Any]) -> None:
    """A suspended or closed number answers nobody: what is in flight is cancelled, 50002."""
    if payload["state"] not in (State.SUSPENDED, State.CLOSED):
        return
    for message in Message.objects.unsettled().filter(number=payload["number"]).iterator():
        settlement.cancel(message, faults.WITHHELD)
