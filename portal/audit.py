"""Writing the audit trail."""

from typing import Any

import structlog

from portal.models import AuditEntry, ServiceNumber, User

OPERATOR = "operator"  # the actor of what is done from the shell, where nobody is signed in
APP = "app"  # the actor of what a number's own system does, with an accessToken


def record(
    action: str,
    *,
    actor: User | None,
    by: str = OPERATOR,
    number: ServiceNumber | None = None,
    **details: Any,
) -> AuditEntry:
    """Add a row; call it inside the transaction of the change that it tells of.

    `by` names who did it where no person did: the operator, or the number's app.
    """
    context = structlog.contextvars.get_contextvars()
    return AuditEntry.objects.create(
        actor=actor,
        actor_name=actor.email if actor else by,
        action=action,
        number=number,
        details=details,
        request_id=context.get("request_id", ""),
    )
