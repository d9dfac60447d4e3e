"""An answer's stream that breaks off anywhere, and is taken up again anywhere else."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.faults import fleet
from tests.faults.asking import ask
from tests.faults.figures import Tell
from tests.faults.readers import Reader
from tests.faults.stacks import Stack, sized
from tests.platform import Client, wait_for
from tests.upstream import Upstream

READERS_OF_EACH = 2
LEAVES = 0.1  # how likely a reader leaves after an event
WHOLE = "".join(f"{number} " for number in range(1, 41))  # what the provider's model `slow` says


def restless(number: int) -> Callable[[int], bool]:
    """When this reader leaves: the same in each run."""
    chance = random.Random(number)
    return lambda _events: chance.random() < LEAVES


@contextmanager
def reading(client: Client, answers: int, *bases: str) -> Iterator[list[Reader]]:
    """So many answers are asked for, and two readers follow each; all are through at the end."""
    asked = [ask(client, f"q{number}")[0] for number in range(answers)]
    readers = [
        Reader(client, message_id, *(bases if number else bases[::-1]))
        for message_id in asked
        for number in range(READERS_OF_EACH)
    ]
    with ThreadPoolExecutor(len(readers)) as pool:
        running = [
            pool.submit(reader.follow, leaves=restless(number))
            for number, reader in enumerate(readers)
        ]
        wait_for(lambda: all(len(reader.text) > 20 for reader in readers), what="some text")
        yield readers
        finish(running)


def finish(running: list[Future[Reader]]) -> None:
    for each in running:
        each.result()


def figures(readers: list[Reader]) -> dict[str, int]:
    return {
        "readers": len(readers),
        "connections": sum(reader.connections for reader in readers),
        "cut off": sum(reader.cuts + reader.refusals for reader in readers),
        "resets": sum(reader.resets for reader in readers),
        "misplaced": sum(reader.misplaced for reader in readers),
        "not whole": sum(not (reader.is_whole and reader.text == WHOLE) for reader in readers),
    }


def base(web: fleet.Web) -> str:
    return f"http://127.0.0.1:{web.port}/platform/api2"


@pytest.mark.fault(16, "streams cut, resumed elsewhere")
def test_readers_who_come_back_anywhere_have_all_once(stack: Stack, provider: Upstream, tell: Tell):
    webs = [fleet.Web(stack.platform, f"stream-{number}") for number in (1, 2)]
    client = stack.robot(provider, "slow")
    with (
        fleet.running(*webs),
        reading(client, sized(full=50, short=5), *map(base, webs)) as readers,
    ):
        stack.platform.kill_worker()
        webs[0].kill()
        webs[0].start()
    told = figures(readers)
    tell(**told)
    assert [reader.errors for reader in readers if reader.errors] == []
    assert told["misplaced"] == told["not whole"] == 0
    assert told["resets"] > 0


@pytest.mark.fault(16, "streams whose journal goes away")
def test_readers_have_the_settled_answer_without_a_journal(
    stack: Stack, provider: Upstream, tell: Tell
):
    client = stack.robot(provider, "slow")
    try:
        with reading(client, sized(full=20, short=2), client.base) as readers:
            stack.memory.stop()
    finally:
        stack.memory.start()
    told = figures(readers)
    tell(**told)
    assert [reader.errors for reader in readers if reader.errors] == []
    assert told["misplaced"] == told["not whole"] == 0
