"""Second factors at rest: TOTP secrets and recovery seeds are encrypted in the database.

The key is derived from SECRET_KEY for this one purpose (HKDF, RFC 5869), so a dump of the database
alone signs nobody in.
"""

import base64
from typing import Any, ClassVar

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.translation import gettext_lazy as _

_PURPOSE = b"fuwuhao.second-factor"


def _cipher() -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(settings.SECRET_KEY.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


class Adapter(DefaultMFAAdapter):
    """allauth's hooks for what it stores of a second factor, and our words."""

    error_messages: ClassVar[dict[str, Any]] = DefaultMFAAdapter.error_messages | {
        "add_email_blocked": _(
            "Switch off the second factor first, and on again when the new address is confirmed."
        ),
        "cannot_delete_authenticator": _("The second factor cannot be switched off."),
        "cannot_generate_recovery_codes": _("Set up an authenticator app first."),
        "incorrect_code": _(
            "This code does not fit. Enter the one that the app shows now, or a recovery code."
        ),
        "unverified_email": _(
            "Confirm your new email address first, or keep the old one: see “Email address”."
        ),
    }

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode()).decode()
