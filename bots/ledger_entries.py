"""Reading the ledger's entries: a page at a time, the newest first, or a month as a CSV file.

A page costs a page: it walks the index of number and time from where the reader is.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date
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


def of_month(number: ServiceNumber, month: date) -> QuerySet[LedgerEntry]:
    begins, ends = (months.midnight(day) for day in (month, months.next_month(month)))
    return LedgerEntry.objects.filter(number=number, at__gte=begins, at__lt=ends)


def look(entries: QuerySet[LedgerEntry], before: int | None, after: int | None) -> View:
    """A place is the id of an entry; one that is not among these is none at all."""
    entries = entries.select_related("api_key")
    if after is not None and (place := entries.filter(pk=after).first()):
        above = entries.filter(at__gte=place.at).exclude(at=place.at, pk__lte=place.pk)
        found = list(above.order_by("at", "pk")[: PAGE + 1])
        if len(found) > PAGE:
            page = found[:PAGE][::-1]
            return View(page, older=page[-1].pk, newer=page[0].pk)
        return _top(entries)
    if before is not None and (place := entries.filter(pk=before).first()):
        found = list(_below(entries, place)[: PAGE + 1])
        page = found[:PAGE]
        older = page[-1].pk if len(found) > PAGE else None
        return View(page, older=older, newer=page[0].pk if page else None)
    return _top(entries)


def _top(entries: QuerySet[LedgerEntry]) -> View:
    found = list(entries.order_by("-at", "-pk")[: PAGE + 1])
    page = found[:PAGE]
    return View(page, older=page[-1].pk if len(found) > PAGE else None)


def _below(entries: QuerySet[LedgerEntry], place: LedgerEntry) -> QuerySet[LedgerEntry]:
    below = entries.filter(at__lte=place.at).exclude(at=place.at, pk__gte=place.pk)
    return below.order_by("-at", "-pk")


# As a file ----------------------------------------------------------------------------------------


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


def lines(entries: QuerySet[LedgerEntry], currency: str) -> Iterator[str]:
    """The entries as a CSV file, the newest first, read in chunks: no query stays open."""
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow(COLUMNS)
    entries = entries.select_related("api_key")
    chunk = list(entries.order_by("-at", "-pk")[:CHUNK])
    while chunk:
        for each in chunk:
            yield writer.writerow([_safe(cell) for cell in _row(each, currency)])
        chunk = list(_below(entries, chunk[-1])[:CHUNK])


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
