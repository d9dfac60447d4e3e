"""Sealing anew: an edit meanwhile wins, a kill midway loses nothing, and the report tells all."""

import json
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots import keys, master_keys, plans, rotation, vault
from bots.management.commands import rotate_keys
from bots.models import ApiKey, KeyStatus, KeyVerdict
from portal.models import AuditEntry
from tests import factories

pytestmark = pytest.mark.django_db

URL = "https://api.example.com/v1"
OTHER = "sk-other-1234567890abcdef"
KEYS = [f"sk-number-{index}-1234567890" for index in range(5)]
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
OLD_NAME, NEW_NAME = master_keys.fingerprint(OLD), master_keys.fingerprint(NEW)


@pytest.fixture
def stored(number, settings) -> list[ApiKey]:
    """Sealed with the old master key; both are there now, the new one first."""
    settings.API_KEY_ENCRYPTION_KEYS = [OLD]
    made = [factories.key(number, URL, each) for each in KEYS]
    settings.API_KEY_ENCRYPTION_KEYS = [NEW, OLD]
    return made


def opened() -> list[str]:
    return sorted(key.open()[1] for key in ApiKey.objects.all())


def marks() -> list[str]:
    return list(ApiKey.objects.order_by("pk").values_list("sealed_with", flat=True))


def slipped_in(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Do it once, after a row was read and before anything is written."""
    reseal, left = vault.reseal, [act]

    def interrupted(*args: Any, **place: str) -> vault.Sealed:
        sealed = reseal(*args, **place)
        if left:
            left.pop()()
        return sealed

    monkeypatch.setattr(vault, "reseal", interrupted)


def test_all_are_sealed_with_the_newest_and_the_old_one_may_go(stored, settings):
    report = rotation.rotate()
    settings.API_KEY_ENCRYPTION_KEYS = [NEW]
    assert opened() == KEYS
    assert marks() == [NEW_NAME] * 5
    assert (report.rows, report.resealed, report.needed) == (5, 5, {NEW_NAME: 5})


def test_a_second_time_there_is_nothing_left_to_write(stored):
    rotation.rotate()
    with CaptureQueriesContext(connection) as queries:
        report = rotation.rotate()
    assert (report.resealed, report.newest_already) == (0, 5)
    assert not [each for each in queries if each["sql"].startswith("UPDATE")]


def test_killed_midway_it_goes_on_where_it_was(stored, monkeypatch):
    monkeypatch.setattr(rotation, "BATCH", 2)
    replaced, replace = [], rotation._replace

    def replace_and_die(*change: Any) -> bool:
        if len(replaced) == 3:
            raise KeyboardInterrupt
        replaced.append(change)
        return replace(*change)

    with monkeypatch.context() as dying:
        dying.setattr(rotation, "_replace", replace_and_die)
        with pytest.raises(KeyboardInterrupt):
            rotation.rotate()
    assert opened() == KEYS
    done = marks().count(NEW_NAME)
    assert rotation.rotate().resealed == 5 - done < 5
    assert (opened(), marks()) == (KEYS, [NEW_NAME] * 5)


def test_a_dry_run_changes_nothing_and_says_what_would_be(stored):
    before = list(ApiKey.objects.order_by("pk").values())
    report = rotation.rotate(dry_run=True)
    assert list(ApiKey.objects.order_by("pk").values()) == before
    assert (report.resealed, report.needed) == (5, {OLD_NAME: 5})


def test_a_key_that_is_edited_meanwhile_stays_as_it_was_edited(stored, alice, monkeypatch):
    wanted = keys.Edit(label="Mine", base_url=URL + "/new", api_key=OTHER)
    slipped_in(monkeypatch, lambda: keys.edit(stored[0], wanted, actor=alice))
    report = rotation.rotate()
    assert ApiKey.objects.get(pk=stored[0].pk).open() == (URL + "/new", OTHER)
    assert (report.resealed, report.changed_meanwhile) == (4, 1)
    assert report.needed == {NEW_NAME: 5}


def test_a_key_that_is_removed_meanwhile_stays_removed(stored, alice, monkeypatch):
    slipped_in(monkeypatch, lambda: keys.remove(stored[0], actor=alice))
    report = rotation.rotate()
    removed = ApiKey.objects.get(pk=stored[0].pk)
    assert (removed.sealed, removed.sealed_with, report.changed_meanwhile) == ("", "", 1)


def test_a_key_that_is_bound_meanwhile_with_the_old_one_is_counted(
    stored, number, settings, monkeypatch
):
    """By a process that has the master keys in another order still."""

    def bind() -> None:
        settings.API_KEY_ENCRYPTION_KEYS = [OLD, NEW]
        factories.key(number, URL, OTHER)

    monkeypatch.setattr(rotation, "needed", lambda needed=rotation.needed: bind() or needed())
    report = rotation.rotate()
    assert report.needed == {NEW_NAME: 5, OLD_NAME: 1}


def test_rows_without_a_mark_get_one_and_no_other_ciphertext(stored, settings):
    settings.API_KEY_ENCRYPTION_KEYS = [OLD]
    ApiKey.objects.update(sealed_with="")
    before = list(ApiKey.objects.order_by("pk").values_list("sealed", flat=True))
    report = rotation.rotate()
    assert list(ApiKey.objects.order_by("pk").values_list("sealed", flat=True)) == before
    assert marks() == [OLD_NAME] * 5
    assert report.newest_already == 5


def test_a_mark_is_not_believed(stored, settings):
    """An older release writes a new ciphertext and leaves the mark."""
    ApiKey.objects.update(sealed_with=NEW_NAME)
    assert rotation.rotate().resealed == 5
    settings.API_KEY_ENCRYPTION_KEYS = [NEW]
    assert opened() == KEYS


def test_built_in_keys_are_left_alone(stored, number, alice):
    built_in = keys.bind(number, keys.LOCAL, "", actor=alice)
    assert rotation.rotate().rows == 5
    assert ApiKey.objects.get(pk=built_in.pk).sealed_with == ""


# Verdicts ---------------------------------------------------------------------------------------


def test_the_verdict_of_a_check_that_was_under_way_counts(stored):
    keys.request_check(stored[0])
    begun = keys.begin_check(stored[0].pk)
    rotation.rotate()
    begun.end_check(KeyStatus.INVALID, "HTTP 401")
    assert ApiKey.objects.get(pk=stored[0].pk).status == KeyStatus.INVALID


def test_what_an_answer_showed_that_was_under_way_counts(stored, number):
    [plan] = plans.make_all([factories.message(number)])
    rotation.rotate()
    answering = next(key for key, _ in plan.keys if key.pk == stored[0].pk)
    answering.take_verdict(KeyStatus.OUT_OF_QUOTA, "HTTP 429")
    assert KeyVerdict.objects.get().key_id == stored[0].pk


# What does not open -----------------------------------------------------------------------------


@pytest.fixture
def broken(stored) -> ApiKey:
    """One that was moved to another base URL behind our back."""
    ApiKey.objects.filter(pk=stored[1].pk).update(base_url="https://evil.example/v1")
    return stored[1]


def run(*options: str) -> str:
    said = StringIO()
    call_command("rotate_keys", *options, stdout=said)
    return said.getvalue()


def run_and_fail(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    with pytest.raises(SystemExit) as ended:
        call_command("rotate_keys", *options)
    assert ended.value.code == 1
    return capsys.readouterr().out


def test_it_is_named_with_its_number_and_never_shown(broken, number, capsys):
    said = run_and_fail(capsys)
    assert f"{broken.pk} of {number.app_id}: the ciphertext was made for another row" in said
    assert not [key for key in KEYS if key in said]
    assert f"{OLD_NAME}  needed by 1" in said


def test_it_is_left_as_it_is(broken):
    rotation.rotate()
    assert ApiKey.objects.get(pk=broken.pk).sealed == broken.sealed


def test_a_master_key_that_is_not_there_is_named(stored, settings, capsys):
    settings.API_KEY_ENCRYPTION_KEYS = [NEW]
    report = json.loads(run_and_fail(capsys, "--json"))
    assert report["missing"] == [{"fingerprint": OLD_NAME, "neededBy": 5}]
    assert {each["appId"] for each in report["didNotOpen"]} == {stored[0].number.app_id}
    assert report["masterKeys"] == [{"fingerprint": NEW_NAME, "neededBy": 0, "mayBeRemoved": False}]


def test_what_is_lost_for_good_is_forgotten_when_asked_to(broken):
    said = run("--remove-unopened", "--no-input")
    assert "removed                      1" in said
    assert set(ApiKey.objects.bound().values_list("sealed_with", flat=True)) == {NEW_NAME}
    entry = AuditEntry.objects.get(action="key.removed")
    assert entry.details == {"key": broken.pk, "because": "it does not open"}


def test_it_asks_before_it_forgets(broken, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda _prompt: "no")
    with pytest.raises(CommandError, match="Nothing was changed"):
        run("--remove-unopened")
    assert ApiKey.objects.bound().count() == 5


def test_what_was_typed_anew_meanwhile_is_not_forgotten(broken, alice, monkeypatch):
    wanted = keys.Edit(label="", base_url=URL, api_key=OTHER)
    slipped_in(monkeypatch, lambda: keys.edit(broken, wanted, actor=alice))
    report = rotation.rotate(remove_unopened=True)
    assert (report.removed, len(report.unopened)) == (0, 1)
    assert ApiKey.objects.get(pk=broken.pk).open() == (URL, OTHER)


# What is said -----------------------------------------------------------------------------------


def test_the_report_says_which_master_key_may_be_removed(stored):
    said = run()
    assert "sealed anew                  5" in said
    assert f"{NEW_NAME}  needed by 5" in said
    assert f"{OLD_NAME}  needed by none: it may be removed from the list now" in said


def test_the_newest_never_may(stored):
    ApiKey.objects.all().delete()
    report = rotation.rotate()
    assert [rotate_keys.may_go(report, name) for name in (NEW_NAME, OLD_NAME)] == [False, True]


def test_without_master_keys_it_says_so(stored, settings):
    settings.API_KEY_ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match="API_KEY_ENCRYPTION_KEYS is empty"):
        run()
