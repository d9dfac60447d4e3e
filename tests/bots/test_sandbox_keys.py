"""The simulator as a key: what it means, and when it answers."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots import key_checks, keys
from bots.models import ApiKey, KeyStatus, Message, Status
from tests import factories
from tests.bots.at_work import answer_now
from tests.upstream import MODELS

URL = "https://api.example.com/v1"
pytestmark = pytest.mark.django_db


@pytest.fixture
def sandbox(number) -> ApiKey:
    return keys.bind(number, keys.SANDBOX, "", actor=None)


def usable(number) -> list[ApiKey]:
    return list(number.api_keys.usable())


def test_it_opens_as_the_simulator_with_the_installations_own_key(sandbox, settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:40003/v1/"
    assert sandbox.open() == ("http://127.0.0.1:40003/v1", settings.SIMULATOR_API_KEY)


def test_each_number_has_a_lane_of_its_own_there(sandbox):
    other = keys.bind(factories.number(), keys.SANDBOX, "", actor=None)
    assert len({sandbox.lane, other.lane, ApiKey.LOCAL_LANE}) == 3


def test_it_answers_where_nothing_else_is_bound(number, sandbox):
    factories.key(factories.number(), URL)
    assert usable(number) == [sandbox]
    assert number.api_keys.are_simulated()


@pytest.mark.parametrize("status", KeyStatus.values)
def test_it_is_silent_beside_another_key_whatever_is_known_of_that(number, sandbox, status):
    factories.key(number, URL, status=status)
    assert sandbox not in usable(number)
    assert not number.api_keys.are_simulated()


def test_it_is_silent_beside_the_built_in_model(number, sandbox):
    local = keys.bind(number, keys.LOCAL, "", actor=None)
    assert usable(number) == [local]


def test_it_answers_again_when_the_other_is_removed(number, sandbox):
    keys.remove(factories.key(number, URL), actor=None)
    assert usable(number) == [sandbox]


def test_the_usable_keys_of_many_numbers_are_read_at_once(number, sandbox):
    other = factories.key(factories.number(), URL)
    with CaptureQueriesContext(connection) as queries:
        found = set(ApiKey.objects.usable())
    assert (found, len(queries)) == ({sandbox, other}, 1)


def test_nothing_bound_is_nothing_simulated(number):
    assert not number.api_keys.are_simulated()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", ["echo", "401", "wait-60"])
def test_its_check_finds_the_models_and_not_what_they_do(number, upstream, worker, settings, model):
    settings.SIMULATOR_URL, settings.OUTBOUND_ALLOW = upstream.url, []
    number.robot.model = model
    number.robot.save()
    key = keys.bind(number, keys.SANDBOX, "", actor=None)
    worker.run(key_checks.check(key.pk, worker))
    key.refresh_from_db()
    assert (key.status, key.models_listed) == (KeyStatus.VALID, MODELS)


@pytest.mark.django_db(transaction=True)
def test_it_answers_a_question(number, upstream, worker, settings):
    settings.SIMULATOR_URL, settings.OUTBOUND_ALLOW = upstream.url, []
    keys.bind(number, keys.SANDBOX, "", actor=None)
    message = factories.message(number, "ping")
    answer_now(worker, message.pk)
    message = Message.objects.get(pk=message.pk)
    assert (message.status, message.answer) == (Status.DONE, "You said: ping")


@pytest.mark.django_db(transaction=True)
def test_where_it_is_switched_off_it_is_unreachable(number, upstream, worker, settings):
    settings.SIMULATOR_URL, settings.OUTBOUND_ALLOW = upstream.url, []
    key = keys.bind(number, keys.SANDBOX, "", actor=None)
    settings.SIMULATOR = False
    worker.run(key_checks.check(key.pk, worker))
    key.refresh_from_db()
    assert (key.status, upstream.calls()["total"]) == (KeyStatus.UNREACHABLE, 0)
