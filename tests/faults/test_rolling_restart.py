"""A rolling restart under load: by SIGTERM, one program after the other.

Who waits is let go and asks again, who reads a stream goes on where he was; nobody else notices.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bots.simulator import behaviours
from tests.faults import fleet
from tests.faults.asking import Account, settled
from tests.faults.balancer import Balancer, balancing
from tests.faults.figures import Tell
from tests.faults.load import Load, under
from tests.faults.stacks import Stack, sized
from tests.platform import Client
from tests.upstream import Upstream

BETWEEN_SECONDS = 2.0
WEB_STOPS_WITHIN, WORKER_STOPS_WITHIN = 5.0, 15.0  # the grace that portal.parts gives them
LONG_SECONDS, LONG_PIECES = 12.0, 40  # longer than a worker waits for its answers
LONG_AT_ONCE = 4


@pytest.fixture(autouse=True)
def long_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"{number} " for number in range(1, LONG_PIECES + 1)]
    counting = behaviours.giving(*words, pause=LONG_SECONDS / LONG_PIECES)
    monkeypatch.setitem(behaviours.BEHAVIOURS, "long", behaviours.Behaviour(counting, ""))


@contextmanager
def calling(stack: Stack, provider: Upstream, balancer: Balancer) -> Iterator[Load]:
    """People who ask and wait, who poll, and who read slow answers."""
    quick = through(balancer, stack.robot(provider, "brisk"))
    slow = through(balancer, stack.robot(provider, "slow"))
    with under(Load()) as load:
        load.begin(6, load.ask, quick)
        load.begin(4, load.poll, quick)
        load.begin(4, load.stream, slow)
        yield load


def through(balancer: Balancer, client: Client) -> Client:
    """The same system, with a connection of its own for each call."""
    made = Client(balancer.url, client.credentials["appID"], client.credentials["appSecret"])
    made.session.close()
    made.session.headers["Connection"] = "close"
    return made


def accounts(load: Load, provider: Upstream) -> list[Account]:
    return [settled(client, provider, accepted) for client, accepted in load.accepted.items()]


def figures(load: Load, balancer: Balancer, found: list[Account]) -> dict[str, int]:
    return {
        "messages": sum(len(account.accepted) for account in found),
        "lost": sum(account.lost + account.failed + account.twice for account in found),
        "repeats": sum(account.repeats for account in found),
        "calls": balancer.connections,
        "refused once": balancer.refused,
        "dropped": balancer.dropped + sum(reader.cuts for reader in load.readers),
        "wrong": len(load.wrong),
        "streams": len(load.readers),
        "resumed": sum(reader.connections - 1 for reader in load.readers),
        "resets": sum(reader.resets for reader in load.readers),
        "not whole": sum(not reader.is_whole for reader in load.readers),
    }


def nobody_notices(told: dict[str, int], load: Load) -> bool:
    assert load.wrong == []
    return not (told["lost"] or told["dropped"] or told["not whole"])


@pytest.mark.long
@pytest.mark.fault(12, "SIGTERM in a rolling restart")
def test_nobody_notices_that_all_are_restarted_in_turn(
    stack: Stack, provider: Upstream, tell: Tell
):
    webs = [fleet.Web(stack.platform, f"web-{number}") for number in (1, 2)]
    own, supervised = fleet.Worker(stack.platform, "worker-2"), fleet.SupervisedWorker(stack)
    stops: dict[str, list[float]] = {"web": [], "worker": []}
    with fleet.running(*webs, own), balancing(*(web.port for web in webs)) as balancer:
        long = through(balancer, stack.robot(provider, "long"))
        with calling(stack, provider, balancer) as load:
            for program in [webs[0], own, webs[1], supervised] * sized(full=5, short=1):
                load.once(LONG_AT_ONCE, load.stream, long)
                time.sleep(BETWEEN_SECONDS)
                stops[program.kind].append(program.terminate())
                program.start()
        told = figures(load, balancer, accounts(load, provider))
    slowest = {kind: max(seconds) for kind, seconds in stops.items()}
    tell(**told, web_stop_s=slowest["web"], worker_stop_s=slowest["worker"])
    assert nobody_notices(told, load)
    assert slowest["web"] <= WEB_STOPS_WITHIN
    assert slowest["worker"] <= WORKER_STOPS_WITHIN
