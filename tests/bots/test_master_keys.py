"""The master keys: from the environment or from a file, which is read again when it changes."""

import os
import time
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core import checks
from django.test import override_settings

from bots import master_keys, vault
from bots.vault import VaultError

PLACE = {"row_id": "key_1", "base_url": "https://api.example.com/v1"}
KEY = "sk-proj-0123456789abcdefghij"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture
def file(settings, tmp_path) -> Path:
    """Named in the environment; the old master key is in it."""
    path = tmp_path / "master-keys"
    path.write_text(f"{OLD}\n")
    path.chmod(0o600)
    settings.API_KEY_ENCRYPTION_KEYS = []
    settings.API_KEY_ENCRYPTION_KEYS_FILE = str(path)
    return path


@pytest.fixture
def in_environment(settings) -> list[str]:
    settings.API_KEY_ENCRYPTION_KEYS = [OLD]
    return settings.API_KEY_ENCRYPTION_KEYS


def told(warnings: bool = False) -> list[str]:
    found = [each for each in checks.run_checks() if each.id in ("bots.E001", "bots.W001")]
    return [each.msg for each in found if each.is_serious() != warnings]


def test_a_file_holds_one_a_line_with_comments_and_blank_lines(file):
    file.write_text(f"# rotated in May\n\n  {NEW}  # the newest\n{OLD}\r\n\n#{OLD}\n")
    assert master_keys.listed() == (NEW, OLD)
    assert told() == []


def test_a_key_that_comes_into_the_file_seals_without_a_restart(file, monkeypatch):
    before = vault.seal(KEY, **PLACE)
    monkeypatch.setattr(master_keys, "LOOK_EVERY", 0)
    file.write_text(f"{NEW}\n{OLD}\n")
    after = vault.seal(KEY, **PLACE)
    names = [master_keys.fingerprint(key) for key in (OLD, NEW)]
    assert [before.sealed_with, after.sealed_with] == names
    assert vault.unseal(before.ciphertext, **PLACE) == vault.unseal(after.ciphertext, **PLACE)


def test_what_another_process_sealed_with_a_newer_key_opens_at_once(file):
    assert master_keys.listed() == (OLD,)
    with override_settings(API_KEY_ENCRYPTION_KEYS_FILE="", API_KEY_ENCRYPTION_KEYS=[NEW]):
        sealed = vault.seal(KEY, **PLACE).ciphertext
    file.write_text(f"{NEW}\n{OLD}\n")
    assert vault.unseal(sealed, **PLACE) == KEY


def test_a_key_that_goes_from_the_file_opens_until_the_next_start(file, monkeypatch):
    sealed = vault.seal(KEY, **PLACE).ciphertext
    monkeypatch.setattr(master_keys, "LOOK_EVERY", 0)
    file.write_text(f"{NEW}\n")
    assert vault.unseal(sealed, **PLACE) == KEY
    assert vault.fingerprints() == [master_keys.fingerprint(NEW)]
    monkeypatch.setattr(master_keys._Last, "look", None)
    with pytest.raises(VaultError):
        vault.unseal(sealed, **PLACE)


def test_the_file_is_not_looked_at_for_each_key(file, monkeypatch):
    looks = []
    stamp = master_keys._stamp
    monkeypatch.setattr(master_keys, "_stamp", lambda path: looks.append(path) or stamp(path))
    for _ in range(50):
        vault.unseal(vault.seal(KEY, **PLACE).ciphertext, **PLACE)
    assert len(looks) <= 1


def test_a_mount_that_is_swapped_for_another_is_seen(file, tmp_path, monkeypatch):
    """As Kubernetes does it: the name is a link, and then another one."""
    monkeypatch.setattr(master_keys, "LOOK_EVERY", 0)
    (tmp_path / "first").write_text(OLD)
    (tmp_path / "second").write_text(NEW)
    file.unlink()
    file.symlink_to(tmp_path / "first")
    assert master_keys.listed() == (OLD,)
    (tmp_path / "link").symlink_to(tmp_path / "second")
    (tmp_path / "link").replace(file)
    assert master_keys.listed() == (NEW,)


@pytest.mark.parametrize("spoilt", ["", NEW[:20], f"{NEW}\n{OLD[:9]}", "\xff"])
def test_a_file_that_is_spoilt_later_replaces_nothing(file, monkeypatch, spoilt):
    sealed = vault.seal(KEY, **PLACE).ciphertext
    monkeypatch.setattr(master_keys, "LOOK_EVERY", 0)
    file.write_text(spoilt)
    assert vault.unseal(sealed, **PLACE) == KEY
    file.unlink()
    assert vault.unseal(sealed, **PLACE) == KEY


def test_a_rotation_waits_until_everybody_has_seen_the_change(file, monkeypatch):
    just_changed = master_keys.seconds_until_known()
    long_after = time.time() + 60
    monkeypatch.setattr(master_keys.time, "time", lambda: long_after)
    assert 0 < just_changed <= 2 * master_keys.LOOK_EVERY
    assert master_keys.seconds_until_known() == 0


def test_fingerprints_differ_and_are_the_same_each_time():
    assert master_keys.fingerprint(OLD) == master_keys.fingerprint(OLD)
    assert master_keys.fingerprint(OLD) != master_keys.fingerprint(NEW)
    assert len(master_keys.fingerprint(OLD)) == master_keys.FINGERPRINT_LENGTH


# What is wrong ----------------------------------------------------------------------------------


def test_good_keys_raise_no_complaint(in_environment):
    assert told() == told(warnings=True) == []


def test_missing_keys_are_named(settings):
    settings.API_KEY_ENCRYPTION_KEYS = []
    assert "API_KEY_ENCRYPTION_KEYS is empty" in told()[0]


@pytest.mark.parametrize("bad", ["changeme", "密" * 44, "A" * 43 + "=", "YWJj" * 10 + "YWI="])
def test_a_bad_key_is_named_by_its_place_and_not_quoted(in_environment, bad):
    in_environment.append(bad)
    [complaint] = told()
    assert complaint.startswith("API_KEY_ENCRYPTION_KEYS: key 2 is ")
    assert bad not in complaint


def test_a_bad_key_in_the_file_is_named_by_its_place_and_not_quoted(file):
    file.write_text(f"# one\n{NEW}\nchangeme\n")
    [complaint] = told()
    assert complaint.startswith("API_KEY_ENCRYPTION_KEYS_FILE: key 2 is ")
    assert "changeme" not in complaint


def test_an_empty_file_is_named(file):
    file.write_text("# none yet\n")
    assert "API_KEY_ENCRYPTION_KEYS_FILE is empty" in told()[0]


def test_a_file_that_is_not_there_is_named_with_its_path(file):
    file.unlink()
    reason = f"API_KEY_ENCRYPTION_KEYS_FILE: {file} cannot be read: {os.strerror(2)}"
    assert told() == [reason]
    with pytest.raises(VaultError, match="cannot be read"):
        vault.seal(KEY, **PLACE)


def test_both_at_once_are_refused_and_named(file, settings):
    settings.API_KEY_ENCRYPTION_KEYS = [NEW]
    assert "API_KEY_ENCRYPTION_KEYS and API_KEY_ENCRYPTION_KEYS_FILE are both set" in told()[0]


@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o440, 0), (0o444, 1), (0o604, 1)])
def test_it_warns_of_a_file_that_everybody_may_read(file, mode, warnings):
    file.chmod(mode)
    assert len(told(warnings=True)) == warnings
    assert told() == []
