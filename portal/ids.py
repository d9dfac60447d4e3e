"""Identifiers: strings of `[A-Za-z0-9_-]` with a prefix that says what they name."""

import re
import secrets
import time

_APP_ID = re.compile("fw[0-9a-f]{16}")
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def _base32(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(_CROCKFORD[digit])
    return "".join(reversed(digits))


def new_id(prefix: str) -> str:
    """A ULID with a prefix: 48 bits of milliseconds, then 80 random bits, in 26 characters.

    Ids of rows made together are neighbours in the index; the random half makes them unguessable.
    """
    milliseconds = time.time_ns() // 1_000_000
    return f"{prefix}_{_base32(milliseconds, 10)}{_base32(secrets.randbits(80), 16)}"


def new_app_id() -> str:
    """An appId: `fw` and 16 hex digits, as developers know it from WeChat's `wx…`."""
    return "fw" + secrets.token_hex(8)


def is_app_id(text: str) -> bool:
    """Whether it could be one: what could not is looked up nowhere."""
    return bool(_APP_ID.fullmatch(text))


def new_message_id() -> str:
    return new_id("msg")


def new_conversation_id() -> str:
    return new_id("conv")


def new_key_id() -> str:
    return new_id("key")
