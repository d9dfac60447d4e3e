"""Two workers and one question: whoever holds the lease answers, the other one writes nothing."""

import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from portal import parts
from tests.faults.asking import ask_many, settled
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, sized
from tests.platform import Client, wait_for
from tests.upstream import Upstream

WORDS = " ".join(map(str, range(1, 41))) + " "  # what the model `slow` says, in eight seconds
SLEEPERS = sized(full=20, short=3)
CONTESTED = sized(full=20, short=3)
TIMES = 50
# The nudge of the asking itself comes on top of these.
PUBLISH = """
from concurrent.futures import ThreadPoolExecutor
from celery import current_app
def publish(message_id):
    current_app.send_task("bots.tasks.answer", args=[message_id], ignore_result=True)
with ThreadPoolExecutor(10) as pool:
    list(pool.map(publish, {!r} * {}))
"""


@pytest.fixture
def worker(stack: Stack) -> Iterator[psutil.Process]:
    """The platform's own worker, awake afterwards."""
    found = stack.platform.part("celery", "worker")
    yield found
    found.resume()


def put_to_sleep(stack: Stack, worker: psutil.Process) -> None:
    """SIGSTOP, but not while it holds SQLite's one write lock, which would stop everybody."""
    wait_for(lambda: _sleeps_harmlessly(stack, worker), what="a moment without a transaction")


def _sleeps_harmlessly(stack: Stack, worker: psutil.Process) -> bool:
    worker.suspend()
    if stack.database:
        return True
    path = stack.platform.data_dir / "fuwuhao.sqlite3"
    try:
        with sqlite3.connect(path, timeout=1, isolation_level=None) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        worker.resume()
        return False
    return True


def attempts(stack: Stack, robot: Client) -> set[int]:
    return {each.attempt for each in stack.records(robot).values()}


def calls_of(provider: Upstream, message_ids: Iterable[str]) -> int:
    counts = provider.calls()["counts"]
    return sum(counts.get(each, 0) for each in message_ids)


def followed(robot: Client, message_id: str) -> tuple[int, str, str]:
    """Of a stream to its end: resets, the text since the last of them, the answer."""
    resets, text, answer = 0, "", ""
    for kind, _id, data in robot.stream(message_id):
        if kind == "reset":
            resets, text = resets + 1, ""
        elif kind == "delta":
            text += data["text"]
        elif kind == "done":
            answer += data["answer"]
    return resets, text, answer


@pytest.mark.fault(7, "worker asleep past its lease")
def test_it_ignores_what_a_worker_writes_that_slept_through_its_lease(
    stack: Stack, provider: Upstream, tell: Tell, worker: psutil.Process
):
    robot = stack.robot(provider, "slow")
    with ThreadPoolExecutor(SLEEPERS) as readers:
        accepted = ask_many(robot, SLEEPERS)
        reading = [readers.submit(followed, robot, message_id) for message_id in accepted]
        wait_for(lambda: calls_of(provider, accepted) == SLEEPERS, what="the calls")
        put_to_sleep(stack, worker)
        with stack.further(parts.worker(), "ready."):
            wait_for(lambda: attempts(stack, robot) == {2}, 3 * stack.lease + 20, "the new claims")
            worker.resume()
            account = settled(robot, provider, accepted)
            seen = [each.result() for each in reading]
    tell(account, attempts=str(attempts(stack, robot)), resets=sum(each[0] for each in seen))
    assert account.is_sound
    assert {item["answer"] for item in account.feed} == {WORDS}
    assert set(seen) == {(1, WORDS, WORDS)}
    assert attempts(stack, robot) == {2}
    assert account.repeats == SLEEPERS


@pytest.mark.fault(8, "one task published 50 times")
def test_it_answers_once_what_is_published_fifty_times(
    stack: Stack, provider: Upstream, tell: Tell, worker: psutil.Process
):
    robot = stack.robot(provider)
    with stack.further(parts.worker(), "ready.") as other:
        put_to_sleep(stack, worker)
        put_to_sleep(stack, psutil.Process(other.pid))
        accepted = ask_many(robot, CONTESTED)
        stack.hands.do(PUBLISH.format(list(accepted), TIMES))
        worker.resume()
        psutil.Process(other.pid).resume()
        account = settled(robot, provider, accepted)
    tell(account, published=TIMES * CONTESTED, workers=2)
    assert account.is_sound
    assert account.repeats == 0
