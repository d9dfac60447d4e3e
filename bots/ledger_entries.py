"""Reading the ledger's entries: a page at a time, the newest first, or a month as a CSV file.

A page costs a page: it walks the index of number and time from where the reader is.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.db.models import QuerySet

from bots import money, months
from bots.models import LedgerEntry
from portal.models import ServiceNumber

PAGE = 25
CHUNK = 1_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would reckon out
COLUMNS = (
    "at",
    "state",
    "model",
    "channel",
    "api_key",
    "message",
    "attempt",
    "call",
    "prompt_tokens",
    "completion_tokens",
    "estimated",
    "input_price_per_million",
    "output_price_per_million",
    "cost",
    "currency",
)


@dataclass(frozen=True)
class View:
    """Entries, the newest first; `older` and `newer` are those to look from, if there is more."""

    entries: list[LedgerEntry]
    older: int | None = None
    newer: int | None = None


@dataclass(frozen=True)
class Month:
    """The entries of a number's month. Each look names two bounds of the time and no more: of
    three, a database may walk from the wrong one.
    """

    number: ServiceNumber
    first_day: date

    def all(self) -> QuerySet[LedgerEntry]:
        """The newest first, as from `below`."""
        return self._between(at__gte=self._begins, at__lt=self._ends).order_by("-at", "-pk")

    def below(self, place: LedgerEntry) -> QuerySet[LedgerEntry]:
        older = self._between(at__gte=self._begins, at__lte=place.at)
        return older.exclude(at=place.at, pk__gte=place.pk).order_by("-at", "-pk")

    def above(self, place: LedgerEntry) -> QuerySet[LedgerEntry]:
        """The oldest first."""
        newer = self._between(at__gte=place.at, at__lt=self._ends)
        return newer.exclude(at=place.at, pk__lte=place.pk).order_by("at", "pk")

    def place(self, entry_id: int | None) -> LedgerEntry | None:
        """The entry; None for one of another number or month."""
        if entry_id is None:
            return None
        found = LedgerEntry.objects.filter(number=self.number, pk=entry_id).first()
        return found if found and self._begins <= found.at < self._ends else None

    @property
    def _begins(self) -> datetime:
        return months.midnight(self.first_day)

    @property
    def _ends(self) -> datetime:
        return months.midnight(months.next_month(self.first_day))

    def _between(self, **bounds: datetime) -> QuerySet[LedgerEntry]:
        return LedgerEntry.objects.filter(number=self.number, **bounds).select_related("api_key")


def look(month: Month, before: int | None, after: int | None) -> View:
    """The page below or above an entry, by its id; the top where there is no such entry."""
    if upper := month.place(after):
        found = list(month.above(upper)[: PAGE + 1])
        if len(found) > PAGE:
            page = found[:PAGE][::-1]
            return View(page, older=page[-1].pk, newer=page[0].pk)
    lower = None if upper else month.place(before)
    found = list((month.below(lower) if lower else month.all())[: PAGE + 1])
    page = found[:PAGE]
    older = page[-1].pk if len(found) > PAGE else None
    return View(page, older=older, newer=page[0].pk if lower and page else None)


# As a file ----------------------------------------------------------------------------------------


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


def lines(month: Month, currency: str) -> Iterator[str]:
    """A CSV file, the newest entry first, read in chunks: no query stays open."""
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow(COLUMNS)
    chunk = list(month.all()[:CHUNK])
    while chunk:
        for each in chunk:
            yield writer.writerow([_safe(cell) for cell in _row(each, currency)])
        chunk = list(month.below(chunk[-1])[:CHUNK])


def _row(entry: LedgerEntry, currency: str) -> list[Any]:
    return [
        entry.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        entry.state,
        entry.model,
        entry.channel,
        entry.api_key or "",
        entry.message_id or "",
        entry.attempt,
        entry.call,
        entry.prompt_tokens,
        entry.completion_tokens,
        int(entry.is_estimated),
        money.micros(entry.input_price),
        money.micros(entry.output_price),
        money.cost(entry.cost),
        currency,
    ]


def _safe(cell: Any) -> Any:
    """No text begins a formula."""
    text = cell if isinstance(cell, int) else str(cell)
    return f"'{text}" if isinstance(text, str) and text.startswith(FORMULA) else text
