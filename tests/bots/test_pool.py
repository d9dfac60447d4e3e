"""Whose turn it is among a number's keys, and what becomes of one that fails."""

import random
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from bots import claims, keys, plans, pool
from bots.models import ApiKey, KeyStatus
from bots.models.key_status import rest_seconds
from bots.provider_faults import ProviderFault
from tests import factories

URL = "https://api.example.org/v1"
DRAWS = 4_000


def bound(**fields) -> pool.Opened:
    facts = {"status": KeyStatus.VALID, "base_url": URL} | fields
    return ApiKey(**facts), URL, "sk-1"


def in_turn(*keys: pool.Opened) -> list[str]:
    return [key.label for key, _url, _clear in pool.in_turn(keys)]


# Order ------------------------------------------------------------------------------------------


def test_the_lower_priority_number_comes_first():
    spare, first = bound(label="spare", priority=2), bound(label="first", priority=1)
    assert in_turn(spare, first) == ["first", "spare"]


@pytest.mark.parametrize(
    "status",
    [
        KeyStatus.TROUBLE,
        KeyStatus.UNREACHABLE,
        KeyStatus.INCOMPATIBLE,
        KeyStatus.OUT_OF_QUOTA,
        KeyStatus.NO_ACCESS,
    ],
)
def test_a_key_in_trouble_comes_last_whatever_its_priority(status):
    broken, spare = bound(label="broken", status=status), bound(label="spare", priority=9)
    assert in_turn(broken, spare) == ["spare", "broken"]


def test_a_key_that_rests_comes_last_until_its_rest_is_over():
    now = timezone.now()
    resting = bound(label="a", rests_until=now + timedelta(seconds=60), status="rate_limited")
    rested = bound(label="b", rests_until=now - timedelta(seconds=1), status="rate_limited")
    assert in_turn(resting, rested, bound(label="c", priority=1)) == ["b", "c", "a"]


def test_equals_are_drawn_by_their_weight():
    random.seed(6)
    keys = [bound(label="heavy", weight=3), bound(label="light", weight=1)]
    first = Counter(in_turn(*keys)[0] for _draw in range(DRAWS))
    assert 2.6 < first["heavy"] / first["light"] < 3.4


def test_only_what_its_provider_asked_for_is_waited_for():
    soon = timezone.now() + timedelta(seconds=60)
    busy, _url, _clear = bound(status=KeyStatus.RATE_LIMITED, rests_until=soon)
    broken, _url, _clear = bound(status=KeyStatus.TROUBLE, rests_until=soon)
    assert 59 < pool.seconds_to_wait(busy) <= 60
    assert pool.seconds_to_wait(broken) == 0


# Rest -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "failures", "retry_after", "seconds"),
    [
        ("trouble", 3, None, 10),
        ("trouble", 4, None, 20),
        ("trouble", 50, None, 600),
        ("unreachable", 3, 45.0, 45),
        ("invalid", 1, None, 60),
        ("out_of_quota", 2, None, 120),
        ("no_access", 99, None, 3600),
        ("rate_limited", 1, None, 2),
        ("rate_limited", 99, None, 60),
        ("rate_limited", 99, 0.5, 0.5),
    ],
)
def test_a_rest_is_longer_with_each_failure(status, failures, retry_after, seconds):
    assert rest_seconds(status, failures, retry_after) == seconds


# What an answer shows ---------------------------------------------------------------------------


def rested(key: ApiKey) -> ApiKey:
    """The key as it is read once its rest is over."""
    ApiKey.objects.filter(pk=key.pk).update(rests_until=timezone.now())
    return ApiKey.objects.get(pk=key.pk)


def test_a_single_fault_of_the_provider_is_no_verdict(number):
    key = factories.key(number, URL)
    key.take_verdict(KeyStatus.TROUBLE, "HTTP 503")
    key.refresh_from_db()
    assert (key.status, key.failures, key.rests_until) == (KeyStatus.VALID, 1, None)
    assert not key.verdicts.exists()


def test_three_in_a_row_are_one(number):
    factories.key(number, URL)
    for _call in range(3):
        ApiKey.objects.get().take_verdict(KeyStatus.TROUBLE, "HTTP 503")
    key = ApiKey.objects.get()
    assert (key.status, key.failures) == (KeyStatus.TROUBLE, 3)
    assert key.check_due_at == key.rests_until
    assert list(key.verdicts.values_list("evidence", flat=True)) == ["HTTP 503"]


def test_an_answer_in_between_begins_the_count_anew(number):
    key = factories.key(number, URL)
    key.take_verdict(KeyStatus.TROUBLE, "HTTP 503")
    ApiKey.objects.get().take_verdict(KeyStatus.VALID, "answered")
    key.refresh_from_db()
    assert (key.status, key.failures) == (KeyStatus.VALID, 0)


@pytest.mark.parametrize("status", ["invalid", "no_access", "out_of_quota", "rate_limited"])
def test_a_refusal_is_believed_at_once(number, status):
    key = factories.key(number, URL)
    key.take_verdict(status, "HTTP 4xx")
    assert ApiKey.objects.get().status == status
    assert ApiKey.objects.get().is_resting(timezone.now())


def test_what_fails_during_its_rest_rests_no_longer_for_it(number):
    factories.key(number, URL).take_verdict(KeyStatus.OUT_OF_QUOTA, "HTTP 429")
    until = ApiKey.objects.get().rests_until
    for _call in range(5):
        ApiKey.objects.get().take_verdict(KeyStatus.OUT_OF_QUOTA, "HTTP 429")
    key = ApiKey.objects.get()
    assert (key.rests_until, key.failures) == (until, 1)


def test_what_fails_after_its_rest_rests_twice_as_long(number):
    factories.key(number, URL).take_verdict(KeyStatus.OUT_OF_QUOTA, "HTTP 429")
    rested(ApiKey.objects.get()).take_verdict(KeyStatus.OUT_OF_QUOTA, "HTTP 429")
    key = ApiKey.objects.get()
    assert 119 < (key.rests_until - timezone.now()).total_seconds() <= 120


def test_how_long_it_wants_to_be_left_alone_only_its_provider_knows(number):
    factories.key(number, URL).take_verdict(KeyStatus.OUT_OF_QUOTA, "HTTP 429")
    ApiKey.objects.get().take_verdict(KeyStatus.RATE_LIMITED, "HTTP 429", 1.0)
    assert pool.seconds_to_wait(ApiKey.objects.get()) <= 1


def test_what_an_answer_shows_that_began_before_is_old_also_in_its_batch(number):
    factories.key(number, URL)
    asked = [factories.message(number, open_id=f"person-{index}").pk for index in range(2)]
    plans_made = plans.make_all(claims.claim_all(asked, "w"))
    fails, ends_well = (plan.keys[0][0] for plan in plans_made)
    fails.take_verdict(KeyStatus.OUT_OF_QUOTA, "HTTP 429")
    ends_well.take_verdict(KeyStatus.VALID, "answered")
    assert ApiKey.objects.get().status == KeyStatus.OUT_OF_QUOTA


def test_an_answer_of_a_key_that_worked_all_along_outdates_nobody(number):
    key = factories.key(number, URL, checked_at=timezone.now())
    key.take_verdict(KeyStatus.VALID, "answered")
    key.take_verdict(KeyStatus.INVALID, "HTTP 401")
    assert ApiKey.objects.get().status == KeyStatus.INVALID


def test_an_answer_ends_the_rest_and_the_check_to_come(number):
    factories.key(number, URL).take_verdict(KeyStatus.OUT_OF_QUOTA, "HTTP 429")
    ApiKey.objects.get().take_verdict(KeyStatus.VALID, "answered")
    key = ApiKey.objects.get()
    assert (key.status, key.rests_until, key.check_due_at) == (KeyStatus.VALID, None, None)


def test_of_answers_that_fail_at_once_one_speaks(number):
    key = factories.key(number, URL)
    others = [ApiKey.objects.get() for _answer in range(5)]
    for each in (key, *others):
        each.take_verdict(KeyStatus.INVALID, "HTTP 401")
    stored = ApiKey.objects.get()
    assert (stored.failures, stored.verdicts.count()) == (1, 1)


def test_a_busy_key_is_looked_at_only_where_nobody_asks_it(number):
    factories.key(number, URL).take_verdict(KeyStatus.RATE_LIMITED, "HTTP 429", 5.0)
    key = ApiKey.objects.get()
    assert key.check_due_at - key.rests_until == timedelta(minutes=1)


def test_what_an_older_release_found_failed_is_looked_at_again(number):
    failed = factories.key(number, URL, status=KeyStatus.INVALID)
    factories.key(number, URL, "sk-fine-1234567890")
    assert keys.take_overdue_checks() == [failed.pk]
    assert keys.take_overdue_checks() == []


# What a process has seen lately -----------------------------------------------------------------


def fault(status: str, retry_after: float | None = None) -> ProviderFault:
    return ProviderFault(71005, status, "", retry_after)


def test_an_answer_is_news_only_of_a_key_that_had_failed():
    lately = pool.Lately()
    fine, _url, _clear = bound()
    assert lately.has_answered(fine) is False
    lately.has_failed(fine, fault(KeyStatus.TROUBLE))
    assert lately.has_answered(fine) is True
    assert lately.has_answered(fine) is False


@pytest.mark.parametrize("fields", [{"status": KeyStatus.TROUBLE}, {"failures": 1}])
def test_an_answer_of_a_key_that_was_read_as_failed_is_news(fields):
    key, _url, _clear = bound(**fields)
    assert pool.Lately().has_answered(key) is True


def test_what_its_provider_told_one_answer_holds_for_all():
    lately = pool.Lately()
    key, _url, _clear = bound()
    lately.has_failed(key, fault(KeyStatus.RATE_LIMITED, 60.0))
    assert 59 < lately.seconds_to_wait(key) <= 60
    lately.has_failed(key, fault(KeyStatus.RATE_LIMITED, 0.001))
    time.sleep(0.002)
    assert lately.seconds_to_wait(key) == 0
