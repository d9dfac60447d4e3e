"""Workers that die: answers go on, each question is answered once, the feed stays whole."""

import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.faults.asking import Asking, ask_many, settled
from tests.faults.figures import Tell
from tests.faults.stacks import CONCURRENCY, FULL, Stack, sized
from tests.platform import Client, wait_for
from tests.upstream import Upstream

MESSAGES = sized(full=1000, short=60)
KILLS = sized(full=10, short=2)
SUSPECT = 2  # deaths
KILLS_IN_A_ROW = sized(full=12, short=6)  # more than one question may die
UNHURRIED = f"echo-{1.5 if FULL else 0.5}"  # so that the kills find something to kill
CALLERS = 8
PAUSE_SECONDS = 0.8 if FULL else 0.4  # of each caller
PROGRESS = sized(full=90, short=10)  # answers between two kills, at least: they come evenly
# Starting a worker again takes a while. Where nobody knows that it has died, the lease comes first.
SECONDS_BEYOND_LEASE = 15
STATE = """
rows = Message.objects.filter(number__app_id={!r})
running = rows.filter(status="running").values_list("pk", "attempt")
result = [rows.exclude(answered_at=None).count(), list(map(list, running))]
"""


@dataclass
class Kills:
    """When workers were killed, and which messages' attempts each kill ended."""

    stack: Stack
    robot: Client
    progress: int = PROGRESS
    at: list[float] = field(default_factory=list)
    ended: dict[tuple[str, int], float] = field(default_factory=dict)  # (message, attempt): when
    answered: int = 0

    def kill(self) -> None:
        """Kill the worker in the midst of its work: what it holds, others have not held before."""
        wait_for(self._is_at_work, 120, "progress")
        at = time.time()
        self.stack.platform.kill_worker()
        self.at.append(at)
        _answered, running = self._state()  # of the dead: its successor takes seconds to come
        for pk, attempt in running:
            self.ended.setdefault((pk, attempt), at)

    def _state(self) -> tuple[int, list[tuple[str, int]]]:
        code = STATE.format(self.robot.credentials["appID"])
        answered, running = self.stack.hands.do(code)
        return answered, [(pk, attempt) for pk, attempt in running]

    def _is_at_work(self) -> bool:
        try:
            self.stack.platform.part("celery", "worker")
        except LookupError:  # the one that was killed has no successor yet
            return False
        answered, running = self._state()
        is_holding = any((pk, attempt) not in self.ended for pk, attempt in running)
        if answered < self.answered + self.progress or not is_holding:
            return False
        self.answered = answered
        return True

    def recovery(self, ends: dict[str, float]) -> float:
        """The longest time from a kill to the next answer, whosever."""
        return max(min(end for end in ends.values() if end > kill) - kill for kill in self.at)

    def recovery_of_held(self, ends: dict[str, float]) -> float:
        """The longest time from a message's last death to its answer."""
        last: dict[str, float] = {}
        for (pk, _attempt), at in self.ended.items():
            last[pk] = max(at, last.get(pk, 0.0))
        return max(ends[pk] - at for pk, at in last.items())

    @property
    def deaths(self) -> Counter[str]:
        """How often each message has died with its worker."""
        return Counter(pk for pk, _attempt in self.ended)


def killed_while_asked(kills: Kills, times: int) -> dict[str, float]:
    """What was accepted while the worker was killed so many times."""
    with Asking(kills.robot, CALLERS, PAUSE_SECONDS) as asking:
        for _ in range(times):
            kills.kill()
    return asking.accepted


@pytest.mark.fault(1, "worker kill -9", rabbit=True)
def test_it_answers_everything_once_however_often_the_worker_dies(
    stack: Stack, provider: Upstream, tell: Tell
):
    robot = stack.robot(provider, UNHURRIED)
    kills = Kills(stack, robot)
    accepted = killed_while_asked(kills, KILLS)
    accepted |= ask_many(robot, max(0, MESSAGES - len(accepted)))
    account = settled(robot, provider, accepted, 180)
    ends = {pk: each.answered_at or 0.0 for pk, each in stack.records(robot).items()}
    next_s, held_s = kills.recovery(ends), kills.recovery_of_held(ends)
    most = max(kills.deaths.values())
    tell(account, kills=KILLS, claimed=len(kills.ended), most_deaths=most)
    tell(next_answer_s=next_s, held_settled_s=held_s)
    assert account.is_sound
    assert all(item["answer"] == f"You said: {item['question']}" for item in account.feed)
    assert account.repeats <= KILLS * CONCURRENCY
    assert max(next_s, held_s) <= stack.lease + SECONDS_BEYOND_LEASE


@pytest.mark.long
@pytest.mark.fault(1, "worker kill -9 again and again")
def test_it_blames_no_question_for_a_worker_that_keeps_dying(
    stack: Stack, provider: Upstream, tell: Tell
):
    robot = stack.robot(provider)
    kills = Kills(stack, robot, progress=10)
    accepted = killed_while_asked(kills, KILLS_IN_A_ROW)
    account = settled(robot, provider, accepted, 180)
    last = max(each.answered_at or 0.0 for each in stack.records(robot).values())
    most = max(kills.deaths.values())
    tell(account, kills=KILLS_IN_A_ROW, claimed=len(kills.ended), most_deaths=most)
    tell(all_settled_s=last - kills.at[-1])
    assert most >= SUSPECT  # or there was nobody to blame
    assert account.is_sound
    assert last - kills.at[-1] <= stack.lease + SECONDS_BEYOND_LEASE


@pytest.mark.fault(1, "worker kill -9 in mid-stream", rabbit=True)
def test_it_goes_on_with_the_stream_of_a_killed_worker(
    stack: Stack, provider: Upstream, tell: Tell
):
    robot = stack.robot(provider, "slow")
    message_id = robot.ask("Count to forty.")["messageID"]
    events = []
    for event in robot.stream(message_id):
        events.append(event)
        if len(events) == 5:
            stack.platform.kill_worker()
    kinds = [kind for kind, _id, _data in events]
    after_reset = events[len(kinds) - 1 - kinds[::-1].index("reset") :]
    text = "".join(data["text"] for kind, _id, data in after_reset if kind == "delta")
    tell(events=len(events), resets=kinds.count("reset"), done=kinds.count("done"))
    assert kinds.count("done") == 1
    assert text == events[-1][2]["answer"] == " ".join(map(str, range(1, 41))) + " "
