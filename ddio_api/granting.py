"""Granting: the one place that exchanges appId and appSecret for an accessToken, for every door.

Issuing stores no token. What it notes, once a minute at most, is when the secret was last used.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from ddio_api import limits, tokens
from ddio_api.authentication import refuse_silenced
from ddio_api.errors import DdioError
from ddio_api.rendering import envelope
from portal import credentials
from portal.app_records import AppRecord, SecretRecord
from portal.ids import is_app_id
from portal.models import AppSecret
from portal.models.credentials import USE_IS_NOTED_EVERY

logger = structlog.get_logger(__name__)

NOTED_AT_MOST = 10_000


@dataclass(frozen=True)
class Client:
    """An app that has shown a live secret of its own, from an address that it allows."""

    record: AppRecord
    secret: SecretRecord


def recognise(app_id: str, app_secret: str, address: str) -> Client:
    """The client that these are; raises 40125, 40243, 45011, 50002 or 40164."""
    try:
        known = credentials.verify(app_id, app_secret) if is_app_id(app_id) else None
    except credentials.SecretFrozen as error:
        raise DdioError(40243) from error
    if known is None:
        limits.refuse_guessing(app_id, address)
        raise DdioError(40125)
    record, secret = known
    refuse_silenced(record, address)
    return Client(record, secret)


def grant(client: Client, request_id: str) -> dict[str, Any]:
    """A fresh token in one flat body, in which the client of every door finds its own words."""
    _note_use(client)
    token, seconds = tokens.issue(client.record.app_id, client.secret.generation)
    result = {"access_token": token, "expires_in": seconds}
    spellings = {"accessToken": token, "expiresIn": seconds, "token_type": "Bearer"}
    wechat = {"errcode": 0, "errmsg": "ok"}
    return result | spellings | wechat | envelope(result, request_id)


class _Noted:
    """When this process last noted a secret's use."""

    at: dict[tuple[int, int], float] = {}
    lock = threading.Lock()

    @classmethod
    def is_new(cls, key: tuple[int, int]) -> bool:
        now = time.monotonic()
        with cls.lock:
            if now - cls.at.get(key, float("-inf")) < USE_IS_NOTED_EVERY.total_seconds():
                return False
            if len(cls.at) >= NOTED_AT_MOST:
                cls.at.clear()
            cls.at[key] = now
        return True


def _note_use(client: Client) -> None:
    """A database that is away spoils no token: the cached record was enough to grant it."""
    number_id, generation = client.record.number_id, client.secret.generation
    if not _Noted.is_new((number_id, generation)):
        return
    try:
        AppSecret.objects.filter(number=number_id, generation=generation).note_use(timezone.now())
    except (OperationalError, InterfaceError) as error:
        logger.warning("secret_use_not_noted", number=number_id, error=repr(error))
