"""The promise as a model: what may become of each message, and what must hold after every step."""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings

from bots import faults, months
from bots.models import (
    Budget,
    Conversation,
    EntryState,
    FeedCounter,
    FeedEntry,
    IdempotencyKey,
    Kind,
    LedgerDay,
    LedgerEntry,
    Message,
    Person,
    Status,
)
from bots.suspects import TOGETHER
from portal.models import ServiceNumber, State

UNSETTLED = (Status.QUEUED, Status.RUNNING)
SILENT = (State.SUSPENDED, State.CLOSED)
WITHHELD = (Status.CANCELLED, "", faults.WITHHELD)
TOKENS = ("prompt_tokens", "completion_tokens")
WAITS_AT_MOST = 61  # seconds until a message without a worker is wanted again


class Row(NamedTuple):
    """A message as the database has it."""

    pk: str
    number_id: int
    person_id: int
    conversation_id: str
    position: int
    status: str
    attempt: int
    claimed_by: str
    lease_until: datetime | None
    next_attempt_at: datetime | None
    due_at: datetime
    question: str
    answer: str | None
    error_code: int | None
    seq: int | None
    answered_at: datetime | None
    erased_at: datetime | None
    rating: str
    comment: str

    @property
    def is_settled(self) -> bool:
        return self.status not in UNSETTLED

    @property
    def ending(self) -> tuple[str, str | None, int | None]:
        return self.status, self.answer, self.error_code

    def is_held(self, attempt: int) -> bool:
        return self.status == Status.RUNNING and self.attempt == attempt

    def wanted_at(self) -> datetime:
        """The moment from which a sweeper must find it, once it is first in line."""
        moments = (self.due_at, self.lease_until, self.next_attempt_at)
        return max(moment for moment in moments if moment)


@dataclass(eq=False)
class Attempt:
    """What a worker knows of its claim, and what it has made of it."""

    message: Message
    worker: str
    lease: datetime
    said: list[str] = field(default_factory=list)
    is_over: bool = False  # the worker has let go of it; a write of it may still be under way
    is_dead: bool = False  # its worker was killed: nothing of it comes any more
    is_refused: bool = False  # its number has no budget left

    @property
    def pk(self) -> str:
        return self.message.pk

    @property
    def number(self) -> int:
        return self.message.attempt

    @property
    def text(self) -> str:
        return "".join(self.said)


@dataclass(frozen=True)
class May:
    """What one step may change: the moves, the messages (or whose), and how it may end them."""

    moves: Collection[str] = ()
    of: Collection[str] | None = None
    endings: Callable[[Row], Collection[tuple[str, str | None, int | None]]] = lambda _row: ()
    person: int | None = None


class Book:
    """What the database said after the last step, and what is known besides."""

    def __init__(self) -> None:
        self.is_stale = True
        self.rows: dict[str, Row] = {}
        self.states: dict[int, str] = {}
        self.people: dict[tuple[int, str], int] = {}
        self.conversations: dict[str, tuple[int, datetime | None, datetime | None]] = {}
        self.attempts: list[Attempt] = []
        self.upstream_calls: dict[str, int] = defaultdict(int)
        self.tries: dict[str, int] = defaultdict(int)
        self.keys: dict[tuple[int, str], tuple[str, tuple[Any, ...], datetime]] = {}

    def something_was_written(self) -> None:
        self.is_stale = True

    # What may be --------------------------------------------------------------------------------

    def unsettled(self) -> list[Row]:
        return [row for row in self.rows.values() if not row.is_settled]

    def to_empty(self) -> bool:
        erased = self.conversations.values()
        return any(erased_at and not emptied_at for _person, erased_at, emptied_at in erased)

    def is_first_in_line(self, row: Row) -> bool:
        return all(
            other.position >= row.position
            for other in self.unsettled()
            if other.conversation_id == row.conversation_id
        )

    def first_after(self, settled: Collection[str]) -> set[tuple[str, int]]:
        """The questions whose turn it is when these are settled."""
        lines = {self.rows[pk].conversation_id for pk in settled}
        left = [row for row in self.unsettled() if row.pk not in settled]
        left.sort(key=lambda row: row.position, reverse=True)
        first = {row.conversation_id: (row.pk, row.number_id) for row in left}
        return {first[line] for line in lines & first.keys()}

    def is_claimable(self, pk: str, now: datetime) -> bool:
        row = self.rows[pk]
        if row.is_settled or not self.is_first_in_line(row):
            return False
        if row.status == Status.RUNNING:
            return row.lease_until is None or row.lease_until < now
        return row.next_attempt_at is None or row.next_attempt_at <= now

    def claimable(self, now: datetime) -> list[str]:
        return [pk for pk in self.rows if self.is_claimable(pk, now)]

    def running(self) -> list[str]:
        return [row.pk for row in self.rows.values() if row.status == Status.RUNNING]

    def overdue(self, now: datetime, kind: int) -> set[str]:
        """What a sweeper must find among those whose workers died so often; 0: all others."""
        due = [row for row in self.unsettled() if row.due_at <= now and self.kind(row) == kind]
        return {row.pk for row in due if self.is_claimable(row.pk, now)}

    def kind(self, row: Row) -> int:
        deaths = self.tries[row.pk] if row.status == Status.RUNNING else 0
        return max((each for each in TOGETHER if each <= deaths), default=0)

    def is_mine(self, attempt: Attempt) -> bool:
        return self.rows[attempt.pk].is_held(attempt.number)

    def alive(self) -> list[Attempt]:
        """Those that their workers still work on, whether they know that they lost them or not."""
        return [one for one in self.attempts if not one.is_over]

    def held(self, worker: str, *, newest: bool = True) -> dict[str, Attempt]:
        """The newest (or oldest) attempt of each message that this worker still works on."""
        attempts = self.alive() if newest else self.alive()[::-1]
        return {one.pk: one for one in attempts if one.worker == worker}

    def silent(self, number_id: int) -> bool:
        return self.states[number_id] in SILENT

    def ending(self, row: Row, *ending: Any) -> list[Any]:
        return [WITHHELD if self.silent(row.number_id) else ending]

    def stopped(self, row: Row) -> list[Any]:
        """A stop keeps what the message's latest attempt has said, as far as Valkey has it."""
        if self.silent(row.number_id):
            return [WITHHELD]
        of_latest = [one for one in self.attempts if (one.pk, one.number) == (row.pk, row.attempt)]
        said = of_latest[0].said if of_latest else []
        bounds = range(len(said) + 1)
        texts = {"".join(said[start:end]) for start in bounds for end in bounds}
        return [(Status.CANCELLED, text, None) for text in texts]

    def pending(self, number_id: int, open_id: str) -> int:
        person = self.people.get((number_id, open_id))
        return sum(row.person_id == person for row in self.unsettled())

    def goes_on(self, conversation: str, number_id: int, open_id: str) -> bool:
        person, erased_at, _ = self.conversations[conversation]
        return self.people.get((number_id, open_id)) == person and erased_at is None

    def kept_key(self, number_id: int, key: str, now: datetime) -> tuple[str, Any] | None:
        """The message that this key names, and for what; None where it is free (again)."""
        if (number_id, key) not in self.keys:
            return None
        pk, asked, at = self.keys[number_id, key]
        if now >= at + timedelta(hours=24) or self.rows[pk].erased_at:
            return None
        return pk, asked

    # What is -------------------------------------------------------------------------------------

    def look(self, may: May, now: datetime) -> None:
        """Compare what was with what is, what may have changed, and what must hold."""
        if self.is_stale:
            self._read(may)
        self._check_workers(now)
        for row in self.unsettled():
            wait = (row.wanted_at() - now).total_seconds()
            assert wait <= WAITS_AT_MOST, f"nobody wants {row.pk} for {wait} s"

    def _read(self, may: May) -> None:
        self.is_stale = False
        before, hidden = self.rows, self._hidden()
        found = Message.objects.order_by("asked_at", "pk").values_list(*Row._fields)
        self.rows = {row[0]: Row(*row) for row in found}
        self.states = dict(ServiceNumber.objects.values_list("pk", "state"))
        people = Person.objects.values_list("number_id", "open_id", "pk")
        self.people = {(number, open_id): pk for number, open_id, pk in people}
        facts = ("person_id", "erased_at", "emptied_at")
        self.conversations = {
            pk: (person, erased, emptied)
            for pk, person, erased, emptied in Conversation.objects.values_list("pk", *facts)
        }
        assert before.keys() <= self.rows.keys(), "a message has gone"
        assert hidden <= self._hidden(), "something erased is back"
        for row in self.rows.values():
            self._compare(before.get(row.pk), row, may)
        self._check_feed({pk for pk, row in before.items() if row.is_settled})
        self._check_lines()
        self._check_words()
        self._check_ledger()

    def _hidden(self) -> set[str]:
        return {pk for pk, (_, erased_at, _) in self.conversations.items() if erased_at}

    def _compare(self, before: Row | None, row: Row, may: May) -> None:
        if row == before:
            return
        moves = _moves(before, row)
        assert moves <= set(may.moves), f"{row.pk} was {moves}, allowed is {may.moves}"
        assert may.of is None or row.pk in may.of, f"{row.pk} was {moves} instead of {may.of}"
        assert may.person in (None, row.person_id), f"{row.pk} is of somebody else"
        assert "emptied" not in moves or self.conversations[row.conversation_id][1]
        if "settled" in moves and "emptied" not in moves:
            assert row.ending in may.endings(row), f"{row.ending} not in {may.endings(row)}"
        if "settled" in moves and self.silent(row.number_id):
            assert (row.status, row.error_code) == (Status.CANCELLED, faults.WITHHELD)

    def _check_feed(self, settled_before: set[str]) -> None:
        entries = FeedEntry.objects.order_by("number", "seq")
        feeds = defaultdict(list)
        for number, seq, kind, message in entries.values_list(
            "number", "seq", "kind", "message_id"
        ):
            feeds[number].append((seq, kind, message))
        for number, feed in feeds.items():
            assert [seq for seq, *_ in feed] == list(range(1, len(feed) + 1)), "a gap in the feed"
            answers = {(message, seq) for seq, kind, message in feed if kind == Kind.ANSWER}
            assert len(answers) == len([1 for _, kind, _ in feed if kind == Kind.ANSWER])
            mine = [row for row in self.rows.values() if row.number_id == number]
            assert answers == {(row.pk, row.seq) for row in mine if row.is_settled}
            old = [row.seq or 0 for row in mine if row.pk in settled_before]
            new = [row.seq or 0 for row in mine if row.is_settled and row.pk not in settled_before]
            assert max(old, default=0) < min(new, default=len(feed) + 1), "not as they settled"
        assert all(feeds[row.number_id] for row in self.rows.values() if row.is_settled)
        counters = dict(FeedCounter.objects.values_list("number", "last"))
        assert {number: last for number, last in counters.items() if last} == {
            number: len(feed) for number, feed in feeds.items() if feed
        }

    def _check_workers(self, now: datetime) -> None:
        """Of those whose lease has not run out, as far as they know, one at most works on it."""
        valid = [one.pk for one in self.attempts if not one.is_over and one.lease >= now
                 and not self.rows[one.pk].is_settled]  # fmt: skip
        assert len(valid) == len(set(valid)), "two workers hold one message"
        for pk, calls in self.upstream_calls.items():
            assert calls <= settings.ATTEMPTS_AT_MOST, f"{pk} was tried {calls} times"

    def _check_lines(self) -> None:
        lines = defaultdict(list)
        for row in sorted(self.rows.values(), key=lambda row: row.position):
            lines[row.conversation_id].append(row.position)
            assert self.conversations[row.conversation_id][0] == row.person_id
            assert (row.seq is not None) == row.is_settled == (row.answered_at is not None)
            held = (row.claimed_by, row.lease_until, row.next_attempt_at)
            assert held == ("", None, None) or not row.is_settled
        for positions in lines.values():
            assert positions == list(range(1, len(positions) + 1))

    def _check_ledger(self) -> None:
        """The days add up to the entries; no budget was passed, nor any answer charged twice."""
        settled: dict[int, int] = defaultdict(int)
        charged: dict[tuple[int, Any], int] = defaultdict(int)
        used: dict[str, int] = defaultdict(int)
        facts = ("number_id", "message_id", "state", "at", *TOKENS)
        for number, message, state, at, *tokens in LedgerEntry.objects.values_list(*facts):
            settled[number] += sum(tokens) if state != EntryState.RESERVED else 0
            charged[number, months.month_of(at)] += sum(tokens)
            used[message] += state == EntryState.USED
        days: dict[int, int] = defaultdict(int)
        for number, *tokens in LedgerDay.objects.values_list("number_id", *TOKENS):
            days[number] += sum(tokens)
        assert days == {number: count for number, count in settled.items() if number in days}
        assert sum(days.values()) == sum(settled.values())
        limits = dict(Budget.objects.values_list("number_id", "tokens"))
        for (number, month), count in charged.items():
            assert count <= limits.get(number, count), f"{number} has spent {count} in {month}"
        for message, count in used.items():
            is_done = self.rows[message].status == Status.DONE
            assert count <= is_done, f"{message} is charged {count} times"

    def _check_words(self) -> None:
        named = set(IdempotencyKey.objects.values_list("message_id", flat=True))
        for row in self.rows.values():
            emptied = self.conversations[row.conversation_id][2]
            assert row.erased_at or not emptied, f"{row.pk} still says something"
            if row.erased_at:
                assert row.is_settled
                assert (row.question, row.answer, row.comment) == ("", None, "")
                assert row.pk not in named


def _moves(before: Row | None, row: Row) -> set[str]:  # noqa: PLR0911  (one for each)
    """The names of what has happened to the message in this step."""
    if before is None:
        assert (row.status, row.attempt, row.answer) == (Status.QUEUED, 0, None)
        return {"asked"}
    assert before[1:5] == row[1:5], "a message was moved"
    assert row.attempt >= before.attempt, "the attempts went back"
    if before.is_settled:
        return _afterwards(before, row)
    words = {"emptied"} if row.erased_at else set()
    if row.is_settled:
        assert row.attempt == before.attempt
        return {"settled"} | words
    if row.attempt != before.attempt:
        assert (row.status, row.attempt) == (Status.RUNNING, before.attempt + 1)
        return {"claimed"}
    if row.status != before.status:
        assert (row.status, row.claimed_by, row.lease_until) == (Status.QUEUED, "", None)
        return {"given back"}
    if row._replace(due_at=before.due_at) == before:
        return {"nudged"}
    assert row._replace(due_at=before.due_at, lease_until=before.lease_until) == before
    assert row.due_at == row.lease_until
    assert before.lease_until
    assert row.lease_until
    return {"renewed" if row.lease_until > before.lease_until else "lapsed"}


def _afterwards(before: Row, row: Row) -> set[str]:
    """A final state never changes: words may go, and a rating may come."""
    moves = set()
    if row.erased_at != before.erased_at:
        moves.add("emptied")
        row = row._replace(erased_at=before.erased_at, question=before.question)
        row = row._replace(answer=before.answer, comment=before.comment)
    if (row.rating, row.comment) != (before.rating, before.comment):
        moves.add("rated")
        row = row._replace(rating=before.rating, comment=before.comment)
    assert row == before, "a final state has changed"
    return moves
