"""appSecrets: made once, shown once, kept as digests.

A secret carries 190 random bits, so a plain SHA-256 digest is enough (there is no dictionary to
try). It begins with a type prefix, which secret scanners can find, and ends with a checksum, so
that a typing error is refused without a look into the database (security.md, lines 11 and 17).
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from portal import audit
from portal.models import AppSecret, ServiceNumber, User

PREFIX = "fwsk_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH = 32
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + 6}}}")
OVERLAP_AT_MOST = timedelta(hours=72)


class SecretFrozen(Exception):
    """The secret is right but its owner has frozen it."""


@dataclass(frozen=True)
class IssuedSecret:
    """A fresh secret in clear: show it once, then forget it."""

    row: AppSecret
    clear: str

    def __repr__(self) -> str:
        return f"IssuedSecret({self.row})"


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, len(_ALPHABET))
        digits += _ALPHABET[digit]
    return digits


def new_secret() -> str:
    body = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + _checksum(body)


def looks_right(secret: str) -> bool:
    """Whether the prefix and the checksum fit; says nothing of whose secret it is."""
    return bool(_SHAPE.fullmatch(secret)) and secret.endswith(_checksum(secret[:-6]))


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def issue(number: ServiceNumber, *, actor: User | None) -> IssuedSecret:
    """Add a live secret beside those that the number has."""
    clear = new_secret()
    with transaction.atomic():
        ServiceNumber.objects.select_for_update().get(pk=number.pk)
        latest = number.secrets.aggregate(latest=Max("generation"))["latest"] or 0
        row = number.secrets.create(
            generation=latest + 1, digest=digest(clear), last_four=clear[-4:]
        )
        audit.record("secret.issued", actor=actor, number=number, generation=row.generation)
    return IssuedSecret(row, clear)


def reset(
    number: ServiceNumber, *, actor: User | None, overlap: timedelta = timedelta()
) -> IssuedSecret:
    """Issue a new secret; the others die after the overlap (0 to 72 h), at once where it is 0."""
    if not timedelta() <= overlap <= OVERLAP_AT_MOST:
        raise ValueError(f"The overlap must be between 0 and {OVERLAP_AT_MOST}.")
    now = timezone.now()
    with transaction.atomic():
        ServiceNumber.objects.select_for_update().get(pk=number.pk)
        older = number.secrets.live(now)
        older.filter(expires_at__gt=now + overlap).update(expires_at=now + overlap)
        older.filter(expires_at=None).update(expires_at=now + overlap)
        return issue(number, actor=actor)


def revoke(secret: AppSecret, *, actor: User | None) -> None:
    with transaction.atomic():
        AppSecret.objects.filter(pk=secret.pk, revoked_at=None).update(revoked_at=timezone.now())
        audit.record(
            "secret.revoked", actor=actor, number=secret.number, generation=secret.generation
        )


def freeze(secret: AppSecret, *, actor: User | None, frozen: bool = True) -> None:
    """Refuse the secret and its tokens until it is thawed again (`frozen=False`)."""
    action = "secret.frozen" if frozen else "secret.thawed"
    with transaction.atomic():
        frozen_at = timezone.now() if frozen else None
        AppSecret.objects.filter(pk=secret.pk).update(frozen_at=frozen_at)
        audit.record(action, actor=actor, number=secret.number, generation=secret.generation)


def verify(app_id: str, clear: str, now: datetime | None = None) -> AppSecret | None:
    """The live secret that this is, with its number; None where app or secret is wrong.

    An unknown app and a wrong secret take the same path: one lookup, one comparison (security.md,
    line 12). A typing error is refused before that, whatever the app; it says nothing of it.
    Raises SecretFrozen for the right secret while it is frozen.
    """
    if not looks_right(clear):
        return None
    live = AppSecret.objects.live(now).filter(number__app_id=app_id).select_related("number")
    theirs = digest(clear)
    found = None
    for candidate in live:
        if hmac.compare_digest(candidate.digest, theirs):
            found = candidate
    hmac.compare_digest(theirs, digest(app_id))
    if found is None:
        return None
    if found.frozen_at:
        raise SecretFrozen
    return found
