"""What the benches stand on: databases, a Valkey and web servers of their own, and wrk.

Import it before anything of Django: it names the settings. `DATABASE_URL` names the PostgreSQL
server (by default the one of this machine) on which databases are created, and dropped afterwards;
`DATABASE_URL=sqlite` takes SQLite in a temporary directory, where a bench says that it can.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit, urlunsplit

import django
import psutil
import psycopg
import requests
from django.core.management import call_command
from django.db import connections

SERVER = os.environ.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
ON_SQLITE = SERVER == "sqlite"
THREADS = "4"


def where() -> str:
    return "the embedded stack" if ON_SQLITE else "PostgreSQL"


def _url(name: str) -> str:
    return urlunsplit(urlsplit(SERVER)._replace(path=f"/{name}"))


# The platform's settings read the environment once, so all of it is decided here.
_directory = tempfile.TemporaryDirectory(prefix="fuwuhao-bench-")
_name = f"fuwuhao_bench_{secrets.token_hex(4)}"
os.environ.pop("REDIS_URL", None)
os.environ.pop("DATABASE_URL", None)
os.environ |= {
    "FUWUHAO_DOTENV": "0",
    "DATA_DIR": _directory.name,
    "DJANGO_SETTINGS_MODULE": "bench.settings",
    "WEB_THREADS": THREADS,
    "LOG_LEVEL": "ERROR",
    "LOCAL_MODEL": "0",
}
if not ON_SQLITE:
    os.environ["DATABASE_URL"] = _url(_name)
django.setup()

from portal import parts  # noqa: E402 - settings first
from portal.embedded import free_port  # noqa: E402

COMMON = ["--loop", "uvloop", "--http", "1", "--backlog", "4096", "--backpressure", "4096"]
COMMON += ["--no-ws", "--workers", "1", "--workers-kill-timeout", "5"]
ASGI = [*COMMON, "--interface", "asgi", "portal.asgi:application"]
WRK = Path(__file__).with_name("wrk.lua")
CONNECTIONS = 32
READY_SECONDS = 30.0


# Databases and Valkey ---------------------------------------------------------------------------


@contextmanager
def database(name: str) -> Iterator[str]:
    """A PostgreSQL database that lives as long as the context; its URL."""
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
        try:
            yield _url(name)
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[call-overload]


@contextmanager
def platform() -> Iterator[psutil.Process]:
    """The database, migrated, and Valkey, whose process it yields; both are gone afterwards."""
    with _directory, _valkey() as valkey:
        if ON_SQLITE:
            call_command("migrate", verbosity=0)
            yield valkey
            return
        with database(_name):
            call_command("migrate", verbosity=0)
            yield valkey
            for connection in connections.all():
                connection.close_pool()  # type: ignore[attr-defined]


@contextmanager
def _valkey() -> Iterator[psutil.Process]:
    with running(parts.valkey().command, {}) as pid:
        yield psutil.Process(pid)


@contextmanager
def running(command: Sequence[str], more: Mapping[str, str]) -> Iterator[int]:
    """The program while the context lasts; what it wrote is shown where the bench fails."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=os.environ | more, stdout=log, stderr=log)
        went_well = False
        try:
            yield process.pid
            went_well = True
        finally:
            ended = process.poll()
            process.terminate()
            process.wait(15)
            if not went_well and ended is not None:
                sys.stderr.write(f"it had ended by itself, with {ended}: {' '.join(command)}\n")
            if not went_well:
                log.seek(0)
                sys.stderr.write(log.read().decode(errors="replace")[-4000:])


# Web servers ------------------------------------------------------------------------------------


@dataclass
class Site:
    """One web server: one process behind one port."""

    port: int
    worker: psutil.Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        times = self.worker.cpu_times()
        return times.user + times.system


@contextmanager
def serving(flags: list[str], **environment: str) -> Iterator[Site]:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--port", str(port), *flags]
    with running(command, environment) as pid:
        wait_until_it_answers(port, pid)
        yield Site(port, psutil.Process(pid).children()[-1])


def wait_until_it_answers(port: int, pid: int, seconds: float = READY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and psutil.pid_exists(pid):
        try:
            requests.get(f"http://127.0.0.1:{port}/", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("a web server did not come up")


# Load -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """The request that is made again and again."""

    path: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """What came of it: requests a second, milliseconds, and the server's CPU for each request."""

    rate: float
    p50: float
    p95: float
    cpu: float

    def __str__(self) -> str:
        times = f"p50 {self.p50:6.2f} ms  p95 {self.p95:6.2f} ms"
        return f"{self.rate:8,.0f}/s  {times}  {self.cpu:5.3f} ms CPU"


def load(site: Site, call: Call, seconds: float, connections: int = CONNECTIONS) -> Load:
    """wrk against the site; every answer has to be a good one."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("this bench needs wrk: apt-get install wrk")
    headers = "".join(f"{name}: {value}\n" for name, value in call.headers.items())
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(WRK)]
    before = site.cpu_seconds()
    done = subprocess.run(
        [*command, f"{site.url}{call.path}"],
        env=os.environ | {"BENCH_BODY": call.body, "BENCH_HEADERS": headers},
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 30,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    if found["bad"] or not found["requests"]:
        raise SystemExit(f"{call.path}: {found['bad']} of {found['requests']} answers were bad")
    return Load(
        rate=found["requests"] / found["seconds"],
        p50=found["p50"],
        p95=found["p95"],
        cpu=(site.cpu_seconds() - before) * 1000 / found["requests"],
    )


def in_turns(
    contestants: Mapping[str, tuple[Site, Call]], rounds: int, seconds: float
) -> dict[str, list[Load]]:
    """Each contestant in each round, so that what else the machine does is shared by all."""
    for site, call in contestants.values():
        load(site, call, 1)  # warm
    found: dict[str, list[Load]] = {name: [] for name in contestants}
    for _round in range(rounds):
        for name, (site, call) in contestants.items():
            found[name].append(load(site, call, seconds))
    return found


def ratio(ours: list[Load], theirs: list[Load]) -> float:
    """Of the rates in the same round, so that nobody pays for what the machine did in another."""
    return median(one.rate / other.rate for one, other in zip(ours, theirs, strict=True))


def middle(loads: list[Load]) -> Load:
    def of(figure: Callable[[Load], float]) -> float:
        return median(figure(load) for load in loads)

    return Load(
        rate=of(lambda load: load.rate),
        p50=of(lambda load: load.p50),
        p95=of(lambda load: load.p95),
        cpu=of(lambda load: load.cpu),
    )


# Goals ------------------------------------------------------------------------------------------


@dataclass
class Goals:
    """The stated goals; the bench's exit code says whether all are met."""

    missed: int = 0

    def at_least(self, what: str, figure: float, goal: float) -> None:
        self._say(what, figure, f"at least {goal:g}", figure >= goal)

    def at_most(self, what: str, figure: float, goal: float) -> None:
        self._say(what, figure, f"at most {goal:g}", figure <= goal)

    def _say(self, what: str, figure: float, goal: str, met: bool) -> None:
        self.missed += not met
        print(f"{'ok    ' if met else 'MISSED'} {what}: {figure:.2f} ({goal})")

    def leave(self) -> None:
        loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
        print(f"load averages of the machine now: {loads}")
        sys.exit(1 if self.missed else 0)
