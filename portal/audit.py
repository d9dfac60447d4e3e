"""Writing the audit trail."""

from typing import Any

import structlog

from portal.models import AuditEntry, ServiceNumber, User

OPERATOR = "operator"  # the actor of what is done from the shell, where nobody is signed in


def record(
    action: str, *, actor: User | None, number: ServiceNumber | None = None, **details: Any
) -> AuditEntry:
    """Add a row; call it inside the transaction of the change that it tells of."""
    context = structlog.contextvars.get_contextvars()
    return AuditEntry.objects.create(
        actor=actor,
        actor_name=actor.email if actor else OPERATOR,
        action=action,
        number=number,
        details=details,
        request_id=context.get("request_id", ""),
    )
