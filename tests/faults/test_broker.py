"""What becomes of the broker is nobody's loss: it carries hints, the database has the questions."""

import time
from typing import Any

import pytest
import requests

from tests.faults.asking import Account, Asking, ask_many, percentile, settled
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, sized
from tests.platform import wait_for
from tests.upstream import Upstream

ASKS = 100  # fewer, and the slowest one alone would be the 99th percentile
ACCEPTED_SECONDS = 1.0
RESTARTS = sized(full=5, short=2)
UNAIDED_SECONDS = 30
# What a worker says that reads from the broker; a broker that does not serve yet says nothing.
PING = """
from portal.celery import app
try:
    with app.connection_for_write() as connection:
        result = len(app.control.ping(timeout=1, connection=connection))
except Exception:
    result = 0
"""


def tell_of_asks(tell: Tell, account: Account, accepted: dict[str, float], since: float) -> None:
    tell(
        account,
        accepted_p50_s=percentile(accepted.values(), 0.5),
        accepted_p99_s=percentile(accepted.values(), 0.99),
        answered_after_s=time.monotonic() - since,
    )


def broker_away(name: str, away: str, back: str) -> Any:
    """How the broker goes away and comes back, as one run of the fault."""
    return pytest.param(away, back, id=away, marks=pytest.mark.fault(3, name, rabbit=True))


@pytest.mark.parametrize(
    ("away", "back"),
    [
        broker_away("broker down at POST", "stop", "start"),
        broker_away("broker hanging at POST", "freeze", "thaw"),
    ],
)
def test_it_accepts_within_a_second_while_the_broker_is_away(
    stack: Stack, provider: Upstream, tell: Tell, away: str, back: str
):
    robot = stack.robot(provider)
    getattr(stack.broker, away)()
    try:
        accepted = ask_many(robot, ASKS, at_once=2)
    finally:
        getattr(stack.broker, back)()
    back_at = time.monotonic()
    account = settled(robot, provider, accepted)
    tell_of_asks(tell, account, accepted, back_at)
    assert account.is_sound
    assert percentile(accepted.values(), 0.99) <= ACCEPTED_SECONDS


def workers_back(stack: Stack) -> float:
    """Seconds until a worker reads from the broker again."""
    began = time.monotonic()
    wait_for(lambda: stack.hands.do(PING), 2 * UNAIDED_SECONDS, "a worker that reads again")
    return time.monotonic() - began


@pytest.mark.fault(4, "broker restarted under load", rabbit=True)
def test_workers_go_on_unaided_when_the_broker_was_restarted(
    stack: Stack, provider: Upstream, tell: Tell
):
    robot = stack.robot(provider)
    back = []
    with Asking(robot) as asking:
        for _ in range(RESTARTS):
            stack.broker.restart()
            back.append(workers_back(stack))
    account = settled(robot, provider, asking.accepted)
    tell(account, restarts=RESTARTS, workers_back_s=max(back))
    assert account.is_sound
    assert max(back) <= UNAIDED_SECONDS


@pytest.mark.fault(5, "FLUSHALL with a full queue")
def test_it_loses_nothing_when_the_broker_is_flushed(stack: Stack, provider: Upstream, tell: Tell):
    robot = stack.robot(provider)
    worker = stack.platform.part("celery", "worker")
    worker.suspend()
    try:
        accepted = ask_many(robot, sized(full=1000, short=50))
        queued = sum(each.answered_at is None for each in stack.records(robot).values())
        stack.memory.flush()
    finally:
        worker.resume()
    account = settled(robot, provider, accepted)
    tell(account, queued=queued)
    assert account.is_sound
    assert queued == len(accepted)


def readiness(stack: Stack) -> str:
    answer = requests.get(f"{stack.platform.url}/health/ready", timeout=20)
    return str(answer.json()["status"])


@pytest.mark.fault(6, "broker full (noeviction)")
def test_it_says_that_it_is_degraded_and_loses_nothing_when_the_broker_is_full(
    stack: Stack, provider: Upstream, tell: Tell
):
    robot = stack.robot(provider)
    stack.memory.fill()
    try:
        said = readiness(stack)
        accepted = ask_many(robot, sized(full=500, short=50))
        said_then = readiness(stack)
    finally:
        stack.memory.make_room()
    roomy = time.monotonic()
    account = settled(robot, provider, accepted)
    tell_of_asks(tell, account, accepted, roomy)
    tell(health=said)
    assert (said, said_then) == ("degraded", "degraded")
    assert account.is_sound
    wait_for(lambda: readiness(stack) == "ok", what="health")
