"""The stacks that the faults are run on, and what a run does with one.

How to write a run of a fault:

    @pytest.mark.fault(5, "flushed with a full queue")           # rabbit=True: holds there, too
    def test_it_loses_nothing_when_the_broker_is_flushed(stack: Stack, provider: Upstream, tell):
        robot = stack.robot(provider, "brisk")                   # a Client of a new number
        accepted = ask_many(robot, sized(full=1000, short=50))   # {messageID: second of acceptance}
        stack.broker.flush()                                     # .stop .start .restart .freeze ...
        account = settled(robot, provider, accepted)             # waits until all have ended
        tell(account, after_s=1.2)                               # the figures of the run's one line
        assert account.is_sound                                  # 0 lost, 0 failed, 0 twice, ...

`tell` may be called before the asserts and more than once: the line is printed at the end of the
run (and kept in var/faults/STACK.txt), `ok` where the test passed and `MISSED` where it did not.
Tests marked `fault` are what `make faults` runs; FAULT=5 chooses one. They are `processes`, too
(the mark is set for them). Figures that only hold for full sizes come from `sized(full, short)`.

The stack is named by FAULTS_STACK; without it, it is `large` where the test run has a DATABASE_URL:

embedded  SQLite and the platform's own Valkey. "Broker down" is that Valkey killed while its
          supervisor is frozen (which would start it again); "restarted" is killed and left to it.
large     a PostgreSQL cluster and a Redis (or Valkey) of the run's own.
rabbit    large, with a RabbitMQ node of the run's own as the broker.

`stack` (conftest.py) is one platform for the whole session, and its services are up when a run
begins: a run leaves it as it found it, and uses a number of its own. A run that needs settings of
its own opens `running_stack(directory, SETTING="value")`. Times are the product's in full size and
`BRISK` in short; `stack.lease`, `.sweep` are those in force. `stack.hands` is an operator's shell.
`stack.further(parts.worker())` runs one process more of a part on the same installation. Only what
runs on `stack` is on the named stack: `tests.platform.running_platform` knows DATABASE_URL alone.

    make faults [STACK=embedded] [FAULT=5]      # full sizes, and the tables at the end
    FAULT=5 FAULTS_STACK=large .venv/bin/python -m pytest -m fault tests/faults      # short
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil
from django.conf import settings

from portal.environment import BASE_DIR
from portal.supervisor import Part
from tests.faults.services import (
    EmbeddedMemory,
    OwnMemory,
    OwnPostgresql,
    OwnRabbitmq,
)
from tests.hands import Hands, hands_in
from tests.platform import BRISK, Client, Platform, wait_for
from tests.upstream import Upstream

EMBEDDED, LARGE, RABBIT = "embedded", "large", "rabbit"
NAME = os.environ.get("FAULTS_STACK") or (LARGE if os.environ.get("DATABASE_URL") else EMBEDDED)
FULL = os.environ.get("FAULTS_SIZE") == "full"
# Said aloud, so that whatever .env or default there is, a run in full size has the product's times.
REAL = {name: str(getattr(settings, name)) for name in BRISK}
TIMES = REAL if FULL else BRISK
PLENTY = "1000000"
# No limit but those that a run is about. Few answers at once in a worker: a bound on what a kill
# may repeat that is far below the number of messages.
CONCURRENCY = 64
ROOMY = {
    "LOCAL_MODEL": "0",
    "WORKER_CONCURRENCY": str(CONCURRENCY),
    "DDIO_REQUESTS_PER_SECOND": PLENTY,
    "DDIO_REQUEST_BURST": PLENTY,
    "ASKS_PER_NUMBER_AND_DAY": PLENTY,
    "ASKS_PER_PERSON_AND_DAY": PLENTY,
    "PENDING_PER_PERSON": PLENTY,
    "QUEUE_SECONDS_AT_MOST": PLENTY,
    "OUTBOUND_ALLOW": "127.0.0.1",
}
NEW_NUMBER = """
number = factories.number()
Robot.objects.filter(number=number).update(model={model!r})
factories.key(number, {url!r})
result = {{"appId": number.app_id, "appSecret": factories.secret(number).clear}}
"""
RECORDS = """
rows = Message.objects.filter(number__app_id={!r})
result = [
    [each.pk, each.status, each.attempt, each.asked_at.timestamp(),
     each.answered_at.timestamp() if each.answered_at else None]
    for each in rows
]
"""


def sized(full: int, short: int) -> int:
    return full if FULL else short


class Record(NamedTuple):
    """A message's row; times in seconds, as `time.time()` has them."""

    status: str
    attempt: int
    asked_at: float
    answered_at: float | None


@dataclass
class Stack:
    """A platform that is ready, and the services that it stands on."""

    name: str
    platform: Platform
    memory: OwnMemory | EmbeddedMemory  # journal, limits, wake-ups
    broker: OwnMemory | EmbeddedMemory | OwnRabbitmq
    database: OwnPostgresql | None  # None: SQLite, in platform.data_dir
    hands: Hands

    @property
    def lease(self) -> float:
        return float(self.platform.environment["LEASE_SECONDS"])

    @property
    def sweep(self) -> float:
        return float(self.platform.environment["SWEEP_SECONDS"])

    @property
    def supervisor(self) -> psutil.Process:
        """While it is suspended, no part that dies is started again."""
        assert self.platform.process
        return psutil.Process(self.platform.process.pid)

    def robot(self, provider: Upstream, model: str = "brisk") -> Client:
        """An external system of a new number's, whose robot answers as the model's name says."""
        return self.platform.client(self.hands.do(NEW_NUMBER.format(model=model, url=provider.url)))

    def records(self, robot: Client) -> dict[str, Record]:
        """What the database has of the robot's messages, by messageID."""
        rows = self.hands.do(RECORDS.format(robot.credentials["appID"]))
        return {message_id: Record(*rest) for message_id, *rest in rows}

    @contextmanager
    def further(
        self, part: Part, ready: str = "", **environment: str
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """One process more of this part; begins when `ready` is in its log, ends with SIGTERM."""
        log = self.platform.data_dir / "logs" / f"further-{part.name}-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                list(part.command),
                cwd=BASE_DIR,
                env=self.platform.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            wait_for(lambda: ready in log.read_text(), what=f"{ready!r} in {log}")
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(timeout=part.grace)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def running_stack(directory: Path, name: str = NAME, **environment: str) -> Iterator[Stack]:
    """A stack whose platform is ready; nothing of it is left afterwards."""
    with ExitStack() as ending:
        database, own_memory, rabbit = _services(directory, name, ending)
        addresses = {}
        if database and own_memory:
            addresses = {"DATABASE_URL": database.url, "REDIS_URL": own_memory.url}
        if rabbit:
            addresses["CELERY_BROKER_URL"] = rabbit.url
        platform = Platform(directory, addresses | TIMES | ROOMY | environment)
        ending.callback(_end, platform)
        platform.start()
        memory = own_memory or EmbeddedMemory(platform)
        hands = ending.enter_context(hands_in(platform))
        yield Stack(name, platform, memory, rabbit or memory, database, hands)


def _services(
    directory: Path, name: str, ending: ExitStack
) -> tuple[OwnPostgresql | None, OwnMemory | None, OwnRabbitmq | None]:
    if name == EMBEDDED:
        return None, None, None
    database = OwnPostgresql()
    ending.callback(database.remove)
    memory = OwnMemory(_made(directory / "memory"))
    rabbit = OwnRabbitmq(_made(directory / "rabbit")) if name == RABBIT else None
    for service in [database, memory, *([rabbit] if rabbit else [])]:
        ending.callback(service.stop)
        service.start()
    return database, memory, rabbit


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _end(platform: Platform) -> None:
    if platform.process:
        platform.process.send_signal(signal.SIGCONT)  # a run that failed may have left it frozen
        platform.stop()
