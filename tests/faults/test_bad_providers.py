"""Whatever a provider does: the right end, after so many calls, in bounded time and memory."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from bots import faults
from tests.faults.asking import ask
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, running_stack, sized
from tests.platform import Client
from tests.upstream import Upstream

# How the simulator's models end, and after how many calls: the faults' own patience.
ENDS = {
    "401": faults.KEY_REFUSED,
    "402": faults.OUT_OF_QUOTA,
    "403": faults.NO_ACCESS,
    "404": faults.NO_ACCESS,
    "429": faults.RATE_LIMITED,
    "429-quota": faults.OUT_OF_QUOTA,
    "500": faults.PROVIDER_FAULT,
    "503": faults.PROVIDER_FAULT,
    "redirect": faults.PROVIDER_FAULT,
    "reset": faults.PROVIDER_FAULT,
    "sse-error": faults.PROVIDER_FAULT,
    "silent": faults.TIMED_OUT,
    "hang": faults.TIMED_OUT,
    "stall": faults.TIMED_OUT,
    "drip": faults.TIMED_OUT,
    "cut": faults.CUT_OFF,
    "no-finish": faults.CUT_OFF,
    "garbage": faults.CUT_OFF,
    "html": faults.CUT_OFF,
    "compressed": faults.CUT_OFF,
    "huge": faults.TOO_LARGE,
    "huge-event": faults.TOO_LARGE,
}
FINE = {"length": None, "filtered": None, "nul": None, "no-usage": None, "flaky-2": None}
# Short, and yet longer than a busy machine takes for all of these at once: who is starved of time
# is no provider that hangs.
ANSWER_SECONDS = sized(full=12, short=6)
DEADLINES = {
    "FIRST_TOKEN_SECONDS": f"{ANSWER_SECONDS / 2:.0f}",
    "BETWEEN_TOKENS_SECONDS": f"{ANSWER_SECONDS / 2 - 1:.0f}",
    "ANSWER_SECONDS": f"{ANSWER_SECONDS}",
}
RETRIES_SECONDS = 40  # what lies between five attempts, and a busy machine
GROWTH_MB_AT_MOST = 100  # less than a single one of the huge answers


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose deadlines are short."""
    with running_stack(tmp_path_factory.mktemp("hurried"), **DEADLINES) as running:
        yield running


@dataclass
class Ended:
    """How a question to such a model ended."""

    model: str
    status: str
    code: int | None
    calls: int
    seconds: float

    @property
    def is_right(self) -> bool:
        wanted = (ENDS | FINE)[self.model]
        calls = 3 if self.model == "flaky-2" else faults.FAULTS[wanted].attempts if wanted else 1
        state = "failed" if wanted else "done"
        return (self.status, self.code, self.calls) == (state, wanted, calls)


class Memory:
    """What the worker holds, in megabytes: before, and at most since."""

    def __init__(self, stack: Stack) -> None:
        self._of = Path(f"/proc/{stack.platform.part('celery', 'worker').pid}")
        (self._of / "clear_refs").write_text("5")  # the peak begins anew
        self._before = self._megabytes("VmRSS")

    def _megabytes(self, name: str) -> float:
        lines = (self._of / "status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))

    def growth(self) -> float:
        return self._megabytes("VmHWM") - self._before


def put(client: Client, model: str) -> tuple[str, str, int | None, float]:
    began = time.monotonic()
    message_id, _took = ask(client, "Hello?")
    end = began + 10 * RETRIES_SECONDS
    while (item := client.item(message_id, wait=20))["status"] in ("queued", "running"):
        assert time.monotonic() < end, f"{model}: no end of {message_id}"
    code = (item["error"] or {}).get("code")
    return message_id, item["status"], code, time.monotonic() - began


def put_all(stack: Stack, provider: Upstream, models: list[str]) -> list[Ended]:
    """A question to each model at once, each to a number of its own: a refused key is spent."""
    clients = [stack.robot(provider, model) for model in models]
    with ThreadPoolExecutor(len(models)) as pool:
        ended = list(pool.map(put, clients, models))
    counts = provider.calls()["counts"]
    return [
        Ended(model, status, code, counts[message_id], seconds)
        for model, (message_id, status, code, seconds) in zip(models, ended, strict=True)
    ]


@pytest.mark.fault(11, "a provider that does what it likes")
def test_whatever_the_provider_does_it_ends_rightly_and_soon(
    hurried: Stack, provider: Upstream, tell: Tell
):
    put_all(hurried, provider, ["echo-like"] * 8)
    memory = Memory(hurried)
    ended = put_all(hurried, provider, [*ENDS, *FINE] * sized(full=10, short=1))
    wrong = [one for one in ended if not one.is_right]
    slowest = max(ended, key=lambda one: one.seconds)
    after = put_all(hurried, provider, ["echo-like"])
    tell(kinds=len(ENDS | FINE), questions=len(ended), wrong=len(wrong))
    tell(slowest_s=slowest.seconds, slowest=slowest.model, growth_mb=memory.growth())
    assert wrong == []
    assert slowest.seconds <= 2 * ANSWER_SECONDS + RETRIES_SECONDS
    assert memory.growth() <= GROWTH_MB_AT_MOST
    assert after[0].status == "done"
