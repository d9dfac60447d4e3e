"""What the shell around every page shows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from portal.access import may_moderate
from portal.models import Notice, ServiceNumber, State
from portal.request_ids import request_id_of


def shell(request: HttpRequest) -> dict[str, Any]:
    """`review_count` is how many numbers wait for this moderator; None for everybody else."""
    user = getattr(request, "user", None)
    return {
        "languages": settings.LANGUAGES,
        "may_moderate": may_moderate(user),
        "review_count": SimpleLazyObject(lambda: _waiting_for(user)),
        "unread_notices": SimpleLazyObject(lambda: _unread_by(user)),
        "request_id": request_id_of(request),
    }


def _waiting_for(user: Any) -> int:
    waiting = ServiceNumber.objects.filter(state=State.IN_REVIEW)
    return waiting.exclude(owner=user).count()


def _unread_by(user: Any) -> int:
    return Notice.objects.unread().filter(user=user).count()
