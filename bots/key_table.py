"""The table of a number's keys, as its owner sees it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from bots import keys
from bots.models import ApiKey, KeyStatus, KeyVerdict, Robot
from bots.models.key_status import WORKING
from portal.models import ServiceNumber, WorkerHeartbeat

LONG_WAIT = timedelta(seconds=20)
FOR_A_WORKER = "worker"
FOR_THE_PROVIDER = "provider"
CHOOSE_MODEL = "model"
MEND_KEY = "mend"


@dataclass(frozen=True)
class Row:
    """A bound key; `is_last` where no other can be used.

    `waits_for` is set where its check takes long: FOR_A_WORKER or FOR_THE_PROVIDER. `is_silent` is
    the simulator beside another key, and `wakes_simulator` the key without which it would answer.
    `shows_turn` says that there are others, so priority and weight mean something.
    """

    key: ApiKey
    evidence: str = ""
    waits_for: str = ""
    is_last: bool = False
    is_silent: bool = False
    wakes_simulator: bool = False
    shows_turn: bool = False

    @property
    def is_pending(self) -> bool:
        return self.key.status == KeyStatus.PENDING

    @property
    def looked_at_again(self) -> datetime | None:
        """When a key that has failed is checked anew by itself."""
        return None if self.is_pending else self.key.check_due_at


def rows(number: ServiceNumber) -> list[Row]:
    """All of them, each in its place whatever its verdict. The cost does not grow with the keys.

    They are tried in another order: `usable` puts those in trouble last.
    """
    newest = KeyVerdict.objects.filter(key=OuterRef("pk")).order_by("-pk")
    bound = number.api_keys.bound().annotate(evidence=Subquery(newest.values("evidence")[:1]))
    found: list[Any] = list(bound.order_by("priority", "created_at"))
    real = [key.pk for key in found if not key.is_sandbox]
    tried = [key for key in found if key.is_sandbox != bool(real)]  # all real ones, or no other
    usable = [key.pk for key in tried if key.status != KeyStatus.INVALID]
    reason = _reason_to_wait() if any(_waits_long(key) for key in found) else ""
    return [
        Row(
            key,
            evidence=key.evidence or "",
            waits_for=reason if _waits_long(key) else "",
            is_last=usable == [key.pk],
            is_silent=key.is_sandbox and bool(real),
            wakes_simulator=real == [key.pk] and len(found) > 1,
            shows_turn=not key.is_built_in and len(real) > 1,
        )
        for key in found
    ]


def row(key: ApiKey) -> Row:
    newest = key.verdicts.order_by("-pk").values_list("evidence", flat=True).first()
    waits_for = _reason_to_wait() if _waits_long(key) else ""
    bound = ApiKey.objects.filter(number=key.number_id).bound()
    is_silent = key.is_sandbox and not bound.are_simulated()
    shows_turn = not key.is_built_in and bound.filter(is_sandbox=False).count() > 1
    return Row(
        key,
        evidence=newest or "",
        waits_for=waits_for,
        is_silent=is_silent,
        shows_turn=shows_turn,
    )


def next_step(number: ServiceNumber) -> str:
    """What its owner does next: CHOOSE_MODEL, MEND_KEY, or "" while there is nothing to do."""
    if Robot.objects.filter(number=number).exclude(model="").exists():
        return ""
    statuses = set(number.api_keys.in_charge().values_list("status", flat=True))
    if statuses.intersection(WORKING):
        return CHOOSE_MODEL
    return MEND_KEY if statuses and KeyStatus.PENDING not in statuses else ""


def _waits_long(key: ApiKey) -> bool:
    is_pending = key.status == KeyStatus.PENDING
    return is_pending and timezone.now() - keys.asked_at(key) > LONG_WAIT


def _reason_to_wait() -> str:
    return FOR_THE_PROVIDER if WorkerHeartbeat.objects.alive().exists() else FOR_A_WORKER
