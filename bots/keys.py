"""Binding API keys, and finding out what they are worth.

`check_due_at` makes the key's own row the queue of record of its checks, as with messages: the
nudge may be lost and the worker may die, a sweeper finds the row again.
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from bots import outbound
from bots.models import ApiKey, KeyStatus
from bots.vault import VaultError
from portal import audit, nudges
from portal.models import ServiceNumber, User

CHECK_AGAIN_AFTER = timedelta(seconds=30)
LOCAL = "local"  # the base URL that stands for the model which ships with the platform


def bind(
    number: ServiceNumber, base_url: str, api_key: str, *, actor: User | None, label: str = ""
) -> ApiKey:
    """Bind a key to the number's robot and have it checked; the same key is bound once.

    Raises outbound.UrlRefused for a base URL that may not be called.
    """
    is_local = base_url == LOCAL
    if not is_local:
        outbound.check_url(base_url)
    bound = _bound_already(number, base_url, api_key)
    if bound:
        return bound
    key = ApiKey(number=number, label=label, is_local=is_local)
    if not is_local:
        key.base_url = base_url.rstrip("/")
        key.seal(api_key)
    with transaction.atomic():
        key.save()
        audit.record(
            "key.bound", actor=actor, number=number, key=key.pk, base_url=key.base_url or LOCAL
        )
        request_check(key)
    return key


def _bound_already(number: ServiceNumber, base_url: str, api_key: str) -> ApiKey | None:
    if base_url == LOCAL:
        return number.api_keys.bound().filter(is_local=True).first()
    for key in number.api_keys.bound().filter(base_url=base_url.rstrip("/")):
        try:
            if key.open()[1] == api_key:
                return key
        except VaultError:
            continue
    return None


def request_check(key: ApiKey) -> None:
    """Have a worker look at the key, again or for the first time."""
    key.status, key.check_due_at = KeyStatus.PENDING, timezone.now() + CHECK_AGAIN_AFTER
    key.save(update_fields=["status", "check_due_at"])
    transaction.on_commit(lambda: nudges.nudge("bots.tasks.check_key", key.pk))


def take_overdue_checks() -> list[str]:
    """The keys that should be checked now, each nudged by one sweeper only."""
    now = timezone.now()
    overdue = ApiKey.objects.bound().filter(check_due_at__lte=now)
    return [
        pk
        for pk, due_at in list(overdue.values_list("pk", "check_due_at"))
        if overdue.filter(pk=pk, check_due_at=due_at).update(check_due_at=now + CHECK_AGAIN_AFTER)
    ]


def remove(key: ApiKey, *, actor: User | None) -> None:
    """Forget the key: its ciphertext goes, its history stays."""
    with transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(removed_at=timezone.now(), sealed="")
        audit.record("key.removed", actor=actor, number=key.number, key=key.pk)
