"""What each upstream call costs: reserved before it is made, settled with its attempt, once.

A call's entry is written before the call, with the most that it may use (`bots.budgets`). Whatever
ends the attempt ends its entry, in the transaction in which its message is settled: with the
provider's own usage or, where it told none, with an estimate that is marked as one. Where somebody
else settles the message (a stop, a suspension), the worker that makes the call settles the entry as
soon as it hears of it. Where that worker is dead, the entry stays as it was reserved: `unknown`.

An attempt that has called nobody leaves no entry.

Locks entries, days, budgets: in this order and each in the order of their keys, so that two who
settle never wait for each other in a circle.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from bots import claims, months
from bots.models import EntryState, LedgerEntry, Message, Status
from bots.tabs import Figures, Tab
from portal import statements

# What is younger may still be settled by whoever made the call.
LEASES_TO_BE_LEFT = 3
LEFT_AT_ONCE = 500
BY_STATUS: dict[str, str] = {
    Status.DONE: EntryState.USED,
    Status.FAILED: EntryState.FAILED,
    Status.CANCELLED: EntryState.CANCELLED,
}


class Ended(NamedTuple):
    """An attempt that has ended; its calls, but for those that have failed, end as `state`."""

    message: Message
    state: str


def settle_all(ended: Iterable[Ended]) -> None:
    """End the entries of these attempts, those that are still open; inside a transaction."""
    with_tab = [(*each, each.message.tab) for each in ended if each.message.tab]
    if not with_tab:
        return
    entries = _lock_open([message.pk for message, _state, _tab in with_tab])
    written = _Written(timezone.now())
    for message, state, tab in with_tab:
        entry = entries.pop((message.pk, message.attempt), None)
        if entry is not None:
            written.end(entry, message, tab, state)
    written.save()


def leave_all(messages: Sequence[Message]) -> None:
    """These attempts are nobody's any more: what they have called for is charged all the same."""
    with transaction.atomic():
        settle_all(Ended(message, EntryState.CANCELLED) for message in messages)


def retry_later(message: Message, delay: float) -> bool:
    """`claims.retry_later`, and the end of what the attempt has called for."""
    with transaction.atomic():
        is_ours = claims.retry_later(message.pk, message.attempt, delay)
        if is_ours:
            settle_all([Ended(message, EntryState.FAILED)])
    return is_ours


# What dead workers have left ----------------------------------------------------------------------


def leave_behind(messages: Iterable[Message]) -> None:
    """Whoever made earlier attempts at these is not heard of any more."""
    attempts = {message.pk: message.attempt for message in messages if message.attempt > 1}
    if not attempts:
        return
    entries = _open().filter(message__in=attempts)
    _lose([each for each in _locked(entries) if each.attempt < attempts[str(each.message_id)]])


# With its state written out SQLite knows that the index of open entries has them all.
_LEFT = """SELECT id FROM bots_ledgerentry AS entry WHERE state = 'reserved' AND at < %s
    AND NOT EXISTS (SELECT 1 FROM bots_message AS m WHERE m.id = entry.message_id
        AND m.status = 'running' AND m.attempt = entry.attempt) LIMIT %s"""


def sweep() -> int:
    """End what nobody works on: its message has ended, or is another attempt's, for long enough."""
    long_ago = timezone.now() - timedelta(seconds=settings.LEASE_SECONDS * LEASES_TO_BE_LEFT)
    found = statements.rows(_LEFT, [statements.moment(long_ago), LEFT_AT_ONCE])
    if not found:
        return 0
    with transaction.atomic():
        return _lose(_locked(_open().filter(pk__in=[entry for [entry] in found])))


def _open() -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(state=EntryState.RESERVED)


def _locked(entries: QuerySet[LedgerEntry]) -> list[LedgerEntry]:
    return list(entries.order_by("pk").select_for_update(of=("self",), no_key=True))


def _lose(entries: list[LedgerEntry]) -> int:
    """Charge these, which are open and locked, as they were reserved."""
    days = Days()
    for each in entries:
        figures = Figures(each.prompt_tokens, each.completion_tokens, True)
        days.add(Day.of(each, each.at, each.model), EntryState.UNKNOWN, figures, each.cost)
    found = LedgerEntry.objects.filter(pk__in=[each.pk for each in entries])
    found.update(state=EntryState.UNKNOWN, settled_at=timezone.now())
    days.save()
    return len(entries)


# Writing ------------------------------------------------------------------------------------------

_OPEN = """SELECT id, message_id, attempt FROM bots_ledgerentry
    WHERE {these} AND state = 'reserved' ORDER BY id {lock}"""
_WHOSE = ["number_id", "message_id", "person_id", "attempt", "call", "channel", "at"]
_FACTS = ["api_key_id", "model", "state", "prompt_tokens", "completion_tokens", "is_estimated"]
_FACTS += ["input_price", "output_price", "cost", "settled_at"]
_INSERT_ROW = """INSERT INTO bots_ledgerentry ({columns}) VALUES ({values})
    ON CONFLICT (message_id, attempt, call) DO NOTHING"""
_UPDATE_ROW = "UPDATE bots_ledgerentry SET {facts} WHERE id = %s"
_DROP = "DELETE FROM bots_ledgerentry WHERE id = %s"


def _filled(statement: str, columns: Sequence[str]) -> str:
    """With these columns, a place for the value of each, and what gives each its value."""
    return statement.format(
        columns=", ".join(columns),
        values=", ".join(["%s"] * len(columns)),
        facts=", ".join(f"{name} = %s" for name in columns),
    )


_INSERT = _filled(_INSERT_ROW, [*_WHOSE, "reserved_tokens", *_FACTS])
_END = _filled(_UPDATE_ROW, _FACTS)


def _lock_open(message_ids: list[str]) -> dict[tuple[str, int], int]:
    """The open entries of these messages, by message and attempt."""
    these, values = statements.among("message_id", message_ids)
    found = statements.rows(_OPEN.format(these=these, lock=statements.locked()), values)
    return {(message, attempt): entry for entry, message, attempt in found}


class Opening(NamedTuple):
    """An attempt that is about to call, and the most that its prompt may be counted as."""

    message: Message
    tab: Tab
    key_id: str
    model: str
    prompt: int

    def row(self) -> list[Any]:
        most, rate = self.tab.most, self.tab.rate(self.model)
        figures = (self.prompt, most, True, *rate, rate.cost(self.prompt, most))
        facts = [self.key_id, self.model, EntryState.RESERVED, *figures, None]
        return [*_whose(self.message, self.tab, 1), self.prompt + most, *facts]


def open_all(openings: Sequence[Opening]) -> None:
    """Write the entries of the calls that these begin with."""
    if openings:
        statements.run_each(_INSERT, [opening.row() for opening in openings])


def _whose(message: Message, tab: Tab, call: int) -> list[Any]:
    place = [message.number_id, message.pk, message.person_id, message.attempt, call]
    return [*place, message.channel, statements.moment(tab.at)]


class _Written:
    """What one transaction has to write."""

    def __init__(self, now: datetime) -> None:
        self._now = statements.moment(now)
        self._ends: dict[int, list[Any]] = {}
        self._more: list[list[Any]] = []
        self._drops: list[list[Any]] = []
        self._days = Days()

    def end(self, entry: int, message: Message, tab: Tab, state: str) -> None:
        """The first call is the one that was reserved; each further one has failed over."""
        if not tab.calls:
            self._drops.append([entry])
        for number, call in enumerate(tab.calls, start=1):
            ended_as = EntryState.FAILED if call.fault else state
            figures, rate = tab.figures(call), tab.rate(call.model)
            cost = rate.cost(figures.prompt, figures.completion)
            self._days.add(Day.of(message, tab.at, call.model), ended_as, figures, cost)
            facts = [call.key_id, call.model, ended_as, *figures, *rate, cost, self._now]
            if number == 1:
                self._ends[entry] = [*facts, entry]
            else:
                self._more.append([*_whose(message, tab, number), 0, *facts])

    def save(self) -> None:
        ends = [row for _entry, row in sorted(self._ends.items())]
        for statement, rows in ((_END, ends), (_INSERT, self._more), (_DROP, self._drops)):
            if rows:
                statements.run_each(statement, rows)
        self._days.save()


# Days ---------------------------------------------------------------------------------------------

_OF = ["number_id", "day", "model", "channel"]
_CALLS = [EntryState.USED, EntryState.CANCELLED, EntryState.FAILED, EntryState.UNKNOWN]
_SUMS = [*_CALLS, "prompt_tokens", "completion_tokens", "estimated_tokens", "cost"]
_ADD_ROW = """INSERT INTO bots_ledgerday ({columns}) VALUES ({values})
    ON CONFLICT (number_id, day, model, channel) DO UPDATE SET """
# Whatever providers claim and owners price, a day's cost stays a number that can be added to: one
# that cannot would hold up whoever settles beside it.
DAYS_COST_AT_MOST = 10**17
_SUM = "bots_ledgerday.{name} + excluded.{name}"
_UP_TO = "CASE WHEN {sum} > {most} THEN {most} ELSE {sum} END"
_ADD = _filled(_ADD_ROW, [*_OF, *_SUMS]) + ", ".join(
    f"{name} = " + _UP_TO.format(sum=_SUM.format(name=name), most=DAYS_COST_AT_MOST)
    for name in _SUMS
)


class Day(NamedTuple):
    """A row of LedgerDay."""

    number_id: int
    day: date
    model: str
    channel: str

    @classmethod
    def of(cls, whose: Message | LedgerEntry, at: datetime, model: str) -> "Day":
        return cls(whose.number_id, months.day_of(at), model, whose.channel)


def _capped(count: int) -> int:
    return min(count, DAYS_COST_AT_MOST)


class Days:
    """What is to be added to the days."""

    def __init__(self) -> None:
        self._sums: dict[Day, list[int]] = {}

    def add(self, day: Day, state: str, figures: Figures, cost: int) -> None:
        sums = self._sums.setdefault(day, [0] * len(_SUMS))
        estimated = figures.tokens if figures.is_estimated else 0
        more = [int(state == each) for each in _CALLS]
        more += [figures.prompt, figures.completion, estimated, cost]
        for place, count in enumerate(more):
            sums[place] += count

    def save(self) -> None:
        rows = [
            [day.number_id, statements.day(day.day), day.model, day.channel, *map(_capped, sums)]
            for day, sums in sorted(self._sums.items())
        ]
        if rows:
            statements.run_each(_ADD, rows)
