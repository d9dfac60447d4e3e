"""quota: what is left of the limits."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from bots import quotas
from bots.models import Budget
from portal import counters
from portal.models import State
from tests import factories
from tests.bots.spending import spend
from tests.conftest import ddio_client
from tests.ddio_api.test_limits import NOON, send

pytestmark = pytest.mark.django_db
EITHER = pytest.mark.parametrize("store", ["with_valkey", "without_valkey"])


@pytest.fixture(autouse=True)
def fresh_local_counters(monkeypatch):
    monkeypatch.setattr(counters, "_local", counters._Local())


@pytest.fixture
def with_valkey() -> None:
    return None


@pytest.fixture
def slow_refill(settings):
    settings.DDIO_REQUESTS_PER_SECOND, settings.DDIO_REQUEST_BURST = 0.001, 50


def quota(client):
    return client.get("quota").json()["result"]


@EITHER
def test_requests_are_those_of_the_app(client_of_alice, slow_refill, store, request):
    request.getfixturevalue(store)
    seen = [quota(client_of_alice)["requests"] for _ in range(3)]
    assert [(one["limit"], one["remaining"]) for one in seen] == [(50, 49), (50, 48), (50, 47)]


def test_requests_tell_when_as_many_may_come_at_once_again(client_of_alice, slow_refill):
    told = quota(client_of_alice)["requests"]["resetAt"]
    left = datetime.fromisoformat(told) - timezone.now()
    assert timedelta(seconds=990) < left <= timedelta(seconds=1000)


@EITHER
def test_asks_are_the_numbers_of_today(client_of_alice, settings, store, request):
    request.getfixturevalue(store)
    settings.ASKS_PER_NUMBER_AND_DAY = 10
    for open_id in ("alice", "bob"):
        client_of_alice.post("chat/send", {"openID": open_id, "message": "Hello?"})
    asks = quota(client_of_alice)["asks"]
    assert (asks["limit"], asks["remaining"]) == (10, 8)


def test_looking_takes_nothing(client_of_alice):
    seen = [quota(client_of_alice)["asks"]["remaining"] for _ in range(5)]
    assert seen == [10_000] * 5


def test_what_is_used_up_leaves_nothing(client_of_alice, settings):
    settings.ASKS_PER_NUMBER_AND_DAY = 2
    _asked = [send(client_of_alice) for _ in range(3)]
    settings.ASKS_PER_NUMBER_AND_DAY = 1
    assert quota(client_of_alice)["asks"]["remaining"] == 0


def test_asks_and_tokens_begin_anew_at_midnight_utc(client_of_alice):
    told = quota(client_of_alice)
    midnight = datetime.fromisoformat(told["asks"]["resetAt"])
    assert (midnight.hour, midnight.minute, midnight.second, midnight.microsecond) == (0, 0, 0, 0)
    assert timedelta(0) < midnight - timezone.now() <= timedelta(days=1)
    assert told["tokens"]["resetAt"] == told["asks"]["resetAt"]


def test_without_a_budget_tokens_have_no_limit_and_tell_what_was_used_today(
    client_of_alice, number
):
    spend(number, 7, 3)
    spend(number, 7, 3, at=timezone.now() - timedelta(days=1))
    tokens = quota(client_of_alice)["tokens"]
    assert (tokens["limit"], tokens["remaining"], tokens["used"]) == (None, None, 10)


def test_with_a_budget_tokens_are_those_of_the_month(client_of_alice, number):
    Budget.objects.create(number=number, tokens=100)
    spend(number, 7, 3)
    spend(number, 5, 15, state="reserved")
    tokens = quota(client_of_alice)["tokens"]
    assert (tokens["limit"], tokens["remaining"], tokens["used"]) == (100, 70, 10)
    assert datetime.fromisoformat(tokens["resetAt"]).day == 1


def test_another_numbers_are_not_told(client_of_alice, charlies_number):
    spend(charlies_number)
    assert quota(client_of_alice)["tokens"]["used"] == 0


@pytest.mark.parametrize("state", [State.DRAFT, State.IN_REVIEW, State.REJECTED])
def test_before_the_approval_asks_are_the_owners_trials(alice, settings, state):
    settings.SANDBOX_ASKS_PER_OWNER_AND_DAY = 5
    client = ddio_client(factories.number(owner=alice, state=state))
    client.post("chat/send", {"openID": "sandbox", "message": "Hello?"})
    asks = quota(client)["asks"]
    assert (asks["limit"], asks["remaining"]) == (5, 4)


def test_of_two_limits_that_is_told_which_ends_sooner(alice, settings):
    settings.ASKS_PER_NUMBER_AND_DAY = 3
    client = ddio_client(factories.number(owner=alice, state=State.DRAFT))
    assert quota(client)["asks"]["limit"] == 3


def test_it_costs_the_same_for_twice_as_many_messages(
    client_of_alice, number, django_assert_num_queries
):
    for _ in range(6):
        spend(number)
    with django_assert_num_queries(1):
        quota(client_of_alice)


def test_it_is_for_reading_only(client_of_alice):
    answer = client_of_alice.post("quota", {})
    assert (answer.status_code, answer.json()["code"]) == (405, 43002)


# The counters beneath ---------------------------------------------------------------------------


def test_a_bucket_nobody_took_from_is_full():
    level = counters.level("fw:rate:7", 10, 20)
    assert (level.remaining, level.until_full) == (20, 0)


@EITHER
def test_an_empty_bucket_has_nothing_left(store, request):
    request.getfixturevalue(store)
    for _ in range(3):
        counters.take("fw:rate:7", 0.001, 3)
    level = counters.level("fw:rate:7", 0.001, 3)
    assert level.remaining == 0
    assert 2990 < level.until_full <= 3000


@EITHER
def test_a_limit_knows_what_is_used_of_it(number, store, request, monkeypatch):
    request.getfixturevalue(store)
    clock = SimpleNamespace(time=lambda: NOON, monotonic=lambda: 1000.0)
    monkeypatch.setattr(counters, "time", clock)
    limit = quotas.limit_of_number(number.pk)
    assert limit.used() == 0
    quotas.ask(factories.question(number))
    assert limit.used() == 1
