"""appSecrets: made once, shown once, kept as digests.

A secret carries 190 random bits, so a plain SHA-256 digest is enough (there is no dictionary to
try). It begins with a type prefix, which secret scanners can find, and ends with a checksum, so
that a typing error is refused without a look into the database (security.md, lines 11 and 17).
"""

import hashlib
import hmac
import re
import secrets
import time
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import app_records, audit
from portal.app_records import AppRecord, SecretRecord
from portal.models import AppSecret, ServiceNumber, State, User
from portal.models.credentials import AppSecretQuerySet

PREFIX = "fwsk_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH = 32
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + 6}}}")
OVERLAP_AT_MOST = timedelta(hours=72)
LIVE_AT_MOST = 5


class SecretFrozen(Exception):
    """The secret is right but its owner has frozen it."""


class SecretRefused(Exception):
    """No secret is made; the message is a sentence for the number's owner."""


@dataclass(frozen=True)
class IssuedSecret:
    """A fresh secret in clear: show it once, then forget it."""

    row: AppSecret
    clear: str

    def __repr__(self) -> str:
        return f"IssuedSecret({self.row})"


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _position in range(6):
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


def latest_generation(number: ServiceNumber) -> int:
    """0 where the number never had a secret."""
    return int(number.secrets.aggregate(latest=Max("generation"))["latest"] or 0)


def issue(number: ServiceNumber, *, actor: User | None, after: int | None = None) -> IssuedSecret:
    """Add a live secret beside those that the number has.

    `after` is the generation that the caller believes to be the latest: a form that is sent twice,
    or from a page that is out of date, makes no second secret. Raises SecretRefused; the operator's
    shell (no actor) is bound by `after` alone.
    """
    with transaction.atomic():
        fresh = ServiceNumber.objects.locked(number.pk)
        _refuse_a_repeated_form(fresh, after)
        issued = _add(fresh, actor)
        app_records.changed(number.pk)
        generation = issued.row.generation
        audit.record("secret.issued", actor=actor, number=number, generation=generation)
    return issued


def _add(number: ServiceNumber, actor: User | None) -> IssuedSecret:
    if actor is not None:
        _refuse_too_much(number)
    clear = new_secret()
    generation = latest_generation(number) + 1
    row = number.secrets.create(generation=generation, digest=digest(clear), last_four=clear[-4:])
    return IssuedSecret(row, clear)


def _refuse_a_repeated_form(number: ServiceNumber, after: int | None) -> None:
    latest = latest_generation(number)
    if after is None or after == latest:
        return
    made = number.secrets.filter(generation=latest).first()
    sentence = _(
        "No second appSecret was made: this form was sent before, and …%(last_four)s came of it. "
        "If you did not store that one, revoke it and create another."
    )
    raise SecretRefused(sentence % {"last_four": made.last_four if made else "????"})


def _refuse_too_much(number: ServiceNumber) -> None:
    if number.state == State.CLOSED:
        raise SecretRefused(_("The service number is closed: it gets no more appSecrets."))
    if number.secrets.live().count() >= LIVE_AT_MOST:
        sentence = _("There are %(count)d live appSecrets already. Revoke one that is not needed.")
        raise SecretRefused(sentence % {"count": LIVE_AT_MOST})


def reset(
    number: ServiceNumber,
    *,
    actor: User | None,
    overlap: timedelta = timedelta(),
    after: int | None = None,
) -> IssuedSecret:
    """Issue a new secret; the others die after the overlap (0 to 72 h), at once where it is 0.

    `after` and SecretRefused as in `issue`.
    """
    if not timedelta() <= overlap <= OVERLAP_AT_MOST:
        raise ValueError(f"The overlap must be between 0 and {OVERLAP_AT_MOST}.")
    with transaction.atomic():
        fresh = ServiceNumber.objects.locked(number.pk)
        _refuse_a_repeated_form(fresh, after)
        ending = _let_die(fresh, overlap)
        issued = _add(fresh, actor)
        app_records.changed(number.pk)
        audit.record(
            "secret.reset",
            actor=actor,
            number=number,
            generation=issued.row.generation,
            ending=ending,
            overlap_seconds=int(overlap.total_seconds()),
        )
    return issued


def _let_die(number: ServiceNumber, overlap: timedelta) -> list[int]:
    """The generations that end sooner by it; none lives longer than it would have."""
    now = timezone.now()
    later = Q(expires_at=None) | Q(expires_at__gt=now + overlap)
    older = number.secrets.live(now).filter(later).order_by("generation")
    ending = list(older.values_list("generation", flat=True))
    number.secrets.filter(generation__in=ending).update(expires_at=now + overlap)
    return ending


def revoke(secret: AppSecret, *, actor: User | None) -> bool:
    """End the secret and its tokens for good; False where it was dead already."""
    now = timezone.now()
    live = AppSecret.objects.live(now).filter(pk=secret.pk)
    return _change(live, {"revoked_at": now}, secret, "secret.revoked", actor)


def freeze(secret: AppSecret, *, actor: User | None, frozen: bool = True) -> bool:
    """Refuse the secret and its tokens until it is thawed again (`frozen=False`).

    False where nothing changed.
    """
    live = AppSecret.objects.live().filter(pk=secret.pk, frozen_at__isnull=frozen)
    action = "secret.frozen" if frozen else "secret.thawed"
    frozen_at = timezone.now() if frozen else None
    return _change(live, {"frozen_at": frozen_at}, secret, action, actor)


def thaw(secret: AppSecret, *, actor: User | None) -> bool:
    return freeze(secret, actor=actor, frozen=False)


def _change(
    rows: AppSecretQuerySet,
    change: dict[str, datetime | None],
    secret: AppSecret,
    action: str,
    actor: User | None,
) -> bool:
    """Of two who do the same at once, one does it and one entry tells of it."""
    with transaction.atomic():
        ServiceNumber.objects.locked(secret.number_id)
        changed = bool(rows.update(**change))
        if changed:
            app_records.changed(secret.number_id)
            audit.record(action, actor=actor, number=secret.number, generation=secret.generation)
        else:
            app_records.tell_again(secret.number_id)
    return changed


def verify(app_id: str, clear: str) -> tuple[AppRecord, SecretRecord] | None:
    """The app and the live secret that these are; None where app or secret is wrong.

    The cached record only ever says yes. Before a refusal the rows are asked, so that an unknown
    app and a wrong secret take the same path (security.md, line 12). A typing error is refused
    before that, whatever the app; it says nothing of it.
    Raises SecretFrozen for the right secret while it is frozen.
    """
    if not looks_right(clear):
        return None
    theirs = digest(clear)
    for look in (app_records.read, app_records.from_database):
        record = look(app_id)
        found = _matching(record.secrets if record else [], theirs)
        if record and found and not found.frozen:
            return record, found
    if found:
        raise SecretFrozen
    return None


def _matching(candidates: list[SecretRecord], theirs: str) -> SecretRecord | None:
    now = time.time()
    found = None
    for candidate in candidates:
        if hmac.compare_digest(candidate.digest, theirs) and candidate.is_live(now):
            found = candidate
    hmac.compare_digest(theirs, digest(theirs))
    return found
