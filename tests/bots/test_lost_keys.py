"""A master key that is missing, or another one, is found at the start and not at the first chat."""

import os

import pytest
from cryptography.fernet import Fernet
from django.core import checks
from django.db import DatabaseError

from bots import keys, lost_keys
from bots.celery_steps import Answering
from bots.models import ApiKey
from portal import health, starting
from portal.management.commands import up
from portal.models import WorkerHeartbeat
from tests import factories

pytestmark = pytest.mark.django_db

URL = "https://api.example.com/v1"


def told() -> list[str]:
    database = {"tags": [checks.Tags.database], "databases": ["default"]}
    return [each.msg for each in checks.run_checks(**database)]


@pytest.fixture
def stored(number, charlies_number) -> list[ApiKey]:
    return [factories.key(each, URL) for each in (number, number, charlies_number)]


@pytest.fixture
def lost(stored, settings) -> str:
    """The fingerprint of the master key that all of them need."""
    settings.API_KEY_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    return stored[0].sealed_with


def test_there_is_nothing_to_complain_of_where_all_open(stored):
    assert told() == []


def test_it_names_the_variable_the_master_key_and_how_many_are_affected(lost):
    sentence = f"lacks the master key ({lost}) that opens 3 API keys of 2 service numbers."
    assert told() == [f"API_KEY_ENCRYPTION_KEYS {sentence}"]


def test_of_a_file_it_names_the_files_variable(lost, settings, tmp_path):
    (tmp_path / "keys").write_text(settings.API_KEY_ENCRYPTION_KEYS[0])
    settings.API_KEY_ENCRYPTION_KEYS = []
    settings.API_KEY_ENCRYPTION_KEYS_FILE = str(tmp_path / "keys")
    assert told()[0].startswith("API_KEY_ENCRYPTION_KEYS_FILE lacks ")


def test_rows_that_do_not_say_what_they_need_are_opened(lost):
    ApiKey.objects.update(sealed_with="")
    sentence = "lacks the master key that opens 3 API keys of 2 service numbers."
    assert told() == [f"API_KEY_ENCRYPTION_KEYS {sentence}"]


def test_unmarked_rows_that_open_are_none_of_them(stored):
    ApiKey.objects.update(sealed_with="")
    assert told() == []


def test_it_opens_no_more_than_so_many(lost, monkeypatch):
    ApiKey.objects.update(sealed_with="")
    monkeypatch.setattr(lost_keys, "OPENED_AT_MOST", 1)
    assert "1 API key of 1 service number." in told()[0]


def test_where_all_rows_are_marked_it_is_two_statements(stored, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert lost_keys.find() is None


def test_a_key_at_a_base_url_that_was_slipped_under_it_stops_no_start(stored):
    ApiKey.objects.update(base_url="https://evil.example/v1", sealed_with="")
    assert told() == []


def test_built_in_and_removed_keys_need_no_master_key(lost, number, alice):
    keys.bind(number, keys.LOCAL, "", actor=alice)
    for key in ApiKey.objects.all():
        keys.remove(key, actor=None)
    assert told() == []


def test_a_database_that_is_away_or_not_made_yet_is_not_its_business(stored, monkeypatch):
    def away(_queryset):
        raise DatabaseError("no such column: sealed_with")

    monkeypatch.setattr(type(ApiKey.objects.all()), "sealed", away)
    assert told() == []


def test_checks_that_know_no_database_ask_none(lost, django_assert_num_queries):
    with django_assert_num_queries(0):
        found = [each.id for each in checks.run_checks()]
    assert "bots.E005" not in found


# Who refuses to start ---------------------------------------------------------------------------


def test_up_says_so_and_does_not_start(lost, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(up, "call_command", lambda *_, **__: None)
    with pytest.raises(up.CannotStartError):
        up.prepare_database(said.append)
    assert lost in said[0]
    assert "restore that file from a backup" in said[0]


def test_a_worker_does_not_start_and_says_that_a_start_would_not_help(lost, monkeypatch, capsys):
    monkeypatch.setattr(starting.connections, "close_all", lambda: None)
    with pytest.raises(SystemExit) as refusal:
        Answering(None).start(None)
    assert refusal.value.code == os.EX_CONFIG
    assert lost in capsys.readouterr().err


def test_a_web_process_does_not_start(lost, monkeypatch, capsys):
    monkeypatch.setattr(starting.connections, "close_all", lambda: None)
    with pytest.raises(SystemExit):
        starting.refuse_misconfigured("web process")
    assert "The web process does not start until this is mended." in capsys.readouterr().err


def test_a_web_process_that_runs_already_names_it_in_its_health(lost, client, monkeypatch):
    monkeypatch.setattr(health._Checked, "until", 0.0)
    WorkerHeartbeat.objects.create(name="w1")
    told_by_it = client.get("/health/ready").json()
    health._Checked.until = 0.0
    assert (told_by_it["status"], told_by_it["parts"]["stored"]) == ("degraded", "unreadable")
