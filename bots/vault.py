"""The one file that sees an API key in clear at rest.

Keys are sealed with master keys of their own (`bots.master_keys`), so that rotating those and
rotating `SECRET_KEY` stay two separate things. Each ciphertext carries the row and the base URL it
was made for: copied to another row, or left behind when the base URL was changed, it does not open.
Otherwise who can edit a base URL could have the key sent to a host of his own (CVE-2024-6587).
"""

import json
from functools import lru_cache
from typing import NamedTuple

from cryptography.fernet import Fernet, InvalidToken

from bots import master_keys

SHORTEST_KEY_TO_SHOW = 20


class VaultError(Exception):
    """The key cannot be sealed or opened. The message never holds a key."""


class NoMasterKeyOpens(VaultError):
    """The ciphertext is forged or damaged, or its master key is not in the list."""


class Sealed(NamedTuple):
    """A ciphertext, and the fingerprint of the master key that opens it."""

    ciphertext: str
    sealed_with: str


@lru_cache(maxsize=16)
def _cipher(master_key: str) -> tuple[Fernet, str]:
    return Fernet(master_key), master_keys.fingerprint(master_key)


def _ciphers(*, look_again: bool = False) -> list[tuple[Fernet, str]]:
    """The newest first, each with its fingerprint."""
    try:
        return [_cipher(key) for key in master_keys.that_open(look_again=look_again)]
    except master_keys.NoMasterKeys as fault:
        raise VaultError(str(fault)) from None


def fingerprints() -> list[str]:
    """Of the master keys in the list, the newest first. Raises VaultError where there are none."""
    try:
        return [master_keys.fingerprint(key) for key in master_keys.listed()]
    except master_keys.NoMasterKeys as fault:
        raise VaultError(str(fault)) from None


def seal(api_key: str, *, row_id: str, base_url: str) -> Sealed:
    """Encrypt a key for exactly this row and base URL.

    Raises VaultError where the master keys are missing or malformed.
    """
    content = json.dumps({"api_key": api_key, "row_id": row_id, "base_url": base_url})
    newest, name = _ciphers()[0]
    return Sealed(newest.encrypt(content.encode()).decode(), name)


def unseal(ciphertext: str, *, row_id: str, base_url: str) -> str:
    """The key in clear.

    Raises NoMasterKeyOpens for a forged or damaged ciphertext and a master key that was removed,
    and VaultError for a ciphertext made for another row or another base URL.
    """
    return _opened(ciphertext, row_id, base_url)[0]


def sealed_with(ciphertext: str, *, row_id: str, base_url: str) -> str:
    """The fingerprint of the master key that opens it. Raises what `unseal` does."""
    return _opened(ciphertext, row_id, base_url)[1]


def reseal(ciphertext: str, *, row_id: str, base_url: str) -> Sealed:
    """The same key under the newest master key. Raises what `unseal` does."""
    place = {"row_id": row_id, "base_url": base_url}
    return seal(unseal(ciphertext, **place), **place)


def _opened(ciphertext: str, row_id: str, base_url: str) -> tuple[str, str]:
    """The key in clear, and the fingerprint of the master key that opened it."""
    found = _decrypted(ciphertext, _ciphers())
    # Another process may have sealed it with a master key that has come since we last looked.
    found = found or _decrypted(ciphertext, _ciphers(look_again=True))
    if not found:
        raise NoMasterKeyOpens("the ciphertext does not open with any of the encryption keys")
    content = json.loads(found[0])
    if (content["row_id"], content["base_url"]) != (row_id, base_url):
        raise VaultError("the ciphertext was made for another row or another base URL")
    return str(content["api_key"]), found[1]


def _decrypted(ciphertext: str, ciphers: list[tuple[Fernet, str]]) -> tuple[bytes, str] | None:
    """The content, and the fingerprint of the master key that opened it."""
    for cipher, name in ciphers:
        try:
            return cipher.decrypt(ciphertext.encode()), name
        except (InvalidToken, UnicodeEncodeError):
            continue
    return None


def mask(api_key: str) -> str:
    """What may be shown of a key: `sk-…cdef`, and nothing at all of a short one."""
    if len(api_key) < SHORTEST_KEY_TO_SHOW:
        return "…"
    prefix = "sk-" if api_key.startswith("sk-") else ""
    return f"{prefix}…{api_key[-4:]}"
