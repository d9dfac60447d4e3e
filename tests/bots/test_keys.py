"""Binding keys and checking them: a key's own row is the queue of record of its checks."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bots import key_checks, keys
from bots.models import ApiKey, KeyStatus, KeyVerdict
from bots.outbound import UrlRefused
from portal.models import AuditEntry
from tests import factories

GOOD = "sk-good-1234567890abcdef"


def test_a_bound_key_is_sealed_masked_and_pending(number, upstream):
    key = keys.bind(number, upstream.url, GOOD, actor=None)
    stored = ApiKey.objects.get(pk=key.pk)
    assert GOOD not in str(ApiKey.objects.values().get())
    assert (stored.mask, stored.status) == ("sk-…cdef", KeyStatus.PENDING)
    assert stored.open() == (upstream.url, GOOD)


@pytest.mark.django_db(transaction=True)
def test_binding_nudges_a_check(number, upstream, nudged):
    key = keys.bind(number, upstream.url, GOOD, actor=None)
    assert ("bots.tasks.check_key", key.pk) in nudged


def test_the_same_key_is_bound_once(number, upstream):
    first = keys.bind(number, upstream.url, GOOD, actor=None)
    again = keys.bind(number, upstream.url + "/", GOOD, actor=None)
    other = keys.bind(number, upstream.url, GOOD + "x", actor=None)
    assert again.pk == first.pk != other.pk


def test_the_audit_trail_names_the_host_and_never_the_key(number, alice, upstream):
    keys.bind(number, upstream.url, GOOD, actor=alice)
    entry = AuditEntry.objects.latest("pk")
    assert entry.details["base_url"] == upstream.url
    assert GOOD not in str(entry.details)


def test_a_base_url_that_may_not_be_called_is_refused(number):
    with pytest.raises(UrlRefused):
        keys.bind(number, "http://169.254.169.254/v1", GOOD, actor=None)
    assert not ApiKey.objects.exists()


def test_a_removed_key_is_forgotten_and_its_history_stays(number, upstream):
    key = factories.key(number, upstream.url)
    key.take_verdict(KeyStatus.INVALID, "HTTP 401")
    keys.remove(key, actor=None)
    assert ApiKey.objects.get().sealed == ""
    assert not ApiKey.objects.bound().exists()
    assert KeyVerdict.objects.count() == 1


def test_every_change_of_verdict_is_kept_and_repeats_are_not(number, upstream):
    key = factories.key(number, upstream.url)
    key.take_verdict(KeyStatus.RATE_LIMITED, "HTTP 429")
    key.take_verdict(KeyStatus.RATE_LIMITED, "HTTP 429")
    key.take_verdict(KeyStatus.VALID, "HTTP 200")
    statuses = KeyVerdict.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["rate_limited", "valid"]


def test_a_verdict_on_a_key_that_was_replaced_meanwhile_is_dropped(number, upstream):
    checked = keys.bind(number, upstream.url, GOOD, actor=None)
    replaced = ApiKey.objects.get(pk=checked.pk)
    replaced.seal(GOOD + "x")
    replaced.save()
    checked.take_verdict(KeyStatus.INVALID, "HTTP 401")
    assert ApiKey.objects.get(pk=checked.pk).status == KeyStatus.PENDING
    assert not KeyVerdict.objects.exists()


def test_usable_keys_come_by_trouble_then_priority(number, upstream):
    spare = factories.key(number, upstream.url, "sk-1" + GOOD, priority=2)
    first = factories.key(number, upstream.url, "sk-2" + GOOD, priority=1)
    limping = factories.key(number, upstream.url, "sk-3" + GOOD, status=KeyStatus.RATE_LIMITED)
    factories.key(number, upstream.url, "sk-4" + GOOD, status=KeyStatus.INVALID)
    assert list(ApiKey.objects.usable()) == [first, spare, limping]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("api_key", "model", "status"),
    [
        (GOOD, "echo", "valid"),
        ("sk-bad-1234567890abcdef", "echo", "invalid"),
        ("sk-nolist-1234567890abcdef", "403", "no_access"),
        ("sk-nolist-1234567890abcdef", "429-quota", "out_of_quota"),
        ("sk-nolist-1234567890abcdef", "429", "rate_limited"),
        ("sk-nolist-1234567890abcdef", "500", "unreachable"),
        ("sk-nolist-1234567890abcdef", "instant", "valid"),
    ],
)
def test_a_check_keeps_the_providers_verdict(number, upstream, worker, api_key, model, status):
    number.robot.model = model
    number.robot.save()
    key = keys.bind(number, upstream.url, api_key, actor=None)
    worker.run(key_checks.check(key.pk, worker))
    key.refresh_from_db()
    assert (key.status, key.check_due_at) == (status, None)
    assert key.checked_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_key_that_does_not_open_is_invalid_without_a_call(number, upstream, worker, settings):
    key = keys.bind(number, upstream.url, GOOD, actor=None)
    ApiKey.objects.update(base_url="https://attacker.example/v1")
    worker.run(key_checks.check(key.pk, worker))
    assert ApiKey.objects.get().status == KeyStatus.INVALID
    assert upstream.calls()["total"] == 0


def test_sweepers_find_checks_that_got_lost_but_only_one_of_them(number, upstream):
    key = keys.bind(number, upstream.url, GOOD, actor=None)
    assert keys.take_overdue_checks() == []
    ApiKey.objects.update(check_due_at=timezone.now() - timedelta(seconds=1))
    assert keys.take_overdue_checks() == [key.pk]
    assert keys.take_overdue_checks() == []
