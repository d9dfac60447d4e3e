"""Numbering the feed. The feed promise: each entry once, in order, however many write at once.

`seq` is taken as the last step of the settling transaction, from a counter row that stays locked
until the commit. So whoever sees an entry sees every entry with a smaller `seq`, too.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Max, Min, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from bots import entries
from bots.entries import Condition, Entry
from bots.models import FeedCounter, FeedEntry, Kind, Message, Person
from portal import statements

PAGE_AT_MOST = 200
# How far one filtered page looks back: a filter that matches nothing must not walk a whole feed.
WALK_AT_MOST = 10_000
# Entries are numbered in the order of their commits. Their times are taken a moment earlier, by
# the clocks of several machines: so far apart may two be whose times are the other way round.
OUT_OF_ORDER_AT_MOST = 1_000


def next_seq(number_id: int, count: int = 1) -> int:
    """The last of the next `count` numbers of this feed; call it inside a transaction, late."""
    [[last]] = statements.rows(_COUNT_ON, [number_id, count])
    return int(last)


# The row is locked to the commit, and made where there is none.
_COUNT_ON = """INSERT INTO bots_feedcounter (number_id, last) VALUES (%s, %s)
    ON CONFLICT (number_id) DO UPDATE SET last = bots_feedcounter.last + excluded.last
    RETURNING last"""
_APPEND = """INSERT INTO bots_feedentry
    (number_id, seq, kind, message_id, person_id, at, rating, comment)
    VALUES (%s, %s, 'answer', %s, %s, %s, '', '')"""


def append_answers(messages: Collection[Message], at: datetime) -> dict[str, int]:
    """Number these settled messages, each in the feed of its own number; `seq` by message."""
    by_number: dict[int, list[Message]] = defaultdict(list)
    for message in messages:
        by_number[message.number_id].append(message)
    numbered: dict[str, int] = {}
    for number_id, of_number in sorted(by_number.items()):
        first = next_seq(number_id, len(of_number)) - len(of_number) + 1
        numbered |= {message.pk: seq for seq, message in enumerate(of_number, start=first)}
    moment = statements.moment(at)
    statements.run_each(
        _APPEND,
        [
            [message.number_id, numbered[message.pk], message.pk, message.person_id, moment]
            for message in messages
        ],
    )
    return numbered


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

    def times(self) -> Q:
        bounds = {"at__gte": self.begin, "at__lt": self.end}
        return Q(**{name: moment for name, moment in bounds.items() if moment})

    def facts(self) -> dict[str, str]:
        """What the message has to say, for an answer to be shown."""
        wanted = {"status": self.status, "rating": self.rating}
        return {name: value for name, value in wanted.items() if value}


@dataclass(frozen=True)
class Page:
    """`next_cursor` is behind everything that was looked at, not only behind what is shown."""

    entries: list[Entry]
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
    """The entries after the cursor. Costs the page, not the feed: one index walk, no count.

    A filtered page may be short or even empty and have more: it has looked at its part of the feed.
    """
    if query.filters == Filters():
        after = [Condition("number_id = %s", query.number_id), Condition("seq > %s", query.cursor)]
        return _page(entries.first(after, query.limit + 1), query.limit, query.cursor)
    return _read_filtered(query)


def _page(found: list[Entry], limit: int, end: int, *, more: bool = False) -> Page:
    """`end` and `more` hold where there is no entry for a further page among those found."""
    if len(found) > limit:
        return Page(found[:limit], found[limit - 1].seq or 0, True)
    last = found[-1].seq or 0 if found else 0
    return Page(found, max(last, end), more)


def last_seq(number_id: int) -> int:
    counters = FeedCounter.objects.filter(pk=number_id)
    return counters.values_list("last", flat=True).first() or 0


def _read_filtered(query: Query) -> Page:
    last = last_seq(query.number_id)  # first: all up to it can be read by now
    whose = _whose(query)
    if whose is None:
        return Page([], query.cursor, False)
    start, end = _span(query, last)
    if start >= end:
        return Page([], start, False)
    stop = _stop(query, whose, start, end)
    found = entries.first(
        [
            whose,
            Condition("seq > %s", start),
            Condition("seq <= %s", stop),
            *_conditions(query.filters),
        ],
        query.limit + 1,
    )
    return _page(found, query.limit, stop, more=stop < end)


def _whose(query: Query) -> Condition | None:
    """The number's entries, or those of the one person; None where nobody has that name.

    Either has an index by `seq`. Of both together the planner might take the wrong one.
    """
    if not query.filters.open_id:
        return Condition("number_id = %s", query.number_id)
    people = Person.objects.filter(number=query.number_id, open_id=query.filters.open_id)
    person_id = people.values_list("pk", flat=True).first()
    return None if person_id is None else Condition("person_id = %s", person_id)


def _span(query: Query, last: int) -> tuple[int, int]:
    """Between which entries those of the wanted time are: behind the first, up to the second."""
    start, end = query.cursor, last
    rows = FeedEntry.objects.filter(number=query.number_id)
    if query.filters.begin:
        earliest = rows.filter(at__gte=query.filters.begin).order_by("at")
        lowest = earliest[:OUT_OF_ORDER_AT_MOST].aggregate(seq=Min("seq"))["seq"]
        start = max(start, last if lowest is None else lowest - 1)
    if query.filters.end:
        latest = rows.filter(at__lt=query.filters.end).order_by("-at")
        highest = latest[:OUT_OF_ORDER_AT_MOST].aggregate(seq=Max("seq"))["seq"]
        end = min(end, highest or 0)
    return start, end


def _stop(query: Query, whose: Condition, start: int, end: int) -> int:
    """How far to look: to the end, except where few or none of the entries may be wanted."""
    if not query.filters.facts():
        return end
    if not query.filters.open_id:
        return min(start + WALK_AT_MOST, end)
    own = FeedEntry.objects.filter(person=whose.value, seq__gt=start).order_by("seq")
    farthest = own.values_list("seq", flat=True)[WALK_AT_MOST - 1 : WALK_AT_MOST]
    return min([end, *farthest])


# Looked up entry by entry: no join that could begin with the messages.
_FACTS = {
    "status": "kind = 'answer' AND (SELECT status FROM bots_message WHERE id = message_id) = %s",
    "rating": "kind = 'answer' AND (SELECT rating FROM bots_message WHERE id = message_id) = %s",
}


def _conditions(filters: Filters) -> list[Condition]:
    conditions = []
    if filters.begin:
        conditions.append(Condition("at >= %s", filters.begin))
    if filters.end:
        conditions.append(Condition("at < %s", filters.end))
    for name, value in filters.facts().items():
        conditions.append(Condition(_FACTS[name], value))
    return conditions


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
    last = last_seq(wanted.number_id)
    view = None
    if wanted.after is not None:
        view = _look_up(rows, wanted, wanted.after, last)
    return view or _look_down(rows, wanted, last)


def _rows(wanted: Look) -> QuerySet[FeedEntry] | None:
    """What the filters let through; None where nobody has the name that they ask for.

    The message's facts are looked up row by row, by subqueries that PostgreSQL cannot turn into a
    join: a join it may begin at the wrong end, with every message of every number.
    """
    rows = FeedEntry.objects.filter(number=wanted.number_id).select_related(
        "message__blocked", "person"
    )
    if wanted.filters.open_id:
        people = Person.objects.filter(number=wanted.number_id, open_id=wanted.filters.open_id)
        person = people.first()
        if person is None:
            return None
        rows = rows.filter(person=person)
    for name, value in wanted.filters.facts().items():
        fact = Message.objects.filter(pk=OuterRef("message")).values(name)[:1]
        rows = rows.alias(**{f"message_{name}": Subquery(fact)})
        rows = rows.filter(kind=Kind.ANSWER, **{f"message_{name}": value})
    return rows.filter(wanted.filters.times())


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
