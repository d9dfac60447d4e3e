"""The app's record: cached, and yet never older than the last change that was reported done."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import close_old_connections, connection
from django.utils import timezone

from portal import app_records, credentials, moderation, revocation, valkey
from portal.models import RevokedToken, State
from tests import factories

UNREACHABLE = "redis://127.0.0.1:1/0"
CHANGES = {
    "suspend": lambda number: moderation.move(
        number, moderation.SUSPEND, actor=None, reason="spam"
    ),
    "close": lambda number: moderation.move(number, moderation.CLOSE, actor=None),
    "reset": lambda number: credentials.reset(number, actor=None),
    "freeze": lambda number: credentials.freeze(number.secrets.get(), actor=None),
    "revoke": lambda number: credentials.revoke(number.secrets.get(), actor=None),
    "revoke a token": lambda number: revocation.revoke(number.pk, "ab" * 12, in_an_hour()),
}
EACH_CHANGE = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


def in_an_hour():
    return timezone.now() + timedelta(hours=1)


def flush() -> None:
    valkey.ask(lambda client: client.flushdb())


@pytest.fixture
def app_id(number) -> str:
    factories.secret(number)
    return number.app_id


@pytest.mark.django_db
def test_it_is_read_from_the_database_once(app_id, django_assert_num_queries):
    flush()
    with django_assert_num_queries(4):
        first = app_records.read(app_id)
    with django_assert_num_queries(0):
        assert app_records.read(app_id) == first


@pytest.mark.django_db
def test_it_says_what_the_rows_say(number, app_id):
    number.networks.create(network="192.0.2.0/24")
    flush()
    record = app_records.read(app_id)
    assert (record.number_id, record.owner_id, record.state) == (
        number.pk,
        number.owner_id,
        "approved",
    )
    assert [secret.generation for secret in record.secrets] == [1]
    assert record.networks == ["192.0.2.0/24"]


@pytest.mark.django_db
def test_the_number_of_a_record_is_the_row(number, app_id, django_assert_num_queries):
    record = app_records.read(app_id)
    with django_assert_num_queries(0):
        assert record.number == number
        assert record.number.get_state_display() == "approved"
    assert record.number.name == "Alice's robot"


@pytest.mark.django_db
def test_an_unknown_app_is_remembered_as_unknown(django_assert_num_queries):
    assert app_records.read("fw0000000000000000") is None
    with django_assert_num_queries(0):
        assert app_records.read("fw0000000000000000") is None


@pytest.mark.django_db
def test_an_app_that_was_unknown_a_moment_ago_is_known_with_its_first_secret(number):
    app_records._store(number.app_id, None)
    factories.secret(number)
    assert app_records.read(number.app_id).secrets


@EACH_CHANGE
@pytest.mark.django_db(transaction=True)
def test_a_change_is_in_the_cache_when_it_returns(
    number, app_id, change, django_assert_num_queries
):
    before = app_records.read(app_id)
    change(number)
    with django_assert_num_queries(0):
        after = app_records.read(app_id)
    assert after.version == before.version + 1
    assert after == app_records.from_database(app_id)


@EACH_CHANGE
@pytest.mark.django_db(transaction=True)
def test_a_reader_that_was_held_up_does_not_bring_the_old_record_back(
    number, app_id, change, monkeypatch
):
    held_up(monkeypatch, app_id, lambda: change(number))
    assert app_records.read(app_id) == app_records.from_database(app_id)


@EACH_CHANGE
@pytest.mark.django_db(transaction=True)
def test_nor_does_it_where_valkey_was_flushed_meanwhile(number, app_id, change, monkeypatch):
    held_up(monkeypatch, app_id, lambda: (change(number), flush()))
    assert app_records.read(app_id) == app_records.from_database(app_id)


def held_up(monkeypatch, app_id: str, meanwhile) -> None:
    """A reader misses the cache and reads the old rows; then the world goes on without him."""
    flush()
    store, has_read, may_go_on = app_records._store, threading.Event(), threading.Event()

    def slowly(app_id: str, record, ticket: str = "") -> None:
        if ticket:
            has_read.set()
            assert may_go_on.wait(5)
        store(app_id, record, ticket)

    def read() -> None:
        app_records.read(app_id)
        close_old_connections()
        connection.close()

    with monkeypatch.context() as patched, ThreadPoolExecutor(1) as reader:
        patched.setattr(app_records, "_store", slowly)
        reading = reader.submit(read)
        assert has_read.wait(5)
        meanwhile()
        may_go_on.set()
        reading.result(5)


@pytest.mark.django_db
def test_a_ticket_does_not_last(app_id, monkeypatch):
    monkeypatch.setattr(app_records, "TICKET_SECONDS", 0.05)
    flush()
    look = app_records.from_database
    monkeypatch.setattr(
        app_records, "from_database", lambda app_id: (time.sleep(0.1), look(app_id))[1]
    )
    app_records.read(app_id)
    assert valkey.ask(lambda client: client.get(f"fw:app:{app_id}")) is None


@pytest.mark.django_db
def test_a_copy_does_not_last(app_id):
    flush()
    app_records.read(app_id)
    left = valkey.ask(lambda client: client.pttl(f"fw:app:{app_id}"))
    assert 0 < left <= app_records.RECORD_SECONDS * 1000


@pytest.mark.django_db
def test_without_valkey_it_comes_from_the_database(app_id, settings):
    settings.REDIS_URL = UNREACHABLE
    assert app_records.read(app_id) == app_records.from_database(app_id)


@pytest.mark.django_db
def test_without_valkey_a_change_waits_until_every_copy_has_expired(
    number, app_id, settings, monkeypatch
):
    monkeypatch.setattr(app_records, "RECORD_SECONDS", 0.4)
    monkeypatch.setattr(app_records, "TICKET_SECONDS", 0.2)
    settings.REDIS_URL = UNREACHABLE
    began = time.monotonic()
    credentials.reset(number, actor=None)
    assert time.monotonic() - began >= 0.6


@pytest.mark.django_db
def test_many_revoked_tokens_do_not_make_the_record_long(number, app_id, monkeypatch):
    monkeypatch.setattr(app_records, "REVOKED_AT_MOST", 2)
    for index in range(3):
        revocation.revoke(number.pk, f"token{index}", in_an_hour())
    record = app_records.read(app_id)
    assert record.revoked is None
    assert record.has_revoked("token1")
    assert not record.has_revoked("token9")


@pytest.mark.django_db
def test_a_revoked_token_past_its_time_is_forgotten(number):
    revocation.revoke(number.pk, "old", timezone.now())
    revocation.revoke(number.pk, "new", in_an_hour())
    app_records.forget_revoked()
    assert RevokedToken.objects.get().token_id == "new"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("networks", "address", "admitted"),
    [
        ([], "203.0.113.9", True),
        ([], "", True),
        (["203.0.113.9"], "203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.113.9", True),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.114.9", False),
        (["2001:db8::/32"], "2001:db8:1::1", True),
        (["2001:db8::/32"], "203.0.113.9", False),
        (["203.0.113.9"], "", False),
        (["203.0.113.9", "2001:db8::1"], "2001:db8::1", True),
    ],
)
def test_it_knows_from_where_systems_may_call(number, networks, address, admitted):
    for network in networks:
        number.networks.create(network=network)
    assert app_records.from_database(number.app_id).admits(address) is admitted


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_once_the_cache_has_both(number, app_id):
    def apart(act) -> None:
        act(number)
        connection.close()

    with ThreadPoolExecutor(2) as both:
        acts = [CHANGES["freeze"], CHANGES["suspend"]]
        [done.result(20) for done in [both.submit(apart, act) for act in acts]]
    record = app_records.read(app_id)
    assert record == app_records.from_database(app_id)
    assert (record.state, record.secrets[0].frozen) == (State.SUSPENDED, True)


@pytest.mark.django_db
def test_who_finds_it_done_already_waits_for_it_too(number, app_id, settings, monkeypatch):
    """The other one, who made the change, may not have reported it done yet."""
    revocation.revoke(number.pk, "ab" * 12, in_an_hour())
    monkeypatch.setattr(app_records, "RECORD_SECONDS", 0.3)
    monkeypatch.setattr(app_records, "TICKET_SECONDS", 0.1)
    settings.REDIS_URL = UNREACHABLE
    began = time.monotonic()
    revocation.revoke(number.pk, "ab" * 12, in_an_hour())
    assert time.monotonic() - began >= 0.4


@pytest.mark.django_db
def test_a_change_that_waits_is_seen_by_the_others(number, app_id, settings, monkeypatch):
    monkeypatch.setattr(app_records, "RECORD_SECONDS", 0.1)
    monkeypatch.setattr(app_records, "TICKET_SECONDS", 0.1)
    seen = []
    monkeypatch.setattr(
        app_records.time, "sleep", lambda _s: seen.append(app_records.is_congested())
    )
    settings.REDIS_URL = UNREACHABLE
    credentials.reset(number, actor=None)
    assert seen[0]
    assert not app_records.is_congested()
