"""The broker loses everything it held: what was accepted is in the database."""

import pytest

from tests.faults.asking import ask_many, settled
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, sized
from tests.upstream import Upstream


@pytest.mark.fault(5, "FLUSHALL with a full queue")
def test_it_loses_nothing_when_the_broker_is_flushed(stack: Stack, provider: Upstream, tell: Tell):
    robot = stack.robot(provider)
    worker = stack.platform.part("celery", "worker")
    worker.suspend()
    try:
        accepted = ask_many(robot, sized(full=1000, short=50))
        queued = stack.hands.do("result = number.messages.unsettled().count()")
        stack.memory.flush()
    finally:
        worker.resume()
    account = settled(robot, provider, accepted)
    tell(account, queued=queued)
    assert account.is_sound
    assert queued == len(accepted)
