"""What kills tokens holds from the next request on: nothing that begins after it is done succeeds.

Under parallel calls at two web processes, through a flushed Valkey, too. REVOCATION_CALLS says how
many calls begin after the change; 1,000 is the figure that is promised.
"""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.faults.own_valkey import OwnValkey
from tests.hands import Hands, hands_in
from tests.platform import Client, Platform, running_platform, wait_for

pytestmark = pytest.mark.processes

CALLS = int(os.environ.get("REVOCATION_CALLS", "1000"))
CALLERS = 16
BEFORE = 100  # calls that succeed first, so that every process knows the app
NEW_APP = """
number = factories.number()
secret = factories.secret(number)
result = {"appId": number.app_id, "appSecret": secret.clear}
"""
CHANGES = {
    "suspend": "factories.suspended(number)",
    "reset": "credentials.reset(number, actor=None)",
    "freeze": "credentials.freeze(secret.row, actor=None)",
    "revoke": "credentials.revoke(secret.row, actor=None)",
}


@pytest.fixture(scope="module")
def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnValkey]:
    server = OwnValkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, own_valkey: OwnValkey) -> Iterator[Platform]:
    environment = {
        "REDIS_URL": own_valkey.url,
        "LOCAL_MODEL": "0",
        "WEB_WORKERS": "2",
        "DDIO_REQUESTS_PER_SECOND": "1000000",
        "DDIO_REQUEST_BURST": "1000000",
    }
    with running_platform(tmp_path_factory.mktemp("revocation"), **environment) as running:
        yield running


@pytest.fixture(scope="module")
def hands(platform: Platform) -> Iterator[Hands]:
    with hands_in(platform) as opened:
        yield opened


@pytest.fixture
def app(platform: Platform, hands: Hands) -> Client:
    """A new service number's own system, with a token."""
    return platform.client(hands.do(NEW_APP))


class Callers:
    """Many who call on and on with one token, and what came of each call."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._over = threading.Event()
        self.calls: list[tuple[float, int]] = []  # when it began, and the status

    def __enter__(self) -> "Callers":
        self._pool = ThreadPoolExecutor(CALLERS)
        self._running = [self._pool.submit(self._call) for _ in range(CALLERS)]
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._pool.shutdown()
        for running in self._running:
            running.result()

    def _call(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self._client.token}"
            while not self._over.is_set():
                began = time.monotonic()
                answer = session.get(f"{self._client.base}/chat/feedback?limit=1", timeout=30)
                self.calls.append((began, answer.status_code))

    def since(self, moment: float) -> list[int]:
        """The statuses of the calls that began after it."""
        return [status for began, status in list(self.calls) if began > moment]

    def until(self, count: int, moment: float = 0.0) -> None:
        wait_for(lambda: len(self.since(moment)) >= count, 60, f"{count} calls")


def killed(callers: Callers, kill: Any, valkey: OwnValkey) -> list[int]:
    """What became of CALLS calls that began after `kill` returned; half of them after a flush."""
    callers.until(BEFORE)
    valkey.client.flushall()
    callers.until(2 * BEFORE)
    kill()
    done = time.monotonic()
    callers.until(CALLS // 2, done)
    valkey.client.flushall()
    callers.until(CALLS, done)
    return callers.since(done)


def told(name: str, callers: Callers, after: list[int]) -> None:
    before = len(callers.calls) - len(after)
    print(f"{name}: {before} calls before, {len(after)} after, {after.count(200)} of them succeed")


@pytest.mark.parametrize("change", CHANGES)
def test_no_call_that_begins_after_the_change_succeeds(app, hands, own_valkey, change):
    with Callers(app) as callers:
        after = killed(callers, lambda: hands.do(CHANGES[change]), own_valkey)
    told(change, callers, after)
    assert set(after) <= {401, 403}
    assert callers.calls[0][1] == 200


def test_no_call_that_begins_after_its_token_was_revoked_succeeds(app, own_valkey):
    with Callers(app) as callers:
        after = killed(callers, app.revoke_token, own_valkey)
    told("one token", callers, after)
    assert set(after) == {401}
    assert callers.calls[0][1] == 200
