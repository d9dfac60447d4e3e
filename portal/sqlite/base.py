"""Those who want to write to SQLite take turns: first within their process, then among processes.

SQLite keeps no queue: who finds the database taken asks again, at first soon, later ten times a
second. Beside many who write all the time one who asks so seldom may wait in vain. And where dozens
ask, they stop the one who writes: whoever asks begins to read the log, and a writer that has to
begin it anew waits for a moment without readers, for ten seconds or more. So of each process one
thread alone asks, and that one often.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError
from django.db.backends.sqlite3 import base

SHORT_MILLISECONDS = 20  # in which SQLite asks five times

_turn = threading.Lock()


class DatabaseWrapper(base.DatabaseWrapper):
    def _start_transaction_under_autocommit(self) -> None:
        """Begin one when it is our turn; raises OperationalError where that takes too long."""
        gives_up_at = time.monotonic() + self._patience
        if not _turn.acquire(timeout=self._patience):
            raise OperationalError("database is locked")
        try:
            self._begin(gives_up_at)
        finally:
            _turn.release()

    def _begin(self, gives_up_at: float) -> None:
        with self._asking_often():
            while True:
                try:
                    super()._start_transaction_under_autocommit()  # type: ignore[misc]
                except OperationalError as error:
                    if not is_taken(error) or time.monotonic() >= gives_up_at:
                        raise
                else:
                    return

    @property
    def _patience(self) -> float:
        """Seconds."""
        seconds: float = self.settings_dict["OPTIONS"].get("timeout", 5.0)
        return seconds

    @contextmanager
    def _asking_often(self) -> Iterator[None]:
        self._ask_for(SHORT_MILLISECONDS)
        try:
            yield
        finally:
            self._ask_for(int(self._patience * 1000))

    def _ask_for(self, milliseconds: int) -> None:
        self.connection.execute(f"PRAGMA busy_timeout = {milliseconds}").close()


def is_taken(error: OperationalError) -> bool:
    """Whether somebody else writes; where an old read is still open, waiting would not help."""
    code = getattr(error.__cause__, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY and code != sqlite3.SQLITE_BUSY_SNAPSHOT
