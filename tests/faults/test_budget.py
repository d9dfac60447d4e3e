"""A budget, far too many questions at once, and a worker killed in their midst."""

from typing import Any

import pytest

from portal import parts
from tests.faults.asking import ask_many, settled
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, sized
from tests.platform import Client, wait_for
from tests.upstream import Upstream

ASKS = sized(full=1000, short=200)
PAID_FOR = ASKS // 2
# By the simulator's count: 11 for a question of one word, and 5 for its answer.
LIMIT = PAID_FOR * 16
AT_ONCE = 50
LIMITED = """
number = factories.number()
Robot.objects.filter(number=number).update(model="echo-0.5", answer_tokens=5)
factories.key(number, {url!r}, "sk-busy-1", priority=0)
factories.key(number, {url!r}, "sk-good-1", priority=1)
Budget.objects.create(number=number, tokens={limit})
result = {{"appId": number.app_id, "appSecret": factories.secret(number).clear}}
"""
LEDGER = """
rows = LedgerEntry.objects.filter(number__app_id={!r})
facts = ("message_id", "state", "prompt_tokens", "completion_tokens", "is_estimated")
result = list(map(list, rows.values_list(*facts)))
"""


def limited(stack: Stack, provider: Upstream) -> Client:
    """A robot with a budget, whose first key is too busy as long as it is asked."""
    return stack.platform.client(stack.hands.do(LIMITED.format(url=provider.url, limit=LIMIT)))


def entries(stack: Stack, robot: Client) -> list[list[Any]]:
    """The ledger, once it has ended everything: what a dead worker left takes some leases."""
    code = LEDGER.format(robot.credentials["appID"])

    def ended() -> list[list[Any]]:
        rows = stack.hands.do(code)
        return [] if any(row[1] == "reserved" for row in rows) else rows

    found: list[list[Any]] = wait_for(ended, 6 * stack.lease + 30, "the end of all entries")
    return found


def charged(rows: list[list[Any]], *, estimated: bool) -> int:
    return sum(row[2] + row[3] for row in rows if row[4] is estimated)


@pytest.mark.fault(20, "a budget for half of what is asked, a worker killed")
def test_no_budget_is_passed_and_each_call_is_charged(stack: Stack, provider: Upstream, tell: Tell):
    robot = limited(stack, provider)
    provider.reset()
    with stack.further(parts.worker(), "ready."):
        accepted = ask_many(robot, ASKS, AT_ONCE)
        wait_for(lambda: provider.calls()["in_flight"], what="calls")
        stack.platform.kill_worker()
        account = settled(robot, provider, accepted, 240)
        rows = entries(stack, robot)
    told, states = provider.calls(), [row[1] for row in rows]
    seen = told["tokens"]["prompt"] + told["tokens"]["completion"]
    exact, estimated = charged(rows, estimated=False), charged(rows, estimated=True)
    tell(asked=ASKS, done=states.count("used"), budget=LIMIT, provider=seen, ledger=exact)
    tell(estimated=estimated, aborted=told["tokens"]["aborted"], unknown=states.count("unknown"))
    assert account.lost == 0
    assert exact + estimated <= LIMIT
    assert seen <= LIMIT
    # What the dead worker's calls have used nobody knows: it is charged as it was reserved.
    assert exact <= seen <= exact + estimated
