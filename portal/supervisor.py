"""Start an installation's parts, watch over them, start again what dies, stop them in order.

One process, no threads: signals and the deaths of children arrive as bytes in a pipe that the
loop waits on. Each part is the leader of a session, and so of a process group, of its own; a
Ctrl-C of the terminal reaches the supervisor alone, and a group can be killed as a whole.
Standard library only.
"""

import contextlib
import math
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from portal.reaper import Reaper, kill_group

LOG_BYTES_AT_MOST = 10 * 1024 * 1024
OLD_LOGS_KEPT = 3
LINES_SHOWN = 5  # of the log of a part that died
# Seconds before a part is started again. Who waits for it waits for that, too, so they are few: a
# part that dies at each start costs no more than its starts.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 2.0
HEALTHY_AFTER = 30.0  # seconds of life after which earlier deaths no longer count
TICK = 1.0  # seconds between two looks when nothing happens
LOGS_TENDED_EVERY = 60.0  # seconds
GIVES_UP = os.EX_CONFIG  # the exit code of a part that says that a start would not help
SIGNAL_NAMES = {number.value: number.name for number in signal.Signals}

# The shell becomes the part only when it is told to. Between its start and the moment the reaper
# knows its group, a supervisor that is killed closes this pipe, and the shell ends unharmed.
GATE = ["/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "gate"]


@dataclass(frozen=True)
class Part:
    """A program of the platform. `grace`: seconds it has between SIGTERM and SIGKILL."""

    name: str
    command: Sequence[str]
    grace: float = 7.0
    environment: Mapping[str, str] = field(default_factory=dict)


class PartLog:
    """What a part wrote, in a file that does not grow for ever and only its owner reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin = 0

    def open(self) -> int:
        """A descriptor for the part to append to; what it writes from now on is its own."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._begin = os.fstat(descriptor).st_size
        return descriptor

    def rotate(self) -> None:
        """Copy a full log away and empty it in place: the part keeps writing to the same file.

        The few lines written between the copy and the emptying are lost.
        """
        if not self.path.exists() or self.path.stat().st_size <= LOG_BYTES_AT_MOST:
            return
        for age in range(OLD_LOGS_KEPT - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._old(age).replace(self._old(age + 1))
        shutil.copy(self.path, self._old(1))
        os.truncate(self.path, 0)
        self._begin = 0

    def last_lines(self) -> list[str]:
        """The end of what this run of the part wrote, safe to show on a terminal."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(min(self._begin, size), size - 16_384))
                written = file.read().decode(errors="replace")
        except OSError:
            return []
        lines = [line.rstrip()[:500] for line in written.splitlines() if line.strip()]
        return [
            "".join(c if c.isprintable() else " " for c in line) for line in lines[-LINES_SHOWN:]
        ]

    def _old(self, age: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{age}")


class Child:
    """A part's process, from start to burial, and when it may be started again."""

    def __init__(self, part: Part, log: PartLog, reaper: Reaper) -> None:
        self.part = part
        self.log = log
        self._reaper = reaper
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._deaths = 0
        self.start_again_at = 0.0
        self.last_news: list[str] = []
        self.gave_up = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process. Raises OSError when there is no memory, process or log to be had."""
        self._started_at = time.monotonic()
        self.log.rotate()
        log = self.log.open()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands, see parts.py
                [*GATE, *self.part.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.part.environment},
                start_new_session=True,
                bufsize=0,
            )
        finally:
            os.close(log)
        self._reaper.watch(self._process.pid)
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError), self._process.stdin as gate:
                gate.write(b"go\n")

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        if self._process:
            self._process.terminate()

    def bury(self) -> str:
        """Kill what is left of the group, and say how the process ended."""
        if not self._process:
            return "it could not be started"
        kill_group(self._process.pid)
        code = self._process.wait()
        self._reaper.forget(self._process.pid)
        self._process = None
        self.gave_up = code == GIVES_UP
        return f"exit code {code}" if code >= 0 else f"killed by {SIGNAL_NAMES.get(-code, -code)}"

    def pause(self) -> float:
        """Seconds to wait before the next start: longer with each death that follows a death."""
        now = time.monotonic()
        if now - self._started_at >= HEALTHY_AFTER:
            self._deaths = 0
        seconds = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2**self._deaths)
        self._deaths = min(self._deaths + 1, 10)
        self.start_again_at = now + seconds
        return seconds


class Supervisor:
    """A context: entering it takes the signals, leaving it stops every part in reverse order."""

    def __init__(
        self,
        log_dir: Path,
        say: Callable[[str], None],
        *,
        lock: int | None = None,
        parent: int | None = None,
    ) -> None:
        """`lock`: a descriptor that stays open until nothing of the installation runs.
        `parent`: stop, in order, when this process is no longer the parent.
        """
        self._log_dir = log_dir
        self._say = say
        self._parent = parent
        self._reaper = Reaper([lock] if lock is not None else [])
        self._children: list[Child] = []
        self._signals = contextlib.ExitStack()
        self._wake = -1
        self._stop_asked = False
        self._in_a_hurry = False
        self._logs_tended_at = time.monotonic()

    def __enter__(self) -> Self:
        self._log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._wake = self._signals.enter_context(_signals_as_bytes(self._signal))
        self._reaper.ensure()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._signals.close()

    def start(self, part: Part) -> None:
        log = PartLog(self._log_dir / f"{part.name}.log")
        child = Child(part, log, self._reaper)
        self._children.append(child)
        self._start(child)

    def watch(self, until: Callable[[], bool] | None = None, every: float = TICK) -> bool:
        """Keep the parts running until `until` answers true; False when asked to stop instead."""
        while not self._must_stop():
            self._tend()
            if until and until():
                return True
            self._sleep(every)
        return False

    def stop(self) -> None:
        """SIGTERM to each part, the last started first, and SIGKILL after its grace."""
        self._stop_asked = True
        for child in reversed(self._children):
            self._end(child)
        self._children.clear()
        self._reaper.close()

    def _signal(self, number: int, _frame: FrameType | None) -> None:
        # Only a second Ctrl-C kills: `make` passes on the SIGTERM that its whole group got too.
        if self._stop_asked and number == signal.SIGINT:
            self._in_a_hurry = True
        self._stop_asked = self._stop_asked or number != signal.SIGCHLD

    def _must_stop(self) -> bool:
        if self._parent is not None and os.getppid() != self._parent:
            self._stop_asked = True
        return self._stop_asked

    def _sleep(self, seconds: float) -> None:
        now = time.monotonic()
        due = [c.start_again_at - now for c in self._children if not c.is_running()]
        readable, _, _ = select.select([self._wake], [], [], max(0.0, min([seconds, *due])))
        if readable:
            os.read(self._wake, 4096)

    def _tend(self) -> None:
        with contextlib.suppress(OSError):  # no process to be had: the next look tries again
            self._reaper.ensure()
        now = time.monotonic()
        for child in self._children:
            if child.is_running():
                continue
            if child.pid:
                self._plan(child, f"stopped ({child.bury()})", child.log.last_lines())
            elif now >= child.start_again_at:
                self._start(child)
        if now - self._logs_tended_at >= LOGS_TENDED_EVERY:
            self._logs_tended_at = now
            with contextlib.suppress(OSError):  # a full disk must not stop what still runs
                for child in self._children:
                    child.log.rotate()

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:
            child.bury()
            self._plan(child, f"cannot be started ({error})", [])

    def _plan(self, child: Child, what: str, last_lines: list[str]) -> None:
        name = child.part.name
        if child.gave_up:
            child.start_again_at = math.inf
            then = "not starting again: mend this, then start the platform anew"
        else:
            then = f"starting again in {child.pause():.1f} s"
        news = [f"{name}: {what}, {then}"]
        news += [f"  {name} | {line}" for line in last_lines]
        if news == child.last_news:
            return  # it fails for the same reason again and again: said once is enough
        child.last_news = news
        for line in news:
            self._say(line)

    def _end(self, child: Child) -> None:
        deadline = time.monotonic() + child.part.grace
        child.terminate()
        while child.is_running() and not self._in_a_hurry and time.monotonic() < deadline:
            self._wait_for_news(deadline)
        if child.is_running():
            self._say(f"{child.part.name}: did not stop by itself, killed")
        child.bury()

    def _wait_for_news(self, deadline: float) -> None:
        left = max(0.0, deadline - time.monotonic())
        if select.select([self._wake], [], [], min(TICK, left))[0]:
            os.read(self._wake, 4096)


@contextlib.contextmanager
def _signals_as_bytes(handler: Callable[[int, FrameType | None], None]) -> Iterator[int]:
    """Handle the signals that matter, each of them a byte in the pipe whose end is given."""
    numbers = [signal.SIGCHLD, signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup means it
        numbers.append(signal.SIGHUP)
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.set_blocking(write_end, False)
    before = {number: signal.signal(number, handler) for number in numbers}
    wake_before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    try:
        yield read_end
    finally:
        signal.set_wakeup_fd(wake_before)
        for number, old in before.items():
            signal.signal(number, old)
        os.close(read_end)
        os.close(write_end)


@contextlib.contextmanager
def foreground() -> Iterator[None]:
    """Take the terminal over from the job that started this process, and give it back.

    At `make up` the terminal sends Ctrl-C to make too, which then fails with exit code 130
    however well the platform stopped. In a foreground group of its own the supervisor is the
    only one to get it. Without a terminal, in the background, or as its own job: does nothing.
    """
    group = os.getpgrp()
    if group == os.getpid() or not _has_terminal(group):
        yield
        return
    os.setpgid(0, 0)
    _give_terminal_to(os.getpid())
    # The shell does not know this group: it could not wake it from a Ctrl-Z.
    resting = signal.signal(signal.SIGTSTP, lambda _number, _frame: None)
    try:
        yield
    finally:
        _give_terminal_to(group)
        signal.signal(signal.SIGTSTP, resting)


def _has_terminal(group: int) -> bool:
    try:
        return os.tcgetpgrp(0) == group
    except OSError:
        return False


def _give_terminal_to(group: int) -> None:
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # else the change would stop us
    with contextlib.suppress(OSError):  # the terminal may be gone by now
        os.tcsetpgrp(0, group)
    signal.signal(signal.SIGTTOU, before)
