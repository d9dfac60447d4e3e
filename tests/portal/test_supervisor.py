"""The supervisor with small stand-ins for the parts: real processes, signals and terminals."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from portal import supervisor
from portal.environment import BASE_DIR
from portal.reaper import Reaper
from portal.supervisor import Child, Part, PartLog

pytestmark = pytest.mark.alike

DRIVER = """
import sys
from pathlib import Path
from portal.supervisor import Part, Supervisor, foreground

PARTS = {
    # With a process of its own, as Granian has its workers.
    "good": "import os, time; os.fork(); time.sleep(600)",
    "stubborn": "import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(600)",
    "broken": "import sys; print('reading'); sys.exit('no such \\x1b[31mthing')",
    "refusing": "import sys; print('lacks a key'); open(sys.argv[1], 'a').write('x'); sys.exit(78)",
    "curious": "import os, time; print(sorted(os.listdir('/dev/fd'))); time.sleep(600)",
    "polite": (
        "import signal, sys, time\\n"
        "def end(*_): open(sys.argv[1], 'a').write(sys.argv[2] + ' '); sys.exit()\\n"
        "signal.signal(15, end); print(1); time.sleep(600)"
    ),
}
directory, names = Path(sys.argv[1]), sys.argv[2].split(",")
parent = int(sys.argv[3]) if len(sys.argv) > 3 else None
with foreground(), Supervisor(directory, lambda line: print(line, flush=True), parent=parent) as it:
    for position, name in enumerate(names):
        arguments = [str(directory / "order"), str(position)]
        command = [sys.executable, "-c", PARTS[name], *arguments]
        it.start(Part(f"{name}{position}", command, grace=1.5))
    print("started", flush=True)
    it.watch()
print("ended", flush=True)
"""


def eventually(true: Callable[[], object], seconds: float = 8) -> bool:
    give_up_at = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    return bool(found)


def command_of(process: psutil.Process) -> list[str]:
    """Of one that has ended, or ends just now: none."""
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Installation:
    """A supervisor process in a directory of its own, and everything that descends from it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seen: set[psutil.Process] = set()

    def start(self, parts: str, *arguments: str) -> None:
        self.output = (self.directory / "output").open("w+b")
        command = [sys.executable, "-c", DRIVER, str(self.directory), parts, *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=BASE_DIR,
            env=os.environ | {"DATA_DIR": str(self.directory)},
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )
        assert eventually(lambda: "started" in self.said()), self.said()

    def said(self) -> str:
        return (self.directory / "output").read_text()

    def wrote(self, part: str) -> str:
        return (self.directory / f"{part}.log").read_text()

    def descendants(self) -> list[psutil.Process]:
        found = psutil.Process(self.process.pid).children(recursive=True)
        self.seen.update(found)
        return found

    def reapers(self) -> list[psutil.Process]:
        return [p for p in self.descendants() if "reaper.py" in " ".join(command_of(p))]

    def part(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        return next(p for p in children if "-c" in p.cmdline() and p.name() != "sh")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def nothing_is_left(self, seconds: float = 5) -> bool:
        return eventually(lambda: not [p for p in self.seen if lives(p)], seconds)

    def clean(self) -> None:
        self.process.kill()
        self.process.wait()
        self.output.close()
        for process in [p for p in self.seen if lives(p)]:
            process.kill()  # only after a test that failed


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    yield made
    made.clean()


def test_it_ends_with_success_and_leaves_nothing_when_asked_to_stop(installation):
    installation.start("good,good")
    assert eventually(lambda: len(installation.descendants()) == 5)
    installation.signal(signal.SIGTERM)
    assert installation.process.wait(10) == 0
    assert installation.nothing_is_left(0.5)


def test_it_stops_first_what_it_started_last(installation):
    installation.start("polite,polite,polite")
    assert eventually(lambda: all(installation.wrote(f"polite{n}") for n in range(3)))
    installation.signal(signal.SIGINT)
    installation.process.wait(10)
    assert (installation.directory / "order").read_text() == "2 1 0 "


def test_it_kills_what_does_not_stop_within_its_grace(installation):
    installation.start("stubborn")
    assert eventually(lambda: installation.wrote("stubborn0"))
    began = time.monotonic()
    installation.signal(signal.SIGTERM)
    assert installation.process.wait(10) == 0
    assert 1.4 < time.monotonic() - began < 4
    assert "stubborn0: did not stop by itself, killed" in installation.said()


def test_a_second_ctrl_c_kills_at_once(installation):
    installation.start("stubborn")
    assert eventually(lambda: installation.wrote("stubborn0"))
    began = time.monotonic()
    installation.signal(signal.SIGINT)
    time.sleep(0.2)
    installation.signal(signal.SIGINT)
    assert installation.process.wait(10) == 0
    assert time.monotonic() - began < 1.4


def test_a_second_sigterm_leaves_the_parts_their_grace(installation):
    installation.start("stubborn")
    assert eventually(lambda: installation.wrote("stubborn0"))
    began = time.monotonic()
    installation.signal(signal.SIGTERM)
    time.sleep(0.2)
    installation.signal(signal.SIGTERM)
    installation.process.wait(10)
    assert time.monotonic() - began > 1.4


def test_it_starts_a_killed_part_again_and_says_why(installation):
    installation.start("good")
    assert eventually(lambda: len(installation.descendants()) == 3)
    first = installation.part()
    first.kill()
    line = "good0: stopped (killed by SIGKILL), starting again in 0.5 s"
    assert eventually(lambda: line in installation.said())
    assert eventually(lambda: len([p for p in installation.descendants() if lives(p)]) == 3)


def test_it_kills_the_children_of_a_part_that_died(installation):
    installation.start("good")
    assert eventually(lambda: len(installation.descendants()) == 3)
    grandchild = installation.part().children()[0]
    installation.part().kill()
    assert eventually(lambda: not lives(grandchild), 2)


def test_it_shows_why_a_part_cannot_run_and_keeps_trying(installation):
    installation.start("broken")
    again = "broken0: stopped (exit code 1), starting again in 1.0 s"
    assert eventually(lambda: again in installation.said())
    assert "  broken0 | no such  [31mthing" in installation.said()


def test_a_part_that_says_that_a_start_would_not_help_is_not_started_again(installation):
    installation.start("refusing,good")
    news = "refusing0: stopped (exit code 78), not starting again: mend this, then start"
    assert eventually(lambda: news in installation.said())
    assert "  refusing0 | lacks a key" in installation.said()
    time.sleep(2 * supervisor.SHORTEST_PAUSE)
    assert (installation.directory / "order").read_text() == "x"
    assert lives(installation.part())


def test_nothing_outlives_a_killed_supervisor(installation):
    installation.start("good,stubborn")
    assert eventually(lambda: len(installation.descendants()) == 4)
    installation.signal(signal.SIGKILL)
    assert installation.nothing_is_left(5)


def test_a_killed_reaper_is_replaced_by_one_that_knows_the_parts(installation):
    installation.start("good,stubborn")
    assert eventually(lambda: len(installation.descendants()) == 4)
    first = installation.reapers()
    first[0].kill()
    assert eventually(lambda: set(installation.reapers()) - set(first), 5)
    installation.signal(signal.SIGKILL)
    assert installation.nothing_is_left(5)


def test_a_part_inherits_its_three_streams_and_nothing_else(installation):
    installation.start("curious,curious")
    assert eventually(lambda: installation.wrote("curious1"))
    # The fourth is the directory that the part itself has open to look.
    assert installation.wrote("curious1").strip() == "['0', '1', '2', '3']"


def test_the_logs_are_for_their_owner_alone(installation):
    installation.start("curious")
    assert (installation.directory / "curious0.log").stat().st_mode & 0o777 == 0o600


def test_it_stops_when_the_parent_it_was_given_has_gone(installation):
    installation.start("good", "1")  # no longer its parent, from its point of view
    assert installation.process.wait(10) == 0


def test_ctrl_c_on_a_terminal_is_a_success_for_make_too(tmp_path):
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    recipe = f"@exec {sys.executable} {driver} {tmp_path} good"
    (tmp_path / "Makefile").write_text(f"up:\n\t{recipe}\n")
    make, terminal = _on_a_terminal(["make", "-f", str(tmp_path / "Makefile"), "up"], tmp_path)
    assert _read_until(terminal, b"started")
    os.write(terminal, b"\x03")
    assert _read_until(terminal, b"ended")
    assert os.waitstatus_to_exitcode(os.waitpid(make, 0)[1]) == 0


def _on_a_terminal(command: list[str], data_dir: Path) -> tuple[int, int]:
    environment = os.environ | {"PYTHONPATH": str(BASE_DIR), "DATA_DIR": str(data_dir)}
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, environment)
    return pid, terminal


def _read_until(terminal: int, text: bytes) -> bool:
    seen = b""
    while text not in seen:
        try:
            seen += os.read(terminal, 1024)
        except OSError:  # Linux's way to say that nobody has the terminal open any more
            return False
    return True


@pytest.fixture
def child(tmp_path: Path) -> Child:
    return Child(Part("part", ["true"]), PartLog(tmp_path / "part.log"), Reaper())


def test_it_waits_longer_after_each_death_and_never_long(child, monkeypatch):
    monkeypatch.setattr(supervisor, "HEALTHY_AFTER", float("inf"))
    assert [child.pause() for _death in range(6)] == [0.5, 1, 2, 2, 2, 2]


def test_a_part_that_lived_well_starts_again_soon(child, monkeypatch):
    monkeypatch.setattr(supervisor, "HEALTHY_AFTER", 0)
    assert [child.pause() for _death in range(3)] == [0.5, 0.5, 0.5]


def test_a_full_log_is_emptied_in_place_and_three_old_ones_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "LOG_BYTES_AT_MOST", 3)
    log = PartLog(tmp_path / "part.log")
    descriptor = log.open()
    _write_and_rotate(log, descriptor, [b"one\n", b"two\n", b"three\n", b"four\n"])
    os.write(descriptor, b"new\n")
    os.close(descriptor)
    old = [(tmp_path / f"part.log.{age}").read_text() for age in (1, 2, 3)]
    assert (log.path.read_text(), old) == ("new\n", ["four\n", "three\n", "two\n"])


def _write_and_rotate(log: PartLog, descriptor: int, texts: list[bytes]) -> None:
    for text in texts:
        os.write(descriptor, text)
        log.rotate()


def test_the_last_lines_are_those_of_the_latest_run(tmp_path):
    (tmp_path / "part.log").write_text("of an earlier run\n")
    log = PartLog(tmp_path / "part.log")
    descriptor = log.open()
    os.write(descriptor, b"".join(b"line %d\n\n" % number for number in range(9)))
    os.close(descriptor)
    assert log.last_lines() == ["line 4", "line 5", "line 6", "line 7", "line 8"]
