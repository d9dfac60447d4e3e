"""Reading the call log, the newest first, and forgetting what is old.

A page costs a page, however long the log: it walks one index from where the reader is, and a filter
that matches nothing ends the walk after WALK_AT_MOST entries.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from ddio_api.models import Call, Gap

WALK_AT_MOST = 10_000
OUT_OF_ORDER = timedelta(minutes=10)  # an entry waits that long at most for a database to return
LATELY = timedelta(days=1)
GAPS_SHOWN = 3
SEEN_AMONG = 1000
# Calls by which the caller has shown a secret or a token: whoever knows no more than the appId must
# not have his address offered to the owner for the list.
LET_IN, ELSEWHERE = 0, 40164
BATCH = 5000
BATCHES_AT_MOST = 1000  # of one run; the next one goes on


@dataclass(frozen=True)
class Filters:
    """What a reader wants to see; `since` is the time at which a call ended."""

    request_id: str = ""
    operation: str = ""
    outcome: str = ""
    since: datetime | None = None

    @property
    def unindexed(self) -> dict[str, str]:
        wanted = {"operation": self.operation, "outcome": self.outcome}
        return {name: value for name, value in wanted.items() if value}


@dataclass(frozen=True)
class Look:
    """A place in a number's log: just before or just after an id, or the top."""

    number_id: int
    before: int | None = None
    after: int | None = None
    limit: int = 25
    filters: Filters = field(default_factory=Filters)

    @property
    def is_filtered(self) -> bool:
        return self.filters != Filters()


@dataclass(frozen=True)
class View:
    """Calls, the newest first. `older` and `newer` are the ids to look from, if there is more.

    `is_partial` where a filtered look ended before its page was full and before the log ended.
    """

    calls: list[Call]
    older: int | None = None
    newer: int | None = None
    is_partial: bool = False


def look(wanted: Look) -> View:
    rows = _rows(wanted)
    above = _look_up(rows, wanted, wanted.after) if wanted.after is not None else None
    return above or _look_down(rows, wanted)


def _rows(wanted: Look) -> QuerySet[Call]:
    """What an index finds; the filters beyond it are applied to a walk of bounded length."""
    rows = Call.objects.filter(number=wanted.number_id)
    filters = wanted.filters
    if filters.request_id:
        rows = rows.filter(request_id=filters.request_id)
    if filters.since:
        earlier = Call.objects.filter(at__lt=filters.since - OUT_OF_ORDER).order_by("-at")
        floor = earlier.values_list("pk", flat=True).first() or 0
        rows = rows.filter(pk__gt=floor, at__gte=filters.since)
    return rows


def _end_of_walk(rows: QuerySet[Call], wanted: Look) -> int | None:
    """The first id that is too far to be looked at; None where all of it may be."""
    if not wanted.filters.unindexed:
        return None
    return rows.values_list("pk", flat=True)[WALK_AT_MOST : WALK_AT_MOST + 1].first()


def _look_up(rows: QuerySet[Call], wanted: Look, after: int) -> View | None:
    """The page above `after`; None where the newest entry is less than a page away."""
    above = rows.filter(pk__gt=after).order_by("pk")
    end = _end_of_walk(above, wanted)
    within = above if end is None else above.filter(pk__lt=end)
    found = list(within.filter(**wanted.filters.unindexed)[: wanted.limit + 1])
    calls = found[: wanted.limit][::-1]
    if len(found) > wanted.limit:
        return View(calls, older=calls[-1].pk, newer=calls[0].pk)
    if end is None:
        return None
    older = calls[-1].pk if calls else after + 1
    return View(calls, older=older, newer=end - 1, is_partial=True)


def _look_down(rows: QuerySet[Call], wanted: Look) -> View:
    below, newer = rows.order_by("-pk"), None
    if wanted.before is not None and wanted.after is None:
        newest = below.values_list("pk", flat=True).first() or 0
        newer = wanted.before - 1 if newest >= wanted.before else None
        below = below.filter(pk__lt=wanted.before)
    end = _end_of_walk(below, wanted)
    within = below if end is None else below.filter(pk__gt=end)
    found = list(within.filter(**wanted.filters.unindexed)[: wanted.limit + 1])
    calls = found[: wanted.limit]
    if len(found) > wanted.limit:
        return View(calls, older=calls[-1].pk, newer=newer)
    if end is not None:
        return View(calls, older=end + 1, newer=newer, is_partial=True)
    return View(calls, newer=newer)


def gaps_within(view: View, *, is_top: bool) -> list[Gap]:
    """When calls could not be recorded, as far as the page's time is concerned."""
    now = timezone.now()
    oldest = view.calls[-1].at if view.calls else now - LATELY
    newest = now if is_top or not view.calls else view.calls[0].at
    within = Gap.objects.filter(ended__gte=oldest, began__lte=newest)
    return list(within.order_by("-ended")[:GAPS_SHOWN])


@dataclass(frozen=True)
class Seen:
    """An address that called lately, and whether its last call was refused for the address."""

    address: str
    at: datetime
    is_refused: bool


def seen_lately(number_id: int) -> list[Seen]:
    """The addresses of the number's own systems in its last calls, each once, the newest first."""
    latest = Call.objects.filter(number=number_id).order_by("-pk")
    seen: dict[str, Seen] = {}
    for address, at, code in latest.values_list("address", "at", "code")[:SEEN_AMONG]:
        if address and code in (LET_IN, ELSEWHERE):
            seen.setdefault(address, Seen(address, at, code == ELSEWHERE))
    return list(seen.values())


# Forgetting -------------------------------------------------------------------------------------


def forget_old() -> int:
    """Delete what is older than CALL_LOG_DAYS, and the oldest beyond CALL_LOG_ROWS.

    Batch by batch, so that nobody waits long for a lock. Returns how many there were.
    """
    cutoff = timezone.now() - timedelta(days=settings.CALL_LOG_DAYS)
    Gap.objects.filter(ended__lt=cutoff).delete()
    newest = Call.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    surplus = Call.objects.filter(pk__lte=newest - settings.CALL_LOG_ROWS)
    aged = Call.objects.filter(at__lt=cutoff)
    return _delete(aged.order_by("at")) + _delete(surplus.order_by("pk"))


def _delete(rows: QuerySet[Call]) -> int:
    forgotten = 0
    for _batch in range(BATCHES_AT_MOST):
        doomed: Any = rows.values("pk")[:BATCH]
        count, _by_model = Call.objects.filter(pk__in=doomed).delete()
        forgotten += count
        if count < BATCH:
            break
    return forgotten
