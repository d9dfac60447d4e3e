"""The real platform for a test: `manage.py up` with a data directory and ports of its own.

Where the test run names PostgreSQL and Redis, the platform uses them too, in a database of its own.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import psutil
import psycopg
import redis
import requests

from portal.embedded import free_port
from portal.environment import BASE_DIR

READY_SECONDS = 60.0
DATABASE = "fuwuhao.sqlite3"
REDIS_DATABASES = 16
OWN_REDIS_DATABASE = 4  # so many behind the one that the test run names
# Short leases make a test of a dead worker quick; the relations between the times stay.
# And whoever wants the simulator asks for it.
BRISK = {
    "SIMULATOR": "0",
    "LEASE_SECONDS": "4",
    "LEASE_RENEWAL_SECONDS": "1",
    "SWEEP_SECONDS": "1",
    "NUDGE_AGAIN_SECONDS": "2",
}


def wait_for(true: Callable[[], Any], seconds: float = 30.0, what: str = "it") -> Any:
    """What `true` returned once it was truthy; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.05)
    return found


@cache
def migrated_database() -> Path:
    """A new installation's SQLite file, made once: or each of a hundred platforms made one."""
    directory = Path(tempfile.mkdtemp(prefix="fuwuhao-migrated-"))
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=BASE_DIR,
        env=inherited | {"DATA_DIR": str(directory), "FUWUHAO_DOTENV": "0"},
        check=True,
        timeout=120,
    )
    return directory / DATABASE


class Platform:
    """A running platform, and the hands to use and to hurt it."""

    is_from_scratch = False  # whether it makes its database by itself, as the first start does

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = directory / "var"
        self.output = directory / "up.log"
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = {"PORT": str(self.port), "DATA_DIR": str(self.data_dir), "FUWUHAO_DOTENV": "0"}
        self.environment = inherited | own | environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start and wait until it is ready; returns the seconds that took."""
        if not self.is_from_scratch and "DATABASE_URL" not in self.environment:
            self._take_migrated_database()
        began = time.monotonic()
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=BASE_DIR,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(self.is_ready, READY_SECONDS, "readiness")
        return time.monotonic() - began

    def _take_migrated_database(self) -> None:
        if not self.data_dir.exists():
            self.data_dir.mkdir(parents=True, mode=0o700)
            shutil.copyfile(migrated_database(), self.data_dir / DATABASE)

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output.read_text()
        return "\nready: http://" in self.output.read_text()

    def stop(self) -> int:
        """Ctrl-C; returns the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=40)

    def processes(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, *words: str) -> psutil.Process:
        """The child whose command line holds all these words."""
        for process in self.processes():
            try:
                command = process.cmdline()
            except psutil.Error:
                continue
            if all(word in command for word in words):
                return process
        raise LookupError(f"no {words} among the children")

    def kill_worker(self) -> None:
        self.part("celery", "worker").send_signal(signal.SIGKILL)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    def provision(self, *arguments: str, name: str = "Robot") -> dict[str, Any]:
        names = ["--developer-email", "dev@example.org", "--number-name", name]
        done = self.manage("provision", *names, "--approve", "--new-secret", "--json", *arguments)
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def client(self, provisioned: dict[str, Any]) -> "Client":
        return Client(self.url, provisioned["appId"], provisioned["appSecret"])

    def logs(self) -> str:
        files = [self.output, *(self.data_dir / "logs").glob("*")]
        return "".join(file.read_text(errors="replace") for file in files)


class Client:
    """An external system of the platform's."""

    def __init__(self, url: str, app_id: str, app_secret: str) -> None:
        self.base = f"{url}/platform/api2"
        self.session = requests.Session()
        self.session.trust_env = False
        self.credentials = {"appID": app_id, "appSecret": app_secret}
        grant = self.session.post(f"{self.base}/token", json=self.credentials, timeout=10)
        self.token = grant.json()["accessToken"]
        self.session.headers["Authorization"] = f"Bearer {self.token}"

    def revoke_token(self) -> None:
        """At OAuth's door."""
        path = urljoin(self.base, "/oauth2/revoke")
        auth = (self.credentials["appID"], self.credentials["appSecret"])
        answer = requests.post(path, data={"token": self.token}, auth=auth, timeout=30)
        assert answer.status_code == 200, answer.text

    def ask(self, message: str, open_id: str = "alice", wait: float = 0) -> dict[str, Any]:
        body = {"openID": open_id, "message": message, "wait": wait}
        answer = self.session.post(f"{self.base}/chat/send", json=body, timeout=wait + 20)
        assert answer.status_code in (200, 202), answer.text
        result: dict[str, Any] = answer.json()["result"]
        return result

    def item(self, message_id: str, wait: float = 0) -> dict[str, Any]:
        path = f"{self.base}/chat/feedback/{message_id}"
        answer = self.session.get(path, params={"wait": wait}, timeout=wait + 20)
        result: dict[str, Any] = answer.json()["result"]
        return result

    def feed(self) -> list[dict[str, Any]]:
        """The whole feed, followed page by page."""
        items: list[dict[str, Any]] = []
        cursor, more = "", True
        while more:
            query = {"cursor": cursor, "limit": "200"}
            page = self.session.get(f"{self.base}/chat/feedback", params=query, timeout=20).json()
            items += page["result"]["items"]
            cursor, more = page["result"]["next_cursor"], page["result"]["has_more"]
        return items

    def stream(self, message_id: str, last_event_id: str = "") -> Iterator[tuple[str, str, Any]]:
        """(event, id, data) of the answer's stream, until the server closes it."""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        path = f"{self.base}/chat/feedback/{message_id}/stream"
        with self.session.get(path, headers=headers, stream=True, timeout=60) as answer:
            lines = answer.iter_lines(chunk_size=1, decode_unicode=False)
            yield from parse_events(line.decode() for line in lines)


def parse_events(lines: Iterator[str]) -> Iterator[tuple[str, str, Any]]:
    """Server-Sent Events as WHATWG HTML has them, without comments and retry lines."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "event" in fields:
                yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


@contextmanager
def _database() -> Iterator[dict[str, str]]:
    """A PostgreSQL database of the test's own where the test run has one; else SQLite."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        yield {}
        return
    name = f"fuwuhao_{secrets.token_hex(4)}"
    with psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield {"DATABASE_URL": urlunsplit(urlsplit(url)._replace(path=f"/{name}"))}
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _redis() -> dict[str, str]:
    url = os.environ.get("REDIS_URL", "")
    if not url:
        return {}
    parts = urlsplit(url)
    named = int(parts.path.strip("/") or 0)
    database = (named + OWN_REDIS_DATABASE) % REDIS_DATABASES
    own = urlunsplit(parts._replace(path=f"/{database}"))
    redis.Redis.from_url(own).flushdb()
    return {"REDIS_URL": own}


@contextmanager
def running_platform(
    directory: Path, *, from_scratch: bool = False, **environment: str
) -> Iterator[Platform]:
    """A platform that is ready, and gone afterwards."""
    with _database() as database:
        platform = Platform(directory, database | _redis() | BRISK | environment)
        platform.is_from_scratch = from_scratch
        try:
            platform.start()
            yield platform
        finally:
            if platform.process:
                platform.stop()
