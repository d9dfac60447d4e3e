"""Writing the call log off the requests' path: a bounded queue, and one thread that empties it.

A request only appends to the queue. While the database is away entries wait in it; when it is full,
the newest are lost and counted, and the count is written as a `Gap` once writing works again. A
process that is killed loses a second's worth, which nobody counts.
"""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import structlog
from django.db import DataError, Error, IntegrityError, close_old_connections, connection

from ddio_api.models import Call, Gap
from portal import ending
from portal.models import ServiceNumber

logger = structlog.get_logger(__name__)

WAITING_AT_MOST = 20_000  # about 10 MB, some seconds of a busy process
BATCH = 500
FLUSH_SECONDS = 1.0
END_SECONDS = 1.5  # what a stopping process may wait for the last batch; see portal.ending


class Entry(NamedTuple):
    """A call as it ended: small, because thousands may wait."""

    number_id: int | None
    app_id: str
    at: datetime
    door: str
    operation: str
    method: str
    status: int
    code: int
    outcome: str
    duration_ms: int
    address: str
    request_id: str


@dataclass(frozen=True)
class _Lost:
    """Calls of which nothing is left but their number."""

    began: datetime
    ended: datetime
    calls: int

    def and_also(self, other: "_Lost | None") -> "_Lost":
        if other is None:
            return self
        began, ended = min(self.began, other.began), max(self.ended, other.ended)
        return _Lost(began, ended, self.calls + other.calls)


class CallLog:
    """One process's entries on their way to the database."""

    def __init__(self, room: int = WAITING_AT_MOST) -> None:
        self.lost = 0  # since the process began
        self._room = room
        self._waiting: deque[Entry] = deque()
        self._untold: _Lost | None = None  # no Gap speaks of them yet
        self._lock = threading.Lock()  # never held while the database is asked
        self._writing = threading.Lock()
        self._due = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_away = self._has_ended = False

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def add(self, entry: Entry) -> None:
        """Never waits and never fails: what there is no room for is lost, and counted."""
        with self._lock:
            if len(self._waiting) >= self._room or self._has_ended:
                self._lose(_Lost(entry.at, entry.at, 1))
                return
            self._waiting.append(entry)
            self._see_to_thread()
            is_batch = len(self._waiting) == BATCH
        if is_batch:
            self._due.set()

    def flush(self) -> None:
        """Write what waits. What the database does not take for being away stays for the next time;
        a batch that it refuses for what is in it is lost."""
        with self._writing:
            try:
                while batch := self._next_batch():
                    self._write(batch)
                    self._take_off(batch)
                self._write_gap()
            except Error as error:
                self._say_away(error)
            else:
                self._is_away = False

    def finish(self) -> None:
        """For the end of the process: write the rest, as far as that goes quickly."""
        self._has_ended = True
        self._due.set()
        if self._thread:
            self._thread.join(END_SECONDS)
        untold = self._untold.calls if self._untold else 0
        if self.waiting or untold:
            logger.warning("calls_not_recorded", calls=self.waiting + untold)

    def _see_to_thread(self) -> None:
        if self._thread is None:
            ending.at_the_end(self.finish)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="call-log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._has_ended:
            self._due.wait(FLUSH_SECONDS)
            self._due.clear()
            self.flush()
            close_old_connections()
        self.flush()
        connection.close()

    def _next_batch(self) -> list[Entry]:
        with self._lock:
            return list(islice(self._waiting, BATCH))

    def _take_off(self, batch: list[Entry]) -> None:
        with self._lock:
            for _entry in batch:
                self._waiting.popleft()

    @staticmethod
    def _rows(batch: Iterable[Entry]) -> list[dict[str, Any]]:
        """Whose appIds they are is asked here, once a batch, and not while somebody waits."""
        unknown = {entry.app_id for entry in batch if entry.number_id is None and entry.app_id}
        found = ServiceNumber.objects.filter(app_id__in=unknown).values_list("app_id", "pk")
        numbers = dict(found) if unknown else {}
        rows = []
        for entry in batch:
            facts = entry._asdict()
            app_id = facts.pop("app_id")
            facts["number_id"] = entry.number_id or numbers.get(app_id)
            rows.append(facts)
        return rows

    def _write(self, batch: list[Entry]) -> None:
        try:
            insert(self._rows(batch))
        except (DataError, IntegrityError) as error:
            logger.error("calls_refused", error=repr(error))
            with self._lock:
                self._lose(_Lost(batch[0].at, batch[-1].at, len(batch)))

    def _lose(self, lost: _Lost) -> None:
        self.lost += lost.calls
        self._untold = lost.and_also(self._untold)

    def _write_gap(self) -> None:
        with self._lock:
            gap, self._untold = self._untold, None
        if gap is None:
            return
        try:
            Gap.objects.create(began=gap.began, ended=gap.ended, calls=gap.calls)
        except Error:
            with self._lock:
                self._untold = gap.and_also(self._untold)
            raise
        logger.warning("calls_not_recorded", calls=gap.calls)

    def _say_away(self, error: Error) -> None:
        """Once, not every second."""
        if not self._is_away:
            logger.warning("call_log_away", error=repr(error), waiting=self.waiting)
        self._is_away = True


def insert(rows: list[dict[str, Any]]) -> None:
    """All or nothing. By COPY where there is one, which takes a third of the time: it is the time
    of the threads that answer."""
    if connection.vendor != "postgresql":
        Call.objects.bulk_create(Call(**row) for row in rows)
        return
    columns = ", ".join(rows[0])
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY ddio_api_call ({columns}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(tuple(row.values()))


log = CallLog()


def lost_calls() -> int:
    """How many calls this process could not record since it began."""
    return log.lost
