"""The platform's processes as `make up` starts them, on a stage of their own, and their cost."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psutil
from django.conf import settings
from django.db import connection
from django.test import override_settings

from bench import sampling, stage
from bench.askers import Requests, post
from bench.stage import ON_SQLITE, Site
from bots.models import Robot
from ddio_api import tokens
from portal import parts
from portal.embedded import free_port
from portal.models import ServiceNumber
from portal.supervisor import Part
from tests import factories

SEND = "/platform/api2/chat/send"
ASKS_OF_A_PERSON = 10  # then the next one comes, so that the context stays small


@dataclass(frozen=True)
class Upstream:
    """`bench.upstream`, running."""

    port: int
    process: psutil.Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@dataclass
class Pipeline:
    """All of it, running."""

    valkey: psutil.Process
    upstream: Upstream
    worker: psutil.Process
    web: Site
    backends: set[psutil.Process] = field(default_factory=set)

    def processes(self) -> dict[str, list[psutil.Process]]:
        """By what they do; the client is this process."""
        found = {
            "web": [self.web.worker],
            "worker": [self.worker],
            "Valkey": [self.valkey],
            "upstream": [self.upstream.process],
            "client": [psutil.Process()],
        }
        return found if ON_SQLITE else found | {"PostgreSQL": self._backends()}

    def _backends(self) -> list[psutil.Process]:
        """Those that serve our database, and those that did."""
        name = f" {settings.DATABASES['default']['NAME']} "
        serving = [one for one in psutil.process_iter(["name", "cmdline"]) if _serves(one, name)]
        self.backends.update(serving)
        return [one for one in self.backends if one.is_running()]


def _serves(process: psutil.Process, database: str) -> bool:
    is_backend = process.info["name"] == "postgres"
    return is_backend and database in " ".join(process.info["cmdline"] or [])


# Starting ---------------------------------------------------------------------------------------


@contextmanager
def upstream() -> Iterator[Upstream]:
    port = free_port()
    command = [sys.executable, "-m", "bench.upstream", str(port)]
    with stage.running(command, {}) as pid:
        stage.wait_until_it_answers(port, pid)
        yield Upstream(port, psutil.Process(pid))


def _environment(part: Part) -> dict[str, str]:
    own = dict(part.environment)
    return own | sampling.environment(own["PYTHONPATH"])


@contextmanager
def worker(**more: str) -> Iterator[psutil.Process]:
    """One worker process that has told of itself; `more`: settings by environment."""
    with override_settings(**{name: int(value) for name, value in more.items()}):
        part = parts.worker()
    with stage.running(part.command, {**_environment(part), **more}) as pid:
        _wait_for_heartbeat(pid)
        yield psutil.Process(pid)


def _wait_for_heartbeat(pid: int) -> None:
    code = "import time\nfrom portal.models import WorkerHeartbeat as H\n"
    code += f"while not H.objects.filter(name__contains=':{pid}:').exists(): time.sleep(0.1)"
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    subprocess.run(command, check=True, timeout=60)


@contextmanager
def web() -> Iterator[Site]:
    with override_settings(PORT=free_port()):
        part, port = parts.web(), settings.PORT
    with stage.running(part.command, _environment(part)) as pid:
        stage.wait_until_it_answers(port, pid)
        yield Site(port, psutil.Process(pid).children()[-1])


@contextmanager
def pipeline(**of_worker: str) -> Iterator[Pipeline]:
    with ExitStack() as running:
        valkey = running.enter_context(stage.platform())
        provider = running.enter_context(upstream())
        answering = running.enter_context(worker(**of_worker))
        site = running.enter_context(web())
        yield Pipeline(valkey, provider, answering, site)


# Asking -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class App:
    """A number whose robot asks the upstream, and the token of one who speaks for it."""

    number: ServiceNumber
    token: str

    def send(self, open_id: str, wait: float = 0) -> bytes:
        body = {"openID": open_id, "message": "Are you there?", "wait": wait}
        return post(SEND, json.dumps(body).encode(), self.token)

    def persons(self, prefix: str, wait: float = 60) -> Requests:
        """Each asker's questions: of one person after the other, nobody else's."""

        def requests(index: int) -> Iterator[bytes]:
            person = 0
            while True:
                request = self.send(f"{prefix}-{index}-{person}", wait)
                for _ask in range(ASKS_OF_A_PERSON):
                    yield request
                person += 1

        return requests


def app(provider: Upstream, model: str = "instant") -> App:
    number = factories.number()
    Robot.objects.filter(number=number).update(model=model)
    factories.key(number, provider.url)
    secret = factories.secret(number)
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    return App(number, token)


# Costs ------------------------------------------------------------------------------------------


def cpu_seconds(processes: Mapping[str, list[psutil.Process]]) -> dict[str, float]:
    return {name: sum(_cpu(one) for one in some) for name, some in processes.items()}


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


@contextmanager
def metered(
    processes: Callable[[], Mapping[str, list[psutil.Process]]],
) -> Iterator[dict[str, float]]:
    """What each of them has spent, in CPU seconds, once the context is left."""
    spent: dict[str, float] = {}
    before = cpu_seconds(processes())
    yield spent
    after = cpu_seconds(processes())
    spent |= {name: after[name] - before.get(name, 0.0) for name in after}


def database_connections(process: psutil.Process) -> int:
    """PostgreSQL's, of this process: its sockets to the database's port."""
    if ON_SQLITE:
        return 0
    port = int(connection.settings_dict["PORT"] or 5432)
    return sum(1 for one in process.net_connections() if one.raddr and one.raddr.port == port)


@dataclass
class Watch:
    """The most that was seen of a process."""

    rss: float = 0.0  # MB
    threads: int = 0
    connections: int = 0


@contextmanager
def watching(process: psutil.Process, pause: float = 0.25) -> Iterator[Watch]:
    seen, done = Watch(), threading.Event()

    def look() -> None:
        while not done.wait(pause):
            seen.rss = max(seen.rss, process.memory_info().rss / 2**20)
            seen.threads = max(seen.threads, process.num_threads())
            seen.connections = max(seen.connections, database_connections(process))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def load_averages() -> str:
    return ", ".join(f"{load:.1f}" for load in os.getloadavg())
