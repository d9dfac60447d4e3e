"""Health: is the process there (live), and can the platform take work and do it (ready)."""

import time
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError

from portal import valkey
from portal.models import OutboxEntry, WorkerHeartbeat

OK, DOWN = "ok", "down"
OUTBOX_IS_LATE_AFTER = timedelta(minutes=2)
CHECKED_EVERY = 30.0  # seconds


@require_safe
@never_cache
def live(_request: HttpRequest) -> JsonResponse:
    """The process answers; says nothing about its neighbours."""
    return JsonResponse({"status": OK})


@require_safe
@never_cache
def ready(_request: HttpRequest) -> JsonResponse:
    """200 `ok` or `degraded` while questions are taken and a worker is there; otherwise 503."""
    parts = {"database": _database()}
    parts["worker"] = _worker() if parts["database"] == OK else "unknown"
    parts["cache"] = _cache()
    parts["broker"] = parts["cache"] if _broker_is_the_cache() else _broker()
    parts["outbox"] = _outbox() if parts["database"] == OK else "unknown"
    parts["stored"] = _stored() if parts["database"] == OK else "unknown"
    can_work = parts["database"] == parts["worker"] == OK
    all_well = all(state == OK for state in parts.values())
    status = (OK if all_well else "degraded") if can_work else DOWN
    body: dict[str, Any] = {"status": status, "parts": parts}
    return JsonResponse(body, status=200 if can_work else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return DOWN
    return OK


def _worker() -> str:
    return OK if WorkerHeartbeat.objects.alive().exists() else DOWN


def _cache() -> str:
    """A write, because a full server (`noeviction`) still reads."""
    try:
        valkey.ask(lambda client: client.set("fw:health", "1", ex=60))
    except valkey.Unavailable:
        return DOWN
    return OK


def _broker_is_the_cache() -> bool:
    return not settings.CELERY_BROKER_URL.startswith(("amqp", "pyamqp"))


def _broker() -> str:
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=1)
    except (OperationalError, OSError):
        return DOWN
    return OK


def _outbox() -> str:
    late = OutboxEntry.objects.filter(
        done_at=None, created_at__lt=timezone.now() - OUTBOX_IS_LATE_AFTER
    )
    return "late" if late.exists() else OK


class _Checked:
    """What this process found last, and until when (by the monotonic clock) that is enough."""

    until = 0.0
    state = OK


def _stored() -> str:
    """Whether what is stored can be used; `manage.py check --database default` says what cannot."""
    if time.monotonic() >= _Checked.until:
        found = checks.run_checks(tags=[checks.Tags.database], databases=[DEFAULT_DB_ALIAS])
        _Checked.state = "unreadable" if any(each.is_serious() for each in found) else OK
        _Checked.until = time.monotonic() + CHECKED_EVERY
    return _Checked.state
