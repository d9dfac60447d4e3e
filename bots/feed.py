"""Numbering the feed. The feed promise: each entry once, in order, however many write at once.

`seq` is taken as the last step of the settling transaction, from a counter row that stays locked
until the commit. So whoever sees an entry sees every entry with a smaller `seq`, too.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from bots.models import FeedCounter, FeedEntry, Kind, Message, Person

PAGE_AT_MOST = 200
# How far one filtered page looks back: a filter that matches nothing must not walk a whole feed.
WALK_AT_MOST = 10_000


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


def append_rating(message: Message, rating: str, comment: str) -> FeedEntry:
    """Numbers the entry, too: call it inside the transaction of the rating, as its last step."""
    return FeedEntry.objects.create(
        number_id=message.number_id,
        seq=next_seq(message.number_id),
        kind=Kind.RATING,
        message=message,
        person_id=message.person_id,
        at=timezone.now(),
        rating=rating,
        comment=comment,
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


# For people: the newest first -------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """A place in the feed that somebody looks at: just before or just after a `seq`, or the top."""

    number_id: int
    before: int | None = None
    after: int | None = None
    limit: int = 20
    filters: Filters = field(default_factory=Filters)

    @property
    def is_filtered(self) -> bool:
        return self.filters != Filters()


@dataclass(frozen=True)
class View:
    """Entries, the newest first. `older` and `newer` are the `seq` to look from, if there is more.

    `is_partial` where a filtered look ended before its page was full and before the feed ended.
    """

    entries: list[FeedEntry]
    older: int | None = None
    newer: int | None = None
    is_partial: bool = False


def look(wanted: Look) -> View:
    """Like `read`, backwards, and bounded where filters could make it walk on and on."""
    rows = _rows(wanted)
    if rows is None:
        return View([])
    counters = FeedCounter.objects.filter(pk=wanted.number_id)
    last = counters.values_list("last", flat=True).first() or 0
    view = None
    if wanted.after is not None:
        view = _look_up(rows, wanted, wanted.after, last)
    return view or _look_down(rows, wanted, last)


def _rows(wanted: Look) -> QuerySet[FeedEntry] | None:
    """What the filters let through; None where nobody has the name that they ask for.

    The message's facts are looked up row by row, by subqueries that PostgreSQL cannot turn into a
    join: a join it may begin at the wrong end, with every message of every number.
    """
    rows = FeedEntry.objects.filter(number=wanted.number_id).select_related("message", "person")
    if wanted.filters.open_id:
        people = Person.objects.filter(number=wanted.number_id, open_id=wanted.filters.open_id)
        person = people.first()
        if person is None:
            return None
        rows = rows.filter(person=person)
    facts = {"status": wanted.filters.status, "rating": wanted.filters.rating}
    for name, value in facts.items():
        if value:
            fact = Message.objects.filter(pk=OuterRef("message")).values(name)[:1]
            rows = rows.alias(**{f"message_{name}": Subquery(fact)})
            rows = rows.filter(kind=Kind.ANSWER, **{f"message_{name}": value})
    return rows.filter(replace(wanted.filters, open_id="", status="", rating="").as_q())


def _look_up(rows: QuerySet[FeedEntry], wanted: Look, after: int, last: int) -> View | None:
    """The page above `after`; None where the feed's end is less than a page away."""
    ceiling = after + WALK_AT_MOST if wanted.is_filtered else last
    above = rows.filter(seq__gt=after, seq__lte=ceiling).order_by("seq")
    found = list(above[: wanted.limit + 1])
    entries = found[: wanted.limit][::-1]
    if len(found) > wanted.limit:
        return View(entries, older=entries[-1].seq, newer=entries[0].seq)
    if ceiling >= last:
        return None
    older = entries[-1].seq if entries else after + 1
    return View(entries, older=older, newer=ceiling, is_partial=True)


def _look_down(rows: QuerySet[FeedEntry], wanted: Look, last: int) -> View:
    top = last + 1
    if wanted.before is not None and wanted.after is None:
        top = min(wanted.before, top)
    floor = top - WALK_AT_MOST if wanted.is_filtered else 0
    below = rows.filter(seq__lt=top, seq__gte=floor).order_by("-seq")
    found = list(below[: wanted.limit + 1])
    entries = found[: wanted.limit]
    newer = max(entries[0].seq if entries else top - 1, 0) if top <= last else None
    if len(found) > wanted.limit:
        return View(entries, older=entries[-1].seq, newer=newer)
    if floor > 1:
        return View(entries, older=floor, newer=newer, is_partial=True)
    return View(entries, newer=newer)
