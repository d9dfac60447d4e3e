"""Numbering the feed. The feed promise: each entry once, in order, however many write at once.

`seq` is taken as the last step of the settling transaction, from a counter row that stays locked
until the commit. So whoever sees an entry sees every entry with a smaller `seq`, too.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F, Q

from bots.models import FeedCounter, FeedEntry, Kind, Message

PAGE_AT_MOST = 200


def next_seq(number_id: int) -> int:
    """The next number of this feed; call it inside a transaction, as late as possible."""
    if not FeedCounter.objects.filter(pk=number_id).update(last=F("last") + 1):
        FeedCounter.objects.bulk_create([FeedCounter(pk=number_id)], ignore_conflicts=True)
        FeedCounter.objects.filter(pk=number_id).update(last=F("last") + 1)
    return FeedCounter.objects.values_list("last", flat=True).get(pk=number_id)


def append_answer(message: Message, seq: int, at: datetime) -> FeedEntry:
    return FeedEntry.objects.create(
        number_id=message.number_id,
        seq=seq,
        kind=Kind.ANSWER,
        message=message,
        person_id=message.person_id,
        at=at,
    )


@dataclass(frozen=True)
class Filters:
    """What a reader wants to see; `status` and `rating` speak of answers only."""

    begin: datetime | None = None
    end: datetime | None = None
    status: str = ""
    rating: str = ""
    open_id: str = ""

    def as_q(self) -> Q:
        wanted: dict[str, Any] = {
            "at__gte": self.begin,
            "at__lt": self.end,
            "person__open_id": self.open_id,
        }
        narrow = Q(**{name: value for name, value in wanted.items() if value})
        if self.status:
            narrow &= Q(kind=Kind.ANSWER, message__status=self.status)
        if self.rating:
            narrow &= Q(kind=Kind.ANSWER, message__rating=self.rating)
        return narrow


@dataclass(frozen=True)
class Page:
    entries: list[FeedEntry]
    next_cursor: int
    has_more: bool


@dataclass(frozen=True)
class Query:
    """A place in a number's feed and what to show from there; `limit` 1 to 200 entries."""

    number_id: int
    cursor: int = 0
    limit: int = 20
    filters: Filters = field(default_factory=Filters)


def read(query: Query) -> Page:
    """The entries after the cursor. Costs the page, not the feed: one index walk, no count."""
    after = FeedEntry.objects.filter(
        query.filters.as_q(), number=query.number_id, seq__gt=query.cursor
    )
    found = list(
        after.order_by("seq").select_related("message", "message__person")[: query.limit + 1]
    )
    entries = found[: query.limit]
    last = entries[-1].seq if entries else query.cursor
    return Page(entries, last, len(found) > query.limit)
