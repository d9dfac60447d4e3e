"""Binding keys and checking them: a key's own row is the queue of record of its checks."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bots import key_checks, keys, robots
from bots.models import ApiKey, KeyStatus, KeyVerdict
from bots.outbound import UrlRefused
from portal import numbers
from portal.models import AuditEntry, State
from tests import factories
from tests.bots import talking
from tests.ddio_api.answers import apart

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
    factories.key(number, upstream.url)
    for status in (KeyStatus.RATE_LIMITED, KeyStatus.RATE_LIMITED, KeyStatus.VALID):
        ApiKey.objects.get().take_verdict(status, "seen")
    statuses = KeyVerdict.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["rate_limited", "valid"]


def test_of_a_long_history_the_newest_stay(number, upstream, monkeypatch):
    monkeypatch.setattr(keys, "VERDICTS_KEPT", 3)
    key, other = (factories.key(number, upstream.url, GOOD + name) for name in "ab")
    for each in (key, other):
        for at in range(2 if each is other else 5):
            each.verdicts.create(status=KeyStatus.VALID, evidence=f"{at}")
    keys.forget_verdicts()
    assert list(key.verdicts.order_by("pk").values_list("evidence", flat=True)) == ["2", "3", "4"]
    assert other.verdicts.count() == 2


def test_a_verdict_on_a_key_that_was_replaced_meanwhile_is_dropped(number, upstream):
    checked = keys.begin_check(keys.bind(number, upstream.url, GOOD, actor=None).pk)
    replaced = ApiKey.objects.get(pk=checked.pk)
    replaced.seal(GOOD + "x")
    replaced.save()
    checked.end_check(KeyStatus.INVALID, "HTTP 401")
    assert ApiKey.objects.get(pk=checked.pk).status == KeyStatus.PENDING
    assert not KeyVerdict.objects.exists()


# What is known of a key -------------------------------------------------------------------------


def test_a_check_of_the_old_model_does_not_answer_for_the_new_one(number, upstream):
    begun = keys.begin_check(keys.bind(number, upstream.url, GOOD, actor=None).pk)
    robots.save(number, {"model": "new"}, actor=None)
    begun.end_check(KeyStatus.VALID, "HTTP 200")
    key = ApiKey.objects.get()
    assert (key.status, key.check_due_at is None) == (KeyStatus.PENDING, False)
    assert not KeyVerdict.objects.exists()


def test_what_an_answer_shows_takes_no_check_away(number, upstream):
    answering = factories.key(number, upstream.url)
    robots.save(number, {"model": "new"}, actor=None)
    answering.take_verdict(KeyStatus.NO_ACCESS, "HTTP 404")
    key = ApiKey.objects.get()
    assert (key.status, key.check_due_at is None) == (KeyStatus.PENDING, False)


def test_what_an_answer_showed_before_a_check_is_old(number, upstream):
    answering = factories.key(number, upstream.url)
    keys.begin_check(answering.pk).end_check(KeyStatus.VALID, "HTTP 200")
    answering.take_verdict(KeyStatus.NO_ACCESS, "HTTP 404")
    assert ApiKey.objects.get().status == KeyStatus.VALID


def test_of_two_checks_the_later_one_counts(number, upstream):
    key = keys.bind(number, upstream.url, GOOD, actor=None)
    first, second = keys.begin_check(key.pk), keys.begin_check(key.pk)
    first.end_check(KeyStatus.INVALID, "HTTP 401")
    second.end_check(KeyStatus.VALID, "HTTP 200")
    key.refresh_from_db()
    assert (key.status, key.check_due_at) == (KeyStatus.VALID, None)


def test_a_check_that_has_begun_is_not_begun_again(number, upstream):
    key = keys.bind(number, upstream.url, GOOD, actor=None)
    ApiKey.objects.update(check_due_at=timezone.now() - timedelta(seconds=1))
    keys.begin_check(key.pk)
    assert keys.take_overdue_checks() == []


def test_a_verdict_is_never_there_without_its_evidence(number, upstream, monkeypatch):
    begun = keys.begin_check(keys.bind(number, upstream.url, GOOD, actor=None).pk)
    monkeypatch.setattr(KeyVerdict, "evidence", property())  # writing it fails
    with pytest.raises(AttributeError):
        begun.end_check(KeyStatus.VALID, "HTTP 200")
    assert ApiKey.objects.get().status == KeyStatus.PENDING


def test_a_removed_key_is_not_checked(number, upstream):
    key = keys.bind(number, upstream.url, GOOD, actor=None)
    begun = keys.begin_check(key.pk)
    keys.remove(key, actor=None)
    begun.end_check(KeyStatus.VALID, "HTTP 200")
    assert keys.begin_check(key.pk) is None
    assert not KeyVerdict.objects.exists()


# Removing and editing ---------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_removed_during_an_edit_stays_removed(number, upstream, monkeypatch):
    key, facts = factories.key(number, upstream.url), keys._facts
    with ThreadPoolExecutor(1) as pool:
        removing = []

        def interrupted(seen):
            removing.append(pool.submit(apart(lambda: keys.remove(key, actor=None))))
            wait(removing, timeout=0.3)
            return facts(seen)

        monkeypatch.setattr(keys, "_facts", interrupted)
        keys.edit(key, keys.Edit(label="Mine", base_url=key.base_url), actor=number.owner)
    stored = ApiKey.objects.get()
    assert (stored.sealed, bool(stored.removed_at), stored.label) == ("", True, "Mine")


def test_an_edit_without_a_key_writes_no_ciphertext(number, upstream):
    key = factories.key(number, upstream.url)
    with CaptureQueriesContext(connection) as queries:
        keys.edit(key, keys.Edit(label="Mine", base_url=key.base_url), actor=number.owner)
    updates = [each["sql"] for each in queries if each["sql"].startswith("UPDATE")]
    assert len(updates) == 1
    assert "sealed" not in updates[0]


def test_a_new_base_url_needs_the_key_again_and_changes_nothing_without_it(number, upstream):
    key = factories.key(number, upstream.url, GOOD)
    moved = keys.Edit(label="Mine", priority=3, base_url=upstream.url + "/elsewhere")
    with pytest.raises(keys.KeyNeededAgain):
        keys.edit(key, moved, actor=number.owner)
    stored = ApiKey.objects.get()
    assert (stored.open(), stored.label, stored.priority) == ((upstream.url, GOOD), "", 0)


def test_a_key_that_was_typed_again_is_another_generation(number, upstream):
    key = factories.key(number, upstream.url, GOOD)
    label_alone = keys.Edit(label="Mine", base_url=upstream.url)
    keys.edit(key, label_alone, actor=number.owner)
    before = ApiKey.objects.get().generation
    typed = keys.Edit(label="Mine", base_url=upstream.url, api_key=GOOD + "x")
    keys.edit(key, typed, actor=number.owner)
    assert (key.generation, before, ApiKey.objects.get().generation) == (1, 1, 2)


def test_a_removed_key_cannot_be_edited(number, upstream):
    key = factories.key(number, upstream.url)
    keys.remove(key, actor=None)
    with pytest.raises(ApiKey.DoesNotExist):
        keys.edit(key, keys.Edit(label="Mine", base_url=key.base_url), actor=number.owner)


def test_a_closed_number_gets_no_key_and_no_edit(number, upstream):
    key = factories.key(number, upstream.url)
    talking.in_state(number, State.CLOSED)
    with pytest.raises(numbers.EditRefused):
        keys.bind(number, upstream.url, GOOD, actor=None)
    with pytest.raises(numbers.EditRefused):
        keys.edit(key, keys.Edit(label="Mine", base_url=key.base_url), actor=number.owner)
    assert ApiKey.objects.get().label == ""


def test_usable_keys_come_by_trouble_then_priority(number, upstream):
    spare = factories.key(number, upstream.url, "sk-1" + GOOD, priority=2)
    first = factories.key(number, upstream.url, "sk-2" + GOOD, priority=1)
    limping = factories.key(number, upstream.url, "sk-3" + GOOD, status=KeyStatus.TROUBLE)
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
        ("sk-nolist-1234567890abcdef", "500", "trouble"),
        ("sk-nolist-1234567890abcdef", "instant", "valid"),
    ],
)
def test_a_check_keeps_the_providers_verdict(number, upstream, worker, api_key, model, status):
    number.robot.model = model
    number.robot.save()
    key = keys.bind(number, upstream.url, api_key, actor=None)
    worker.run(key_checks.check(key.pk, worker))
    key.refresh_from_db()
    assert key.status == status
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
