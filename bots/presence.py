"""Which of the installation's worker processes have died: each holds a lock while it lives.

The kernel frees the lock of a file however its process ends, and of nothing that still runs or
sleeps. So what a dead worker held need not wait for its lease to run out. Workers that share no
DATA_DIR do not know of each other: there, and whatever else may go wrong here, the lease holds.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

__all__ = ["Presence", "departed"]


def _directory() -> Path:
    directory: Path = settings.DATA_DIR / "workers"
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def _lock(path: Path, flags: int = 0) -> int | None:
    """The file, open and locked; None where somebody else holds it, or it has just gone."""
    try:
        file = os.open(path, os.O_RDWR | flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


class Presence:
    """This process, under the name that its claims carry; OSError where that cannot be kept."""

    def __init__(self, name: str) -> None:
        self._path = _directory() / name
        # It comes into the others' sight when it is locked already.
        coming = self._path.with_name(f".{name}")
        self._file = _lock(coming, os.O_CREAT)
        coming.rename(self._path)

    def end(self) -> None:
        """Nothing is held under this name any more."""
        self._path.unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextmanager
def departed() -> Iterator[list[str]]:
    """The names of those who have died. They are forgotten afterwards, unless it was in vain."""
    found = {path: _lock(path) for path in _directory().iterdir() if not path.name.startswith(".")}
    dead = {path: file for path, file in found.items() if file is not None}
    try:
        yield [path.name for path in dead]
        for path in dead:
            path.unlink(missing_ok=True)
    finally:
        for file in dead.values():
            os.close(file)
