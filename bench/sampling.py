"""Where the CPU time of running processes goes: by step of an answer, and in it by package.

`cpu_samples.c` takes the samples inside of the processes. A sample's step is the first of the given
ones that is anywhere on its stack; its package is that of the innermost frame that is known.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.steps import PACKAGES, Names
from portal.environment import BASE_DIR

SOURCE = Path(__file__).with_name("cpu_samples.c")
IN_PROCESSES = Path(__file__).with_name("in_processes")
TOGGLE = signal.SIGRTMIN + 5
WRITING_SECONDS = 20.0
OTHER = "other"


@dataclass(frozen=True)
class Sample:
    """A stack, outermost frame first, and how often it was met."""

    frames: list[str]
    count: int

    def step(self, steps: Names) -> str:
        found = (name for part, name in steps if name and any(part in one for one in self.frames))
        return next(found, OTHER)

    def package(self) -> str:
        for frame in reversed(self.frames):
            for part, name in PACKAGES:
                if part in frame:
                    return name
        return OTHER


@contextmanager
def prepared() -> Iterator[None]:
    """Processes that are started in this context are ready for samples."""
    with tempfile.TemporaryDirectory() as directory:
        added = {"BENCH_SAMPLER": str(_library()), "BENCH_SAMPLES": directory}
        os.environ |= added
        try:
            yield
        finally:
            for name in added:
                del os.environ[name]


def environment(path: str) -> dict[str, str]:
    """What a Python process that has this PYTHONPATH gets beside."""
    if "BENCH_SAMPLER" not in os.environ:
        return {}
    return {"PYTHONPATH": f"{IN_PROCESSES}:{path}"}


def _library() -> Path:
    """The sampler, compiled for this Python."""
    made = BASE_DIR / "var" / "bench" / f"cpu_samples{sysconfig.get_config_var('EXT_SUFFIX')}"
    if made.exists() and made.stat().st_mtime > SOURCE.stat().st_mtime:
        return made
    compiler = shutil.which("cc")
    if compiler is None or sys.version_info >= (3, 13):
        raise SystemExit("--profile needs a C compiler and Python 3.11 or 3.12")
    made.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-O2", "-Wall", "-shared", "-fPIC", f"-I{sysconfig.get_paths()['include']}"]
    subprocess.run([compiler, *flags, str(SOURCE), "-o", str(made)], check=True)
    return made


@contextmanager
def sampled(pids: Iterable[int]) -> Iterator[None]:
    """Samples of these processes, for `read` afterwards."""
    for pid in pids:
        _file(pid).unlink(missing_ok=True)
        os.kill(pid, TOGGLE)
    yield
    for pid in pids:
        os.kill(pid, TOGGLE)


def read(pid: int) -> list[Sample]:
    deadline = time.monotonic() + WRITING_SECONDS
    while not _file(pid).exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"process {pid} wrote no samples")
        time.sleep(0.1)
    samples = []
    for line in _file(pid).read_text().splitlines():
        stack, _space, count = line.rpartition(" ")
        samples.append(Sample([_short(frame) for frame in stack.split(";")], int(count)))
    return samples


def _file(pid: int) -> Path:
    return Path(os.environ["BENCH_SAMPLES"]) / f"{pid}.samples"


def _short(frame: str) -> str:
    """`claim (bots/claims.py)` of a path that is an installation's or ours."""
    function, _open, file = frame.partition(" (")
    for root in ("/site-packages/", f"{BASE_DIR}/", "/lib/python3.11/"):
        file = file.rpartition(root)[2]
    return f"{function} ({file}"


def show(samples: list[Sample], steps: Names, microseconds: float) -> None:
    """The steps and their packages, as shares of the microseconds that an answer takes in all."""
    whole = sum(sample.count for sample in samples)
    by_step: dict[str, Counter[str]] = defaultdict(Counter)
    in_all: Counter[str] = Counter()
    for sample in samples:
        by_step[sample.step(steps)][sample.package()] += sample.count
        in_all[sample.package()] += sample.count
    each = microseconds / whole
    for name, packages in sorted(by_step.items(), key=lambda item: -item[1].total()):
        print(f"    {packages.total() * each:6.0f} µs  {name}")
        print(f"              {_told(packages, each, microseconds * 0.004)}")
    print(f"    by package: {_told(in_all, each, microseconds * 0.004)}")


def _told(packages: Counter[str], each: float, at_least: float) -> str:
    large = [(name, count * each) for name, count in packages.most_common()]
    return ", ".join(f"{name} {spent:.0f}" for name, spent in large if spent >= at_least)
