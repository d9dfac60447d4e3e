"""The one file that sees an API key in clear at rest.

Keys are encrypted with a key list of their own (`API_KEY_ENCRYPTION_KEYS`, newest first), so that
rotating it and rotating `SECRET_KEY` stay two separate things. Each ciphertext carries the row and
the base URL it was made for: copied to another row, or left behind when the base URL was changed,
it does not open. Otherwise who can edit a base URL could have the key sent to a host of his own
(CVE-2024-6587).
"""

import base64
import json
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

VARIABLE = "API_KEY_ENCRYPTION_KEYS"
HOW_TO_MAKE_ONE = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)
SHORTEST_KEY_TO_SHOW = 20
DISTINCT_BYTES_AT_LEAST = 16  # 32 random bytes have fewer once in 10**16


class VaultError(Exception):
    """The key cannot be sealed or opened. The message never holds a key."""


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def _current_cipher() -> MultiFernet:
    # Read at every call: a rotation, or a test, changes the setting under us.
    keys = tuple(settings.API_KEY_ENCRYPTION_KEYS)
    if not keys:
        raise VaultError(f"{VARIABLE} is empty")
    try:
        return _cipher(keys)
    except ValueError:
        raise VaultError(f"{VARIABLE} holds a malformed key") from None


def seal(api_key: str, *, row_id: str, base_url: str) -> str:
    """Encrypt a key for exactly this row and base URL.

    Raises VaultError where the encryption keys are missing or malformed.
    """
    content = json.dumps({"api_key": api_key, "row_id": row_id, "base_url": base_url})
    return _current_cipher().encrypt(content.encode()).decode()


def unseal(ciphertext: str, *, row_id: str, base_url: str) -> str:
    """The key in clear.

    Raises VaultError for a forged or damaged ciphertext, an encryption key that was removed, and a
    ciphertext made for another row or another base URL.
    """
    cipher = _current_cipher()
    try:
        content = json.loads(cipher.decrypt(ciphertext.encode()))
    except (InvalidToken, UnicodeEncodeError):
        raise VaultError("the ciphertext does not open with any of the encryption keys") from None
    if (content["row_id"], content["base_url"]) != (row_id, base_url):
        raise VaultError("the ciphertext was made for another row or another base URL")
    return str(content["api_key"])


def mask(api_key: str) -> str:
    """What may be shown of a key: `sk-…cdef`, and nothing at all of a short one."""
    if len(api_key) < SHORTEST_KEY_TO_SHOW:
        return "…"
    prefix = "sk-" if api_key.startswith("sk-") else ""
    return f"{prefix}…{api_key[-4:]}"


def check_keys() -> list[str]:
    """What is wrong with the encryption keys, one sentence each; the keys are not quoted."""
    keys = list(settings.API_KEY_ENCRYPTION_KEYS)
    if not keys:
        return [f"{VARIABLE} is empty: make a key with {HOW_TO_MAKE_ONE}"]
    numbered = enumerate(keys, start=1)
    return [
        f"{VARIABLE}: key {number} {fault}" for number, key in numbered if (fault := _fault(key))
    ]


def _fault(key: str) -> str:
    try:
        Fernet(key)
        content = base64.urlsafe_b64decode(key)
    except ValueError:
        return f"is not 32 bytes in URL-safe base64: make one with {HOW_TO_MAKE_ONE}"
    if len(set(content)) < DISTINCT_BYTES_AT_LEAST:
        return f"is no random key: make one with {HOW_TO_MAKE_ONE}"
    return ""
