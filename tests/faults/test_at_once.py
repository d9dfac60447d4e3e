"""What many ask for at once: limits hold to the one, and a repeated request is one request.

Two web processes, a connection for each caller; what counts is counted in Valkey.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import requests

from portal import counters
from tests.faults.own_valkey import OwnValkey
from tests.hands import Hands, hands_in
from tests.platform import Client, Platform, running_platform, wait_for
from tests.upstream import Upstream, running_upstream

pytestmark = pytest.mark.processes

BURST = 200
A_NUMBER = 100
A_PERSON = 60
GUESSES = 100
LIMITS = {
    "DDIO_REQUESTS_PER_SECOND": "0.001",  # nothing comes back while a test runs
    "DDIO_REQUEST_BURST": f"{BURST}",
    "ASKS_PER_NUMBER_AND_DAY": f"{A_NUMBER}",
    "ASKS_PER_PERSON_AND_DAY": f"{A_PERSON}",
    "PENDING_PER_PERSON": "1000",
    "DDIO_WRONG_SECRETS_PER_MINUTE": f"{GUESSES}",
}
NEW_APP = """
number = factories.number()
factories.key(number, {!r})
result = {{"appId": number.app_id, "appSecret": factories.secret(number).clear}}
"""
A_DAY_PASSES = """
kept = IdempotencyKey.objects.get(key={!r})
kept.created_at -= timedelta(hours=24)
kept.save()
"""
ENOUGH_SECONDS = 20

Call = Callable[[requests.Session, int], requests.Response]


@pytest.fixture(scope="module")
def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnValkey]:
    server = OwnValkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, own_valkey: OwnValkey, provider: Upstream
) -> Iterator[Platform]:
    environment = LIMITS | {
        "REDIS_URL": own_valkey.url,
        "OUTBOUND_ALLOW": f"127.0.0.1:{provider.port}",
        "LOCAL_MODEL": "0",
        "WEB_WORKERS": "2",
    }
    with running_platform(tmp_path_factory.mktemp("at-once"), **environment) as running:
        yield running


@pytest.fixture(scope="module")
def hands(platform: Platform) -> Iterator[Hands]:
    with hands_in(platform) as opened:
        yield opened


@pytest.fixture
def app(platform: Platform, hands: Hands, own_valkey: OwnValkey, provider: Upstream) -> Client:
    """A new service number's own system; nobody has asked for anything today."""
    own_valkey.client.flushdb()
    return platform.client(hands.do(NEW_APP.format(provider.url)))


def at_once(count: int, call: Call) -> list[requests.Response]:
    """The answers to so many calls that leave together, each on a connection of its own."""
    ready = Barrier(count)

    def run(index: int) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            ready.wait()
            return call(session, index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def asking(app: Client, person: str, **headers: str) -> Call:
    """A question on behalf of a person; `{}` in the name is the caller's index."""
    headers |= {"Authorization": f"Bearer {app.token}"}

    def ask(session: requests.Session, index: int) -> requests.Response:
        body = {"openID": person.format(index), "message": "Hello?"}
        return session.post(f"{app.base}/chat/send", json=body, headers=headers, timeout=60)

    return ask


def codes(answers: list[requests.Response]) -> Counter[int]:
    return Counter(answer.json()["code"] for answer in answers)


def counted(valkey: OwnValkey, pattern: str) -> list[int]:
    return sorted(int(valkey.client.get(key)) for key in valkey.client.scan_iter(pattern))


def with_room_in(period: int) -> None:
    """Wait until so much of the period is left that the test will not see the next one."""
    left = period - time.time() % period
    if left < ENOUGH_SECONDS:
        time.sleep(left)


def test_of_400_requests_exactly_200_pass(app):
    headers = {"Authorization": f"Bearer {app.token}"}
    path = f"{app.base}/chat/feedback"
    answers = at_once(2 * BURST, lambda session, _: session.get(path, headers=headers, timeout=60))
    assert codes(answers) == {0: BURST, 45011: BURST}
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 429)


def test_of_200_asks_of_a_number_exactly_100_pass(app, own_valkey):
    with_room_in(counters.DAY_SECONDS)
    answers = at_once(2 * A_NUMBER, asking(app, "person-{}"))
    assert codes(answers) == {0: A_NUMBER, 45009: A_NUMBER}
    assert counted(own_valkey, "fw:asks:*:number:*") == [A_NUMBER]
    assert sum(counted(own_valkey, "fw:asks:*:person:*")) == A_NUMBER


def test_of_200_asks_of_a_person_exactly_60_pass(app, own_valkey):
    with_room_in(counters.DAY_SECONDS)
    answers = at_once(200, asking(app, "alice"))
    assert codes(answers) == {0: A_PERSON, 45009: 200 - A_PERSON}
    assert counted(own_valkey, "fw:asks:*") == [A_PERSON, A_PERSON]


def test_of_200_wrong_secrets_exactly_100_are_looked_at(app):
    with_room_in(counters.MINUTE_SECONDS)
    body = app.credentials | {"appSecret": "fwsk_wrong"}
    path = f"{app.base}/token"
    answers = at_once(2 * GUESSES, lambda session, _: session.post(path, json=body, timeout=60))
    right = requests.post(path, json=app.credentials, timeout=30)
    assert codes(answers) == {40125: GUESSES, 45011: GUESSES}
    assert right.json()["code"] == 0


def test_of_50_posts_with_one_key_one_is_a_message_and_a_call(app, provider, hands):
    ask = asking(app, "alice", **{"Idempotency-Key": "once"})
    answers = at_once(50, ask)
    message_id = answers[0].json()["result"]["messageID"]
    wait_for(lambda: app.item(message_id)["status"] == "done", what="the answer")
    assert {answer.json()["result"]["messageID"] for answer in answers} == {message_id}
    assert hands.do("result = number.messages.count()") == 1
    assert provider.calls()["counts"][message_id] == 1


def test_a_key_with_another_request_is_refused(app):
    asking(app, "alice", **{"Idempotency-Key": "once"})(app.session, 0)
    other = asking(app, "bob", **{"Idempotency-Key": "once"})(app.session, 0)
    assert (other.status_code, other.json()["code"]) == (409, 40900)


def test_a_key_is_free_again_after_24_hours(app, hands):
    ask = asking(app, "alice", **{"Idempotency-Key": "again"})
    first, repeated = (ask(app.session, 0).json()["result"]["messageID"] for _ in range(2))
    hands.do(A_DAY_PASSES.format("again"))
    later = ask(app.session, 0).json()["result"]["messageID"]
    assert first == repeated != later
