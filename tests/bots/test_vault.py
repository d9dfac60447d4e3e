"""API keys at rest: sealed for one row and one base URL."""

import pytest
from cryptography.fernet import Fernet

from bots import keys, master_keys, vault
from bots.models import ApiKey
from bots.vault import VaultError
from tests import factories

KEY = "sk-proj-0123456789abcdefghij"
PLACE = {"row_id": "key_1", "base_url": "https://api.example.com/v1"}


@pytest.fixture
def encryption_keys(settings):
    settings.API_KEY_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    return settings.API_KEY_ENCRYPTION_KEYS


def sealed(key: str = KEY) -> str:
    return vault.seal(key, **PLACE).ciphertext


def test_it_opens_what_it_sealed(encryption_keys):
    assert vault.unseal(sealed(), **PLACE) == KEY


def test_it_seals_the_same_key_differently_each_time(encryption_keys):
    assert sealed() != sealed()


def test_a_ciphertext_holds_no_trace_of_the_key(encryption_keys):
    assert KEY not in sealed()


def test_it_names_the_master_key_that_sealed_and_does_not_show_it(encryption_keys):
    ciphertext, name = vault.seal(KEY, **PLACE)
    assert name == master_keys.fingerprint(encryption_keys[0]) == vault.fingerprints()[0]
    assert vault.sealed_with(ciphertext, **PLACE) == name
    assert name not in encryption_keys[0]


@pytest.mark.parametrize("key", ["", "密钥", "a\0b", "\ud83d", "x" * 4096])
def test_it_keeps_whatever_a_person_may_paste(encryption_keys, key):
    assert vault.unseal(sealed(key), **PLACE) == key


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
    ciphertext = sealed()
    with pytest.raises(VaultError, match="another row or another base URL") as refusal:
        vault.unseal(ciphertext, **PLACE | elsewhere)
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize("forged", ["", "gAAAA", "密文", "x" * 300])
def test_it_does_not_open_what_it_did_not_seal(encryption_keys, forged):
    with pytest.raises(VaultError, match="does not open"):
        vault.unseal(forged, **PLACE)


def test_a_changed_ciphertext_does_not_open(encryption_keys):
    ciphertext = sealed()
    swapped = "B" if ciphertext[40] == "A" else "A"
    with pytest.raises(VaultError):
        vault.unseal(ciphertext[:40] + swapped + ciphertext[41:], **PLACE)


def test_an_older_key_still_opens_after_a_rotation(encryption_keys, settings):
    ciphertext = sealed()
    settings.API_KEY_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *encryption_keys]
    assert vault.unseal(ciphertext, **PLACE) == KEY


def test_the_newest_key_seals(encryption_keys, settings):
    newest = Fernet.generate_key().decode()
    settings.API_KEY_ENCRYPTION_KEYS = [newest, *encryption_keys]
    ciphertext = sealed()
    settings.API_KEY_ENCRYPTION_KEYS = [newest]
    assert vault.unseal(ciphertext, **PLACE) == KEY


def test_a_removed_key_opens_nothing_more(encryption_keys, settings):
    ciphertext = sealed()
    settings.API_KEY_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(VaultError):
        vault.unseal(ciphertext, **PLACE)


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


# Rows --------------------------------------------------------------------------------------------

OTHER = "sk-other-0123456789abcdefghij"


@pytest.fixture
def two(number) -> list[ApiKey]:
    """Keys of one number at one base URL."""
    return [factories.key(number, PLACE["base_url"], each) for each in (KEY, OTHER)]


def test_swapped_ciphertexts_do_not_open(two):
    one, other = two
    for key, taken in ((one, other), (other, one)):
        ApiKey.objects.filter(pk=key.pk).update(sealed=taken.sealed, mask=taken.mask)
    for key in ApiKey.objects.all():
        with pytest.raises(VaultError, match="another row or another base URL"):
            key.open()


def test_a_key_does_not_open_at_a_base_url_that_was_slipped_under_it(two):
    ApiKey.objects.update(base_url="https://evil.example/v1")
    for key in ApiKey.objects.all():
        with pytest.raises(VaultError, match="another row or another base URL"):
            key.open()


def test_a_row_says_which_master_key_it_needs_until_it_is_removed(two, alice):
    assert {key.sealed_with for key in two} == {vault.fingerprints()[0]}
    keys.remove(two[0], actor=alice)
    assert ApiKey.objects.get(pk=two[0].pk).sealed_with == ""
