from portal.models.accounts import User
from portal.models.audit import AuditEntry
from portal.models.avatars import Avatar
from portal.models.credentials import AllowedNetwork, AppSecret, RevokedToken
from portal.models.notices import Notice
from portal.models.numbers import ServiceNumber, State
from portal.models.outbox import OutboxEntry
from portal.models.workers import WorkerHeartbeat

__all__ = [
    "AllowedNetwork",
    "AppSecret",
    "AuditEntry",
    "Avatar",
    "Notice",
    "OutboxEntry",
    "RevokedToken",
    "ServiceNumber",
    "State",
    "User",
    "WorkerHeartbeat",
]
