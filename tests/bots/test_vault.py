"""API keys at rest: sealed for one row and one base URL."""

import pytest
from cryptography.fernet import Fernet

from bots import vault
from bots.vault import VaultError

KEY = "sk-proj-0123456789abcdefghij"
PLACE = {"row_id": "key_1", "base_url": "https://api.example.com/v1"}


@pytest.fixture
def encryption_keys(settings):
    settings.API_KEY_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    return settings.API_KEY_ENCRYPTION_KEYS


def test_it_opens_what_it_sealed(encryption_keys):
    assert vault.unseal(vault.seal(KEY, **PLACE), **PLACE) == KEY


def test_it_seals_the_same_key_differently_each_time(encryption_keys):
    assert vault.seal(KEY, **PLACE) != vault.seal(KEY, **PLACE)


def test_a_ciphertext_holds_no_trace_of_the_key(encryption_keys):
    assert KEY not in vault.seal(KEY, **PLACE)


@pytest.mark.parametrize("key", ["", "密钥", "a\0b", "\ud83d", "x" * 4096])
def test_it_keeps_whatever_a_person_may_paste(encryption_keys, key):
    assert vault.unseal(vault.seal(key, **PLACE), **PLACE) == key


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"row_id": "key_2"},
        {"row_id": ""},
        {"base_url": "https://evil.example/v1"},
        {"base_url": "https://api.example.com/v1/"},
        {"base_url": ""},
    ],
)
def test_it_does_not_open_in_another_place(encryption_keys, elsewhere):
    sealed = vault.seal(KEY, **PLACE)
    with pytest.raises(VaultError, match="another row or another base URL") as refusal:
        vault.unseal(sealed, **PLACE | elsewhere)
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize("forged", ["", "gAAAA", "密文", "x" * 300])
def test_it_does_not_open_what_it_did_not_seal(encryption_keys, forged):
    with pytest.raises(VaultError, match="does not open"):
        vault.unseal(forged, **PLACE)


def test_a_changed_ciphertext_does_not_open(encryption_keys):
    sealed = vault.seal(KEY, **PLACE)
    swapped = "B" if sealed[40] == "A" else "A"
    with pytest.raises(VaultError):
        vault.unseal(sealed[:40] + swapped + sealed[41:], **PLACE)


def test_an_older_key_still_opens_after_a_rotation(encryption_keys, settings):
    sealed = vault.seal(KEY, **PLACE)
    settings.API_KEY_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *encryption_keys]
    assert vault.unseal(sealed, **PLACE) == KEY


def test_the_newest_key_seals(encryption_keys, settings):
    newest = Fernet.generate_key().decode()
    settings.API_KEY_ENCRYPTION_KEYS = [newest, *encryption_keys]
    sealed = vault.seal(KEY, **PLACE)
    settings.API_KEY_ENCRYPTION_KEYS = [newest]
    assert vault.unseal(sealed, **PLACE) == KEY


def test_a_removed_key_opens_nothing_more(encryption_keys, settings):
    sealed = vault.seal(KEY, **PLACE)
    settings.API_KEY_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(VaultError):
        vault.unseal(sealed, **PLACE)


@pytest.mark.parametrize("keys", [[], ["short"]])
def test_it_seals_nothing_without_a_good_encryption_key(settings, keys):
    settings.API_KEY_ENCRYPTION_KEYS = keys
    with pytest.raises(VaultError, match="API_KEY_ENCRYPTION_KEYS"):
        vault.seal(KEY, **PLACE)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (KEY, "sk-…ghij"),
        ("0123456789abcdefghij", "…ghij"),
        ("sk-0123456789abcdef", "…"),
        ("sk-short", "…"),
        ("", "…"),
    ],
)
def test_a_mask_shows_little_and_of_a_short_key_nothing(key, shown):
    assert vault.mask(key) == shown


def test_good_encryption_keys_raise_no_complaint(encryption_keys):
    assert vault.check_keys() == []


def test_missing_encryption_keys_are_named(settings):
    settings.API_KEY_ENCRYPTION_KEYS = []
    assert "API_KEY_ENCRYPTION_KEYS is empty" in vault.check_keys()[0]


@pytest.mark.parametrize("bad", ["changeme", "密" * 44, "A" * 43 + "=", "YWJj" * 10 + "YWI="])
def test_a_bad_encryption_key_is_named_by_number_and_not_quoted(encryption_keys, settings, bad):
    settings.API_KEY_ENCRYPTION_KEYS = [*encryption_keys, bad]
    complaints = vault.check_keys()
    assert len(complaints) == 1
    assert complaints[0].startswith("API_KEY_ENCRYPTION_KEYS: key 2 is ")
    assert bad not in complaints[0]
