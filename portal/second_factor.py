"""Second factors at rest: TOTP secrets and recovery seeds are encrypted in the database.

The key is derived from SECRET_KEY for this one purpose (HKDF, RFC 5869), so a dump of the database
alone signs nobody in.
"""

import base64

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_PURPOSE = b"fuwuhao.second-factor"


def _cipher() -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(settings.SECRET_KEY.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


class Adapter(DefaultMFAAdapter):
    """allauth's hooks for what it stores of a second factor."""

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode()).decode()
