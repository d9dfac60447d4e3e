"""Trials: what a number that is not approved answers, to its owner and his own systems alone.

They ask under the openID `sandbox`, a name that is kept for trials there, or under the owner's own
name of the platform's; within a cap of the owner's, over all his numbers. Every door asks here.
"""

from dataclasses import dataclass

from django.conf import settings

from bots.chat import PLATFORM_PREFIX
from bots.models import Channel, Person
from bots.quotas import Limit, Whose
from portal.models import ServiceNumber

OPEN_ID = "sandbox"


class OnlyTrials(Exception):
    """The number is not approved: it answers nobody yet but its owner's trials."""


@dataclass(frozen=True)
class Terms:
    """How a question is asked: its channel, and the limits on top of those of every question."""

    channel: str
    limits: tuple[Limit, ...] = ()


def terms(number: ServiceNumber, open_id: str, channel: str) -> Terms:
    """How this person's question may be asked by this channel; raises OnlyTrials.

    A number that may not answer anybody (suspended, closed) is its door's to refuse.
    """
    if number.answers_people:
        return Terms(channel)
    if not _is_a_trial(number, open_id):
        raise OnlyTrials
    return Terms(Channel.SANDBOX, (limit_of(number),))


def limit_of(number: ServiceNumber) -> Limit:
    owner = f"{number.owner_id}"
    return Limit(Whose.OWNER, owner, settings.SANDBOX_ASKS_PER_OWNER_AND_DAY)


def _is_a_trial(number: ServiceNumber, open_id: str) -> bool:
    if not open_id.startswith(PLATFORM_PREFIX):
        return open_id == OPEN_ID
    owner = Person.objects.filter(number=number, open_id=open_id, user=number.owner_id)
    return owner.exists()
