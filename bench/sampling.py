"""Where the CPU of running processes goes, by py-spy's samples: by step, and in it by package.

A sample's step is the first of STEPS that is anywhere on its stack, so the steps are told from the
particular to the general; its package is that of the innermost frame that PACKAGES knows.
"""

import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.litellm_proxy import install
from portal.environment import BASE_DIR

HOME = BASE_DIR / "var" / "bench" / "py-spy-0.4.3"
SAMPLES_A_SECOND = 100

# Part of a frame's "function (file)", and what it is called.
Names = Sequence[tuple[str, str]]

WORKER_STEPS: Names = [
    ("claim (bots/claims", "claim: transaction"),
    ("make_plan (bots/answering", "plan: robot, keys, earlier turns"),
    ("_announce (bots/settlement", "settle: after the commit (journal's end, wake-ups, next)"),
    ("settle (bots/settlement", "settle: transaction"),
    ("take_verdict (bots/", "verdict on the key"),
    ("tidily (bots/worker", "database pool: giving the connection back"),
    ("(bots/journal", "journal"),
    ("(bots/provider", "provider's call"),
    ("(bots/outbound", "provider's call"),
    ("(bots/answering", "answer: the coroutine itself"),
    ("_renew (bots/worker", "timers"),
    ("_sweep", "timers"),
    ("_beat (bots/worker", "timers"),
    ("(portal/wakeups", "listening for stops"),
    ("_run (bots/tasks", "task: handing to the loop and waiting"),
    ("(celery/app/trace", "Celery: task"),
    ("(celery/worker/", "Celery: consumer"),
    ("(celery/concurrency", "Celery: pool"),
    ("(kombu/", "Celery: consumer"),
    ("(celery/", "Celery: rest"),
    ("asyncio/base_events", "asyncio: loop"),
    ("concurrent/futures/thread", "thread pools: taking and giving work"),
]
WEB_STEPS: Names = [
    ("nudge (portal/nudges", "nudge"),
    ("_locked_person (bots/chat", "ask: person"),
    ("_conversation (bots/chat", "ask: conversation"),
    ("_write (bots/chat", "ask: message"),
    ("_accept (bots/chat", "ask: transaction, pending"),
    ("(bots/quotas", "quotas"),
    ("(portal/counters", "request limit"),
    ("(ddio_api/call_log", "call log"),
    ("(ddio_api/call_recording", ""),
    ("authenticate (", "authentication"),
    ("admit", "authentication"),
    ("run_validation (", "checking the input"),
    ("(ddio_api/parsing", "checking the input"),
    ("_is_settled (ddio_api/waiting", "wait: looks whether it is settled"),
    ("once_more (ddio_api/base", "wait: reads the settled row"),
    ("_state (ddio_api/views/chat", "wait: reads the row"),
    ("(portal/wakeups", "wait: subscribing, waking"),
    ("(ddio_api/waiting", "wait: the coroutine itself"),
    ("(portal/hold", "wait: the coroutine itself"),
    ("close_old_connections (django/db", "giving the connection back"),
    ("(rest_framework/", "DRF's frame"),
    ("(ddio_api/base", "our views' frame"),
    ("(portal/bridge", "bridge, and Django's middleware and handler"),
    ("asyncio/base_events", "loop"),
    ("(granian/", "loop"),
    ("concurrent/futures/thread", "thread pools: taking and giving work"),
]
PACKAGES: Names = [
    ("(psycopg_pool/", "psycopg's pool"),
    ("(psycopg", "psycopg"),
    ("(sqlite3/", "sqlite3"),
    ("(portal/postgresql", "psycopg's pool"),
    ("(django/db/backends/", "Django's database backend"),
    ("(django/db/transaction", "Django's transactions"),
    ("(django/db/", "Django's ORM"),
    ("(django/dispatch", "Django, other"),
    ("(django/", "Django, other"),
    ("(redis/", "redis-py"),
    ("(kombu/", "kombu"),
    ("(vine/", "kombu"),
    ("(amqp/", "kombu"),
    ("(celery/", "Celery"),
    ("(billiard/", "Celery"),
    ("(openai/", "openai"),
    ("(pydantic", "openai"),
    ("(httpx2/", "httpx2"),
    ("(httpcore2/", "httpcore2"),
    ("(h11/", "h11"),
    ("(anyio/", "anyio"),
    ("(rest_framework/", "DRF"),
    ("(structlog/", "structlog"),
    ("(csp/", "middleware"),
    ("(whitenoise/", "middleware"),
    ("(granian/", "Granian"),
    ("(bots/", "bots"),
    ("(portal/", "portal"),
    ("(ddio_api/", "ddio_api"),
    ("(json/", "json"),
    ("(ssl", "ssl"),
    ("(asyncio/", "asyncio"),
    ("(concurrent/futures", "thread pools"),
    ("(cryptography/", "cryptography"),
    ("(threading", "threading"),
    ("(selectors", "asyncio"),
]
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
def sampled(pids: Mapping[str, int], seconds: float, into: Path) -> Iterator[None]:
    """Take samples of the processes for so long, while the context does something."""
    install(HOME, ["py-spy==0.4.3"])
    command = [str(HOME / "bin" / "py-spy"), "record", "--format", "raw", "--full-filenames"]
    command += ["--function", "--rate", str(SAMPLES_A_SECOND), "--duration", f"{seconds:.0f}"]
    with ExitStack() as running:
        for name, pid in pids.items():
            to = ["--pid", str(pid), "--output", str(_file(into, name))]
            process = subprocess.Popen([*command, *to], stdout=subprocess.DEVNULL)
            running.callback(process.wait)
        yield


def read(into: Path, name: str) -> list[Sample]:
    samples = []
    for line in _file(into, name).read_text().splitlines():
        stack, _space, count = line.rpartition(" ")
        samples.append(Sample([_short(frame) for frame in stack.split(";")], int(count)))
    return samples


def _file(into: Path, name: str) -> Path:
    return into / f"{name}.samples"


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
