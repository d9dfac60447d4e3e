"""Kill what a dead supervisor leaves behind.

Nothing tells a process that its parent was killed, and neither Linux nor macOS ends the children
of a killed process by itself. So the supervisor starts this script first and keeps the write end
of a pipe to it, down which it tells of each process group that begins (`+123`) or has ended
(`-123`). The kernel closes the pipe when the supervisor dies, however it dies; the script reads
the end of the file, kills the groups that are left, and ends. Standard library only, and run by
its path: it must work whatever happened to the rest.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

START_AGAIN_AFTER = 0.5  # seconds: a reaper that cannot start must not keep a processor busy


def kill_group(group: int) -> None:
    """SIGKILL to the whole group; no matter if it is gone (macOS says "not permitted" then)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


class Reaper:
    """The supervisor's end: a reaper that is always there, and knows every living group."""

    def __init__(self, keep_open: Iterable[int] = ()) -> None:
        """`keep_open`: descriptors it holds too, such as the lock that must outlive the groups."""
        self._keep_open = tuple(keep_open)
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def ensure(self) -> bool:
        """Start it if it is not running, and tell it of all living groups; True if it started."""
        if self._process and self._process.poll() is None:
            return False
        if self._process and time.monotonic() - self._started_at < START_AGAIN_AFTER:
            return False
        self._close_pipe()
        self._started_at = time.monotonic()
        # Told at its birth: the supervisor might die before it could say a word through the pipe.
        known = map(str, self._groups)
        self._process = subprocess.Popen(  # noqa: S603 - this file, nothing from outside
            [sys.executable, "-I", "-S", str(Path(__file__).resolve()), *known],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            pass_fds=self._keep_open,
            start_new_session=True,
            bufsize=0,
        )
        return True

    def watch(self, group: int) -> None:
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Let it end, killing what is left, and wait for that."""
        self._close_pipe()
        if self._process:
            self._process.wait()

    def _tell(self, order: str) -> None:
        # A reaper that just died is told everything again by `ensure`.
        if self._process and self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(order.encode())

    def _close_pipe(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()


def reap(known: Iterable[int], orders: Iterable[str]) -> None:
    """Follow the orders to their end, then kill the groups that are left."""
    groups = set(known)
    for order in orders:
        group = int(order[1:])
        groups = groups | {group} if order.startswith("+") else groups - {group}
    for _again in range(3 if groups else 0):  # whoever was being forked the first time
        for group in groups:
            kill_group(group)
        time.sleep(0.1)


def main() -> None:
    # Only the end of the pipe may end it: a signal meant for the supervisor must not.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    reap(map(int, sys.argv[1:]), sys.stdin)


if __name__ == "__main__":
    main()
