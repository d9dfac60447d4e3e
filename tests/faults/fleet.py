"""Programs of the platform outside its supervisor, for a test to stop, kill and start again.

They are started by the commands of `portal.parts`, beside a platform that is up: with its
environment, a web process with a port of its own.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence

import requests

from portal import parts
from portal.embedded import free_port
from portal.environment import BASE_DIR
from tests.faults.stacks import Stack
from tests.platform import Platform, wait_for

STOPPED_SECONDS = 30.0


class Program:
    """One of them."""

    kind: str
    command: Sequence[str]

    def __init__(self, platform: Platform, name: str) -> None:
        self.name = name
        self._platform = platform
        self.log = platform.output.with_name(f"{name}.log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it works."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=BASE_DIR,
                env={**self._platform.environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(self.is_ready, what=f"the start of {self.name}")

    def is_ready(self) -> bool:
        raise NotImplementedError

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def terminate(self) -> float:
        """SIGTERM; returns the seconds until it had ended by itself."""
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        assert self.process is not None
        self.process.wait(STOPPED_SECONDS)
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL to it and to all that it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(STOPPED_SECONDS)


class Web(Program):
    """A web server of one process, on a port of its own."""

    kind = "web"

    def __init__(self, platform: Platform, name: str) -> None:
        super().__init__(platform, name)
        self.port = free_port()
        self.command = [*parts.web().command]
        for option, value in (("--port", self.port), ("--workers", 1)):
            self.command[self.command.index(option) + 1] = str(value)

    def is_ready(self) -> bool:
        try:
            address = f"http://127.0.0.1:{self.port}/health/live"
            return requests.get(address, timeout=2).status_code == 200
        except requests.RequestException:
            return False


class Worker(Program):
    """A Celery worker."""

    kind = "worker"

    def __init__(self, platform: Platform, name: str) -> None:
        super().__init__(platform, name)
        self.command = [*parts.worker().command, "--hostname", f"{name}@%h"]
        self._starts = 0

    def start(self) -> None:
        self._starts += 1
        super().start()

    def is_ready(self) -> bool:
        return self.log.read_text(errors="replace").count('"worker_started"') >= self._starts


class SupervisedWorker:
    """The platform's own worker: it need not be started again, its supervisor does that."""

    kind = "worker"

    def __init__(self, stack: Stack) -> None:
        self._platform = stack.platform
        self._starts = 0

    def terminate(self) -> float:
        self._starts = self._started()
        part = self._platform.part("celery", "worker")
        began = time.monotonic()
        part.terminate()
        part.wait(STOPPED_SECONDS)
        return time.monotonic() - began

    def start(self) -> None:
        wait_for(lambda: self._started() > self._starts, what="the worker's next start")

    def _started(self) -> int:
        log = self._platform.data_dir / "logs" / "worker.log"
        return log.read_text(errors="replace").count('"worker_started"')


@contextlib.contextmanager
def running(*programs: Program) -> Iterator[None]:
    """All of them are started, and gone afterwards."""
    try:
        for program in programs:
            program.start()
        yield
    finally:
        for program in programs:
            program.kill()
