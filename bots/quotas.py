"""The day's quotas of asking: of a number, of a person, of guests at one address, of trials.

The number's owner may let one person have less, in questions and in tokens. Every door asks through
`ask` here; what a number says unasked has quotas of its own (`bots.news`). Days are those of UTC.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.utils import timezone

from bots import backlog, chat, months
from bots.models import Message
from portal import counters, statements


class Whose(StrEnum):
    """What a limit is counted for."""

    NUMBER = "number"
    PERSON = "person"
    GUEST = "guest"
    ADDRESS = "address"
    NEWS = "news"
    MESSAGES = "messages"
    OWNER = "owner"
    TOKENS = "tokens"


@dataclass(frozen=True)
class Limit:
    """So many a day of what `whose` and `name` name."""

    whose: Whose
    name: str
    at_most: int

    def key(self, day: int) -> str:
        return f"fw:asks:{day}:{self.whose}:{self.name}"

    def used(self) -> int:
        """How many of today's are used up; looking takes nothing."""
        return counters.peek(self.key(counters.today()))


@dataclass
class QuotaUsedUp(Exception):
    """A quota of the day is used up; it begins again in `retry_after` seconds."""

    retry_after: int
    limit: Limit


def ask(question: chat.Question, *narrower: Limit) -> Message:
    """`chat.ask` within the quotas: a repeated request takes nothing of them.

    `narrower` limits come on top of those of the number and of the person. Raises QuotaUsedUp,
    backlog.TooLong and whatever chat.ask raises; then nothing was taken.
    """
    earlier = chat.replayed(question)
    if earlier:
        return earlier
    number = question.number.pk
    backlog.refuse_if_too_long(number)
    limits = [limit_of_number(number), limit_of_person(number, question.open_id), *narrower]
    with reserved(limits) as reservation:
        message = chat.ask(question)
        reservation.kept = message.is_new
    return message


def limit_of_number(number_id: int) -> Limit:
    return Limit(Whose.NUMBER, f"{number_id}", settings.ASKS_PER_NUMBER_AND_DAY)


# Of the tokens only what is settled: what is asked now may have to wait, but it has its chance.
_CAPS = """SELECT person_asks, person_tokens,
    (SELECT COALESCE(SUM(prompt_tokens + completion_tokens), 0) FROM bots_ledgerentry
        WHERE person_id = (SELECT id FROM bots_person WHERE number_id = %s AND open_id = %s)
        AND at >= %s AND state <> 'reserved')
    FROM bots_budget WHERE number_id = %s
    AND (person_asks IS NOT NULL OR person_tokens IS NOT NULL)"""


def limit_of_person(number_id: int, open_id: str) -> Limit:
    """The platform's or the owner's, if that is lower; raises QuotaUsedUp where the person has
    used up the tokens of the day.
    """
    at_most = settings.ASKS_PER_PERSON_AND_DAY
    today = statements.moment(months.midnight(months.day_of(timezone.now())))
    for asks, tokens, used in statements.rows(_CAPS, [number_id, open_id, today, number_id]):
        if tokens is not None and used >= tokens:
            limit = Limit(Whose.TOKENS, open_id, tokens)
            raise QuotaUsedUp(counters.seconds_to_midnight(), limit)
        at_most = min(at_most, asks) if asks is not None else at_most
    return Limit(Whose.PERSON, f"{number_id}:{open_id}", at_most)


@dataclass
class Reservation:
    """One act's share of the quotas, given back unless it is kept."""

    keys: list[str]
    kept: bool = False


@contextmanager
def reserved(limits: list[Limit]) -> Iterator[Reservation]:
    """One of each limit, given back unless the caller keeps it; raises QuotaUsedUp."""
    day = counters.today()
    at_most = {limit.key(day): limit.at_most for limit in limits}
    used = counters.count_all(at_most, counters.DAY_SECONDS)
    if used < 0:
        raise QuotaUsedUp(counters.seconds_to_midnight(), limits[-used - 1])
    reservation = Reservation(list(at_most))
    try:
        yield reservation
    finally:
        if not reservation.kept:
            for key in reservation.keys:
                counters.give_back(key)
