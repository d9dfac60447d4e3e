"""Limits: counted atomically in Valkey, by each process for itself while Valkey is away."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import redis

from bots import quotas
from bots.models import Message
from ddio_api import limits
from ddio_api.errors import DdioError
from portal import counters, credentials, valkey
from portal.slots import Slots
from tests import factories
from tests.conftest import DdioClient
from tests.ddio_api.answers import settle

NOON = 1_800_000_000 // 86_400 * 86_400 + 43_200


@pytest.fixture(autouse=True)
def fresh_local_counters(monkeypatch):
    monkeypatch.setattr(counters, "_local", counters._Local())


@pytest.fixture
def noon(monkeypatch):
    """The clock of the daily and the per-minute counters stands still."""
    clock = SimpleNamespace(time=lambda: NOON, monotonic=lambda: 1000.0)
    monkeypatch.setattr(counters, "time", clock)
    return clock


@pytest.fixture
def slow_refill(settings):
    """So slow that a bucket never gains a request during a test."""
    settings.DDIO_REQUESTS_PER_SECOND = 0.001
    settings.DDIO_REQUEST_BURST = 50


@pytest.fixture
def room_for_all(settings, monkeypatch):
    """A client that 200 threads may use at once; a web process has but a few threads."""
    client = redis.Redis.from_url(settings.REDIS_URL, max_connections=250)
    monkeypatch.setattr(valkey, "_sync_client", lambda _url: client)


def all_at_once(threads: int) -> list[counters.Allowance]:
    barrier = threading.Barrier(threads)

    def take(_index: int) -> counters.Allowance:
        barrier.wait()
        return limits.take_request(7)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(take, range(threads)))


def send(client: DdioClient, text="Hello?", key="", **more):
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("chat/send", {"openID": "alice", "message": text} | more, **headers)


# The rate of requests ------------------------------------------------------------------------


def test_of_200_at_once_exactly_the_burst_passes(slow_refill, room_for_all):
    taken = all_at_once(200)
    assert sum(allowance.allowed for allowance in taken) == 50
    assert sorted(one.remaining for one in taken if one.allowed) == list(range(50))


def test_of_200_at_once_exactly_the_burst_passes_without_valkey(slow_refill, without_valkey):
    assert sum(allowance.allowed for allowance in all_at_once(200)) == 50


def test_a_bucket_refills_at_the_rate(settings):
    settings.DDIO_REQUESTS_PER_SECOND, settings.DDIO_REQUEST_BURST = 20, 1
    assert limits.take_request(7).allowed
    refused = limits.take_request(7)
    assert not refused.allowed
    assert 0 < refused.wait <= 0.05


def test_an_empty_bucket_leaves_nothing_behind_for_ever(settings):
    settings.DDIO_REQUESTS_PER_SECOND = 0.1  # it is full again in ten seconds
    limits.take_request(7)
    store = redis.Redis.from_url(settings.REDIS_URL)
    assert store.pttl("fw:rate:7") > 0


def test_two_apps_do_not_share_a_bucket(slow_refill, settings):
    settings.DDIO_REQUEST_BURST = 1
    assert limits.take_request(7).allowed
    assert limits.take_request(8).allowed


def test_who_is_too_fast_hears_when_to_come_again(client_of_alice, settings):
    settings.DDIO_REQUESTS_PER_SECOND, settings.DDIO_REQUEST_BURST = 0.1, 1
    first, second = (client_of_alice.get("chat/feedback") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 429)
    assert second.json()["code"] == 45011
    assert 1 <= int(second.headers["Retry-After"]) <= 10


def test_every_response_tells_what_is_left(client_of_alice):
    answer = client_of_alice.get("chat/feedback")
    assert answer.headers["RateLimit-Policy"] == '"app";q=200;w=2'
    assert answer.headers["RateLimit"] == '"app";r=199;t=2'


def test_a_refused_request_is_told_that_nothing_is_left(client_of_alice, settings):
    settings.DDIO_REQUESTS_PER_SECOND, settings.DDIO_REQUEST_BURST = 0.1, 1
    answers = [client_of_alice.get("chat/feedback") for _ in range(2)]
    assert "r=0" in answers[1].headers["RateLimit"]


def test_a_wrong_request_counts_too(client_of_alice, slow_refill, settings):
    settings.DDIO_REQUEST_BURST = 1
    assert client_of_alice.get("chat/feedback/absent").status_code == 404
    assert client_of_alice.get("chat/feedback").status_code == 429


def test_calls_are_served_without_valkey(client_of_alice, without_valkey):
    assert client_of_alice.get("chat/feedback").status_code == 200
    assert send(client_of_alice).status_code == 202


def test_local_counters_do_not_grow_without_end():
    local = counters._Local()
    counted = [local.count_all({str(key): 5}) for key in range(counters.LOCAL_ENTRIES_AT_MOST + 5)]
    assert set(counted) == {1}
    assert len(local.used) <= counters.LOCAL_ENTRIES_AT_MOST


# The day's asks ------------------------------------------------------------------------------


@pytest.fixture
def two_a_day(settings, noon):
    settings.ASKS_PER_NUMBER_AND_DAY = 2


def test_a_number_has_so_many_asks_a_day(client_of_alice, two_a_day):
    answers = [send(client_of_alice, openID=f"p{index}") for index in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[2].json()["code"] == 45009
    assert int(answers[2].headers["Retry-After"]) == 43_200


def test_a_person_has_so_many_asks_a_day(client_of_alice, settings, noon):
    settings.ASKS_PER_PERSON_AND_DAY = 1
    assert send(client_of_alice).status_code == 202
    assert send(client_of_alice).json()["code"] == 45009
    assert send(client_of_alice, openID="bob").status_code == 202


def test_a_person_over_the_limit_takes_nothing_from_the_number(
    client_of_alice, settings, two_a_day
):
    settings.ASKS_PER_PERSON_AND_DAY = 1
    assert [send(client_of_alice).status_code for _ in range(3)] == [202, 429, 429]
    assert send(client_of_alice, openID="bob").status_code == 202


def test_tomorrow_is_another_day(client_of_alice, two_a_day, noon):
    assert [send(client_of_alice).status_code for _ in range(3)] == [202, 202, 429]
    noon.time = lambda: NOON + 86_400
    assert send(client_of_alice).status_code == 202


def test_asks_are_counted_without_valkey(client_of_alice, two_a_day, without_valkey):
    assert [send(client_of_alice).status_code for _ in range(3)] == [202, 202, 429]


REFUSED = {
    "an invented person": {"openID": "o_someone"},
    "an unknown conversation": {"conversationID": "conv_0"},
    "another request under the key": {"key": "used", "text": "Other"},
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_a_refused_ask_gives_its_quota_back(client_of_alice, two_a_day, refused):
    send(client_of_alice, key="used")
    assert send(client_of_alice, **refused).status_code in (404, 409)
    assert send(client_of_alice).status_code == 202


def test_too_many_pending_gives_the_quota_back(client_of_alice, two_a_day, settings):
    settings.PENDING_PER_PERSON = 1
    assert [send(client_of_alice).status_code for _ in range(4)] == [202, 429, 429, 429]
    settle(Message.objects.get())
    assert send(client_of_alice).status_code == 202


def test_a_replay_gives_its_quota_back(client_of_alice, two_a_day):
    assert [send(client_of_alice, key="k").status_code for _ in range(4)] == [202] * 4
    assert send(client_of_alice).status_code == 202


def test_quota_is_given_back_without_valkey(client_of_alice, two_a_day, without_valkey):
    assert [send(client_of_alice, key="k").status_code for _ in range(4)] == [202] * 4
    assert send(client_of_alice).status_code == 202


def test_what_is_given_back_after_a_flush_is_no_gift(settings, noon):
    store = redis.Redis.from_url(settings.REDIS_URL)
    with quotas.reserved([quotas.Limit(quotas.Whose.NUMBER, "7", 2)]):
        store.flushdb()
    assert store.keys() == []


def test_200_asks_at_once_never_pass_the_limit(noon, room_for_all):
    with ThreadPoolExecutor(50) as pool:
        used = list(pool.map(lambda _index: counters.count("fw:test", 30, 60), range(200)))
    assert sorted(used) == [-1] * 170 + list(range(1, 31))


# Wrong secrets -------------------------------------------------------------------------------


def guess(client: DdioClient, app_id: str, times: int) -> list[int]:
    body = {"appID": app_id, "appSecret": credentials.new_secret()}
    return [client.post("token", body).json()["code"] for _ in range(times)]


def test_thirty_wrong_secrets_a_minute_and_no_more(anonymous, number, noon):
    assert guess(anonymous, number.app_id, 32) == [40125] * 30 + [45011] * 2


def test_a_guesser_hears_when_the_minute_ends(noon):
    noon.time = lambda: NOON + 20
    _thirty = [limits.refuse_guessing("fw0", "192.0.2.1") for _ in range(30)]
    with pytest.raises(DdioError) as refused:
        limits.refuse_guessing("fw0", "192.0.2.1")
    assert refused.value.headers["Retry-After"] == "40"


def test_the_right_secret_passes_whatever_was_guessed_before(anonymous, number, noon):
    secret = factories.secret(number)
    guess(anonymous, number.app_id, 31)
    body = {"appID": number.app_id, "appSecret": secret.clear}
    assert anonymous.post("token", body).status_code == 200


def test_guesses_at_one_app_do_not_count_for_another(anonymous, number, charlies_number, noon):
    guess(anonymous, number.app_id, 31)
    assert guess(anonymous, charlies_number.app_id, 1) == [40125]


def test_guesses_from_one_address_do_not_count_for_another(anonymous, number, noon):
    guess(anonymous, number.app_id, 31)
    anonymous._client.defaults["REMOTE_ADDR"] = "192.0.2.7"
    assert guess(anonymous, number.app_id, 1) == [40125]


def test_a_forged_forwarding_header_wins_no_guesses(anonymous, number, noon):
    guess(anonymous, number.app_id, 31)
    body = {"appID": number.app_id, "appSecret": credentials.new_secret()}
    answer = anonymous.post("token", body, **{"X-Forwarded-For": "192.0.2.9"})
    assert answer.json()["code"] == 45011


def test_an_unknown_app_is_counted_alike(anonymous, db, noon):
    assert guess(anonymous, "fw" + "0" * 16, 31)[-1] == 45011


def test_guesses_are_counted_without_valkey(anonymous, number, noon, without_valkey):
    assert guess(anonymous, number.app_id, 31) == [40125] * 30 + [45011]


# Waiting ----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["chat/feedback?wait=5", "chat/feedback/{pk}/stream"])
def test_an_app_holds_so_many_calls_and_no_more(client_of_alice, number, settings, path):
    settings.DDIO_HELD_PER_APP = 1
    message = factories.message(number)
    with Slots({f"app:{number.pk}": 1}).taken():
        refused = client_of_alice.call("GET", path.format(pk=message.pk))
    assert (refused.status_code, refused.json()["code"]) == (429, 45011)
    assert refused.headers["Retry-After"] == "5"


@pytest.mark.django_db(transaction=True)
def test_a_call_that_waited_gives_its_place_back(client_of_alice, number, settings):
    settings.DDIO_HELD_PER_APP = 1
    statuses = [client_of_alice.get("chat/feedback", {"wait": 0.01}).status_code for _ in "12"]
    assert statuses == [200, 200]


@pytest.mark.parametrize("address", ["", "redis://127.0.0.1:1/0"], ids=["valkey", "without it"])
def test_several_counts_are_all_or_nothing(settings, address):
    settings.REDIS_URL = address or settings.REDIS_URL
    assert counters.count_all({"wide": 5, "narrow": 1}, 60) == 1
    assert counters.count_all({"wide": 5, "narrow": 1}, 60) == -2
    assert counters.peek("wide") == 1
