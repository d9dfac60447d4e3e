"""Binding API keys, and finding out what they are worth.

`check_due_at` makes the key's own row the queue of record of its checks, as with messages: the
nudge may be lost and the worker may die, a sweeper finds the row again. A check that its owner
waits for is one of a `pending` key; one that is to bring a failed key back leaves its verdict be.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from bots import outbound
from bots.models import ApiKey, KeyStatus, KeyVerdict
from bots.vault import VaultError
from portal import audit, nudges, numbers, statements
from portal.models import ServiceNumber, User

CHECK_AGAIN_AFTER = timedelta(seconds=30)
# The base URLs that stand for what ships with the platform.
LOCAL = "local"
SANDBOX = "simulator"
KEYS_AT_MOST = 20
VERDICTS_KEPT = 1_000
_ID = re.compile("[A-Za-z0-9_-]{1,40}")


class TooManyKeys(Exception):
    """The number has as many keys as are allowed."""


class BoundAlready(Exception):
    """The number has this very key; `twin` is its row."""

    def __init__(self, twin: ApiKey) -> None:
        super().__init__(twin.pk)
        self.twin = twin


class KeyNeededAgain(Exception):
    """The base URL may change only together with the key (CVE-2024-6587)."""


def key_of(number: ServiceNumber, key_id: str) -> ApiKey:
    """The number's bound key; raises ApiKey.DoesNotExist.

    What is no id at all is not looked up: PostgreSQL refuses a NUL with an error of its own.
    """
    if not _ID.fullmatch(key_id):
        raise ApiKey.DoesNotExist
    return number.api_keys.bound().get(pk=key_id)


# Binding and changing -------------------------------------------------------------------------


def bind(
    number: ServiceNumber, base_url: str, api_key: str, *, actor: User | None, label: str = ""
) -> ApiKey:
    """Bind a key to the number's robot and have it checked; the same key is bound once.

    Raises outbound.UrlRefused for a base URL that may not be called, TooManyKeys, and
    numbers.EditRefused where the number is closed.
    """
    kind = {"is_local": base_url == LOCAL, "is_sandbox": base_url == SANDBOX}
    key = ApiKey(number=number, label=label, **kind)
    if not key.is_built_in:
        outbound.check_url(base_url)
        key.base_url = base_url.rstrip("/")
        key.seal(api_key)
    with transaction.atomic():
        # One after the other: two tabs do not bind the same key twice.
        numbers.refuse_closed(ServiceNumber.objects.locked(number.pk))
        bound = twin_of(number, base_url, api_key)
        if bound:
            return bound
        if number.api_keys.bound().count() >= KEYS_AT_MOST:
            raise TooManyKeys
        key.save()
        where = key.base_url or base_url
        audit.record("key.bound", actor=actor, number=number, key=key.pk, base_url=where)
        request_check(key)
    return key


def twin_of(number: ServiceNumber, base_url: str, api_key: str) -> ApiKey | None:
    """The row under which this very key is bound to the number already."""
    if base_url == LOCAL:
        return number.api_keys.bound().filter(is_local=True).first()
    if base_url == SANDBOX:
        return number.api_keys.bound().filter(is_sandbox=True).first()
    for key in number.api_keys.bound().filter(base_url=base_url.rstrip("/")):
        try:
            if key.open()[1] == api_key:
                return key
        except VaultError:
            continue
    return None


@dataclass(frozen=True)
class Edit:
    """What the owner wants of a key; an empty `api_key` keeps the present one.

    A built-in one has neither URL nor key: of its edit only the label counts.
    """

    label: str
    priority: int = 0
    weight: int = 1
    base_url: str = ""
    api_key: str = ""


def edit(key: ApiKey, wanted: Edit, *, actor: User) -> None:
    """Change the key's row; a new key or base URL is sealed anew and checked.

    Raises KeyNeededAgain, BoundAlready, outbound.UrlRefused, numbers.EditRefused where the number
    is closed, and ApiKey.DoesNotExist where the key was removed meanwhile.
    """
    with transaction.atomic():
        numbers.refuse_closed(ServiceNumber.objects.locked(key.number_id))
        key = ApiKey.objects.bound().select_related("number").get(pk=key.pk)
        before = _facts(key)
        key.label = wanted.label
        written = ["label"]
        if not key.is_built_in:
            key.priority, key.weight = wanted.priority, wanted.weight
            written += ["priority", "weight", *_seal_anew(key, wanted)]
        key.save(update_fields=written)
        after = _facts(key)
        changes = {
            name: [before[name], after[name]] for name in after if before[name] != after[name]
        }
        audit.record(
            "key.edited",
            actor=actor,
            number=key.number,
            key=key.pk,
            changes=changes,
            key_replaced=bool(wanted.api_key),
        )
        if wanted.api_key and not key.is_built_in:
            request_check(key)


def _facts(key: ApiKey) -> dict[str, Any]:
    return {name: getattr(key, name) for name in ("label", "priority", "weight", "base_url")}


def _seal_anew(key: ApiKey, wanted: Edit) -> list[str]:
    """The fields that this has set: none where no key was typed."""
    base_url = wanted.base_url.rstrip("/")
    if not wanted.api_key:
        if base_url != key.base_url:
            raise KeyNeededAgain
        return []
    outbound.check_url(base_url)
    twin = twin_of(key.number, base_url, wanted.api_key)
    if twin and twin.pk != key.pk:
        raise BoundAlready(twin)
    key.base_url = base_url
    key.seal(wanted.api_key)
    key.failures, key.rests_until = 0, None  # those were another key's
    return ["base_url", "failures", "rests_until", *ApiKey.SEALED]


def remove(key: ApiKey, *, actor: User | None, **details: str) -> None:
    """Forget the key: its ciphertext goes, its history stays."""
    with transaction.atomic():
        ServiceNumber.objects.locked(key.number_id)
        bound = ApiKey.objects.bound().filter(pk=key.pk)
        if bound.update(removed_at=timezone.now(), sealed="", sealed_with=""):
            audit.record("key.removed", actor=actor, number=key.number, key=key.pk, **details)


def remove_all(number_id: int) -> None:
    """A number that is closed for good needs none of them. It may be asked for more than once."""
    for key in ApiKey.objects.bound().filter(number=number_id).select_related("number"):
        remove(key, actor=None, because="number.close")


def forget_verdicts() -> None:
    """Of each key the newest stay: one that is often too fast changes its verdict often."""
    counted = KeyVerdict.objects.values("key").annotate(count=Count("pk"))
    for crowded in counted.filter(count__gt=VERDICTS_KEPT):
        of_key = KeyVerdict.objects.filter(key=crowded["key"]).order_by("-pk")
        oldest_kept = of_key.values_list("pk", flat=True)[VERDICTS_KEPT - 1]
        of_key.order_by().filter(pk__lt=oldest_kept).delete()


# Checking -------------------------------------------------------------------------------------


def request_check(key: ApiKey) -> None:
    """Have a worker look at the key, again or for the first time."""
    key.status, key.check_due_at = KeyStatus.PENDING, timezone.now() + CHECK_AGAIN_AFTER
    key.save(update_fields=["status", "check_due_at"])
    transaction.on_commit(lambda: nudges.nudge("bots.tasks.check_key", key.pk))


def check_again(key: ApiKey, *, actor: User) -> None:
    """The owner asks for another look; one that is under way already is that look."""
    if key.status == KeyStatus.PENDING:
        return
    with transaction.atomic():
        request_check(key)
        audit.record("key.check_requested", actor=actor, number=key.number, key=key.pk)


def asked_at(key: ApiKey) -> datetime:
    """Since when the verdict is waited for, or a check last began, or was nudged for again."""
    return key.check_due_at - CHECK_AGAIN_AFTER if key.check_due_at else key.created_at


def begin_check(key_id: str) -> ApiKey | None:
    """The key to be checked now; None where it was removed.

    Its `check_due_at` moves on, so that no sweeper begins the same check again before this one ends
    (a probe takes less), and it marks the check: a verdict counts while nothing has moved it since.
    """
    bound = ApiKey.objects.bound().filter(pk=key_id)
    with statements.turn():
        bound.update(check_due_at=timezone.now() + CHECK_AGAIN_AFTER)
    return bound.first()


def take_overdue_checks() -> list[str]:
    """The keys that should be checked now, each nudged by one sweeper only."""
    now = timezone.now()
    # What an older release found failed has no time at which to be looked at again.
    forgotten = Q(check_due_at=None) & ~Q(status__in=[KeyStatus.VALID, KeyStatus.PENDING])
    overdue = ApiKey.objects.bound().filter(Q(check_due_at__lte=now) | forgotten)
    found = list(overdue.values_list("pk", "check_due_at"))
    return [pk for pk, due_at in found if _take(overdue.filter(pk=pk, check_due_at=due_at), now)]


def _take(check: QuerySet[ApiKey], now: datetime) -> bool:
    """Whether it was still there to be taken."""
    with statements.turn():
        return bool(check.update(check_due_at=now + CHECK_AGAIN_AFTER))
