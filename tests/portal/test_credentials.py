"""appSecrets: shown once, kept as digests, several live, dead when they should be."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import close_old_connections, connection, transaction

from portal import app_records, credentials
from portal.models import AppSecret, AuditEntry
from tests import factories


def generation_of(number, clear: str) -> int:
    _app, secret = credentials.verify(number.app_id, clear)
    return secret.generation


def pass_time(monkeypatch, hours: float) -> None:
    later = time.time() + hours * 3600
    monkeypatch.setattr("portal.app_records.time.time", lambda: later)


def test_the_right_secret_is_recognised(number):
    issued = factories.secret(number)
    assert generation_of(number, issued.clear) == issued.row.generation


def test_the_secret_itself_is_not_stored(number):
    issued = factories.secret(number)
    row = AppSecret.objects.values().get()
    assert issued.clear not in str(row)
    assert row["last_four"] == issued.clear[-4:]


def test_an_issued_secret_does_not_show_itself(number):
    issued = factories.secret(number)
    assert issued.clear not in repr(issued)


def test_another_numbers_secret_is_refused(number, charlies_number):
    theirs = factories.secret(charlies_number)
    assert credentials.verify(number.app_id, theirs.clear) is None


@pytest.mark.parametrize("wrong", ["", "fwsk_", "x" * 400, "fwsk_" + "a" * 38, "密" * 43])
def test_what_is_no_secret_is_refused(number, wrong):
    factories.secret(number)
    assert credentials.verify(number.app_id, wrong) is None


def test_a_typing_error_is_seen_without_the_database():
    secret = credentials.new_secret()
    mistyped = secret[:10] + ("a" if secret[10] != "a" else "b") + secret[11:]
    assert credentials.looks_right(secret)
    assert not credentials.looks_right(mistyped)


def test_an_unknown_app_takes_as_many_queries_as_a_wrong_secret(number, django_assert_num_queries):
    factories.secret(number)
    app_records.read(number.app_id)
    app_records.read("fw0000000000000000")
    with django_assert_num_queries(4):
        credentials.verify("fw0000000000000000", credentials.new_secret())
    with django_assert_num_queries(4):
        credentials.verify(number.app_id, credentials.new_secret())


def test_several_secrets_live_side_by_side(number):
    first, second = factories.secret(number), factories.secret(number)
    assert generation_of(number, first.clear) == 1
    assert generation_of(number, second.clear) == 2


def test_a_reset_kills_the_old_secret_at_once(number, alice):
    old = factories.secret(number)
    new = credentials.reset(number, actor=alice)
    assert credentials.verify(number.app_id, old.clear) is None
    assert generation_of(number, new.clear) == new.row.generation


def test_a_reset_with_overlap_keeps_the_old_secret_for_that_time(number, alice, monkeypatch):
    old = factories.secret(number)
    credentials.reset(number, actor=alice, overlap=timedelta(hours=2))
    assert generation_of(number, old.clear) == 1
    pass_time(monkeypatch, hours=3)
    assert credentials.verify(number.app_id, old.clear) is None


def test_an_overlap_never_prolongs_a_secret(number, alice, monkeypatch):
    old = factories.secret(number)
    credentials.reset(number, actor=alice, overlap=timedelta(hours=1))
    credentials.reset(number, actor=alice, overlap=timedelta(hours=72))
    pass_time(monkeypatch, hours=2)
    assert credentials.verify(number.app_id, old.clear) is None


@pytest.mark.parametrize("hours", [-1, 73])
def test_an_overlap_outside_0_to_72_hours_is_refused(number, alice, hours):
    with pytest.raises(ValueError, match="overlap"):
        credentials.reset(number, actor=alice, overlap=timedelta(hours=hours))


def test_a_revoked_secret_is_refused(number, alice):
    issued = factories.secret(number)
    credentials.revoke(issued.row, actor=alice)
    assert credentials.verify(number.app_id, issued.clear) is None


def test_a_frozen_secret_says_so_and_can_be_thawed(number, alice):
    issued = factories.secret(number)
    credentials.freeze(issued.row, actor=alice)
    with pytest.raises(credentials.SecretFrozen):
        credentials.verify(number.app_id, issued.clear)
    credentials.freeze(issued.row, actor=alice, frozen=False)
    assert generation_of(number, issued.clear) == issued.row.generation


def test_every_change_is_in_the_audit_trail(number, alice):
    issued = credentials.issue(number, actor=alice)
    credentials.freeze(issued.row, actor=alice)
    credentials.revoke(issued.row, actor=None)
    entries = AuditEntry.objects.filter(action__startswith="secret").order_by("pk")
    assert [(entry.action, entry.actor_name) for entry in entries] == [
        ("secret.issued", "alice@example.org"),
        ("secret.frozen", "alice@example.org"),
        ("secret.revoked", "operator"),
    ]


def test_a_reset_tells_which_secrets_it_ends_and_when(number, alice):
    first, second = factories.secret(number), factories.secret(number)
    credentials.revoke(first.row, actor=alice)
    credentials.reset(number, actor=alice, overlap=timedelta(hours=2))
    credentials.reset(number, actor=alice, overlap=timedelta(hours=3))
    entries = AuditEntry.objects.filter(action="secret.reset").order_by("pk")
    assert [entry.details for entry in entries] == [
        {"generation": 3, "ending": [second.row.generation], "overlap_seconds": 7200},
        {"generation": 4, "ending": [3], "overlap_seconds": 10800},
    ]
    assert AuditEntry.objects.filter(action="secret.issued").count() == 2


def test_a_reset_that_is_sent_twice_ends_nothing(number, alice):
    issued = credentials.reset(number, actor=alice, after=0)
    with pytest.raises(credentials.SecretRefused, match="No second appSecret"):
        credentials.reset(number, actor=alice, after=0)
    assert generation_of(number, issued.clear) == issued.row.generation


def ask_apart(number) -> None:
    try:
        factories.message(number)
    finally:
        close_old_connections()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time.")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("deed", [credentials.issue, credentials.reset])
def test_a_question_does_not_wait_for_a_secret(number, deed):
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        deed(number, actor=None)
        pool.submit(ask_apart, number).result(timeout=5)


def reset_apart(number) -> None:
    try:
        credentials.reset(number, actor=None)
    finally:
        close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_resets_at_once_leave_one_live_secret(number):
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(reset_apart, [number] * 5))
    assert AppSecret.objects.live().count() == 1
