"""accessTokens: signed, so that issuing one stores nothing and reading one asks nobody.

A token names the app, the generation of the secret it was issued for, its own id and its expiry.
Its life hangs on the app's record (`portal.app_records`), which every call looks at; so a reset, a
freeze or a suspension holds from the next request on, and a new token never kills an earlier one.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import struct
import time
from dataclasses import dataclass

from django.conf import settings

PREFIX = "fwat_"
_VERSION = 2
_LAYOUT = struct.Struct(">B8sIQ12s")  # the appId is `fw` and eight bytes in hex
_SIGNATURE_BYTES = 16
_SHAPE = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{60,80}}")


class TokenInvalid(Exception):
    """Not one of ours, or tampered with."""


class TokenExpired(Exception):
    """One of ours, past its time."""


@dataclass(frozen=True)
class AccessToken:
    """`expires` in seconds since 1970, UTC."""

    app_id: str
    generation: int
    expires: int
    token_id: str


def _sign(payload: bytes, key: str) -> bytes:
    return hmac.digest(key.encode(), b"fuwuhao.access-token." + payload, hashlib.sha256)[
        :_SIGNATURE_BYTES
    ]


def _encoded(signed: bytes) -> str:
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def issue(app_id: str, generation: int) -> tuple[str, int]:
    """A fresh token, independent of all others, and for how many seconds it is good."""
    seconds = settings.ACCESS_TOKEN_SECONDS
    expires = int(time.time()) + seconds
    app = bytes.fromhex(app_id.removeprefix("fw"))
    payload = _LAYOUT.pack(_VERSION, app, generation, expires, secrets.token_bytes(12))
    signed = payload + _sign(payload, settings.TOKEN_SIGNING_KEYS[0])
    return PREFIX + _encoded(signed), seconds


def read(token: str) -> AccessToken:
    """What the token says, if one of our keys signed it; raises TokenInvalid or TokenExpired."""
    if not _SHAPE.fullmatch(token):
        raise TokenInvalid
    body = token.removeprefix(PREFIX)
    try:
        signed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        if _encoded(signed) != body:  # the last letter has bits to spare: one spelling only
            raise TokenInvalid
        payload, signature = signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:]
        version, app, generation, expires, token_id = _LAYOUT.unpack(payload)
    except (binascii.Error, struct.error) as error:
        raise TokenInvalid from error
    keys = settings.TOKEN_SIGNING_KEYS
    if version != _VERSION or not any(
        hmac.compare_digest(signature, _sign(payload, key)) for key in keys
    ):
        raise TokenInvalid
    if expires <= time.time():
        raise TokenExpired
    return AccessToken(f"fw{app.hex()}", generation, expires, token_id.hex())
