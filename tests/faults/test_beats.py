"""Beat tidies up; that answers go on needs none, and a second one does no harm."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from portal.supervisor import Part
from tests.faults.asking import ask_many, settled
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, sized
from tests.platform import wait_for
from tests.upstream import Upstream

MESSAGES = sized(full=300, short=40)
BRISK_BEAT = Part("beat", [sys.executable, "-m", "tests.faults.brisk_beat"])


@contextmanager
def no_beat(stack: Stack) -> Iterator[None]:
    """Beat is dead, and stays so: its supervisor is frozen."""
    stack.supervisor.suspend()
    beat = stack.platform.part("celery", "beat")
    beat.kill()
    try:
        yield
    finally:
        stack.supervisor.resume()
        wait_for(lambda: not beat.is_running(), what="the end of beat")


@pytest.mark.fault(9, "beat dead")
def test_nothing_is_stuck_without_a_beat(stack: Stack, provider: Upstream, tell: Tell):
    robot, retried = stack.robot(provider), stack.robot(provider, "429")
    with no_beat(stack):
        accepted, again = ask_many(robot, MESSAGES), ask_many(retried, 5)
        account, failed = settled(robot, provider, accepted), settled(retried, provider, again)
    tell(account, retried=failed.repeats, given_up=failed.failed)
    assert account.is_sound
    assert account.repeats == 0
    assert (failed.lost, failed.failed, failed.twice) == (0, 5, 0)


@pytest.mark.fault(9, "two beats, each second")
def test_nothing_happens_twice_with_two_beats(stack: Stack, provider: Upstream, tell: Tell):
    robot = stack.robot(provider)
    with (
        stack.further(BRISK_BEAT, "Sending due task"),
        stack.further(BRISK_BEAT, "Sending due task"),
    ):
        account = settled(robot, provider, ask_many(robot, MESSAGES))
    tell(account, beats=3)
    assert account.is_sound
    assert account.repeats == 0
