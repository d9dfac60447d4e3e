"""The app's record: all that a call of the open interface must know of a service number.

It is cached in Valkey, so that an accessToken is checked without the database, and yet what kills a
token holds from the next call on:

- A change counts `record_version` up in its own transaction. After the commit the newer record is
  written over the cached one, never only deleted, and the change is not reported done before.
- A reader that found nothing cached takes a ticket, reads the database and hands its record in with
  the ticket. An older record never replaces a newer one, and a ticket that a flush or the time has
  taken away is refused: a reader that was held up cannot put back what was true before.
- A copy lives RECORD_SECONDS, so that a process which dies between commit and write leaves nothing
  for longer. While Valkey is away, a change waits until every copy must have expired.
- No process keeps a copy beyond a request.
"""

import json
import secrets
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from portal import networks, valkey
from portal.models import AllowedNetwork, AppSecret, RevokedToken, ServiceNumber, State

logger = structlog.get_logger(__name__)

RECORD_SECONDS = 5.0
TICKET_SECONDS = 2.0
TRY_AGAIN_SECONDS = 0.25
# More than that are looked up one by one, or whoever revokes a lot would pay with every call.
REVOKED_AT_MOST = 200
_UNKNOWN = -1  # the version of an app that does not exist: older than any

when_committed = transaction.on_commit

_STORE = """
if KEYS[2] and redis.call('DEL', KEYS[2]) == 0 then return 0 end
local kept = redis.call('GET', KEYS[1])
if kept and tonumber(string.match(kept, '^-?%d+')) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return 1
"""


@dataclass(frozen=True)
class SecretRecord:
    """One appSecret that is neither revoked nor past its overlap when the record is read."""

    generation: int
    digest: str
    expires: float | None  # seconds since 1970, UTC
    frozen: bool

    def is_live(self, now: float) -> bool:
        return self.expires is None or self.expires > now


@dataclass(frozen=True)
class AppRecord:
    """A service number as the open interface sees it; `revoked` is None where it were too long."""

    version: int
    number_id: int
    app_id: str
    owner_id: int
    state: str
    secrets: list[SecretRecord]
    networks: list[str]
    revoked: list[str] | None

    @property
    def may_take_tokens(self) -> bool:
        return self.state not in (State.SUSPENDED, State.CLOSED)

    def secret(self, generation: int) -> SecretRecord | None:
        """The secret of this generation, if it is alive now."""
        now = time.time()
        for secret in self.secrets:
            if secret.generation == generation and secret.is_live(now):
                return secret
        return None

    def has_revoked(self, token_id: str) -> bool:
        if self.revoked is None:
            return RevokedToken.objects.filter(number=self.number_id, token_id=token_id).exists()
        return token_id in self.revoked

    def admits(self, address: str) -> bool:
        """Whether systems at this address may call."""
        return not self.networks or networks.covers(self.networks, address)

    @cached_property
    def number(self) -> ServiceNumber:
        """The number's row with what is known of it; whatever else is asked for is read then."""
        known = {
            "id": self.number_id,
            "app_id": self.app_id,
            "owner_id": self.owner_id,
            "state": self.state,
        }
        return ServiceNumber.from_db("default", list(known), list(known.values()))


def read(app_id: str) -> AppRecord | None:
    """The record as it is now, from the cache or from the database; None for an unknown app."""
    key = _key(app_id)
    try:
        kept: Any = valkey.ask(lambda client: client.get(key))
        if kept is not None:
            return _parse(kept)
        ticket = f"fw:app:ticket:{secrets.token_hex(8)}"
        valkey.ask(lambda client: client.set(ticket, 1, px=int(TICKET_SECONDS * 1000)))
    except valkey.Unavailable:
        return from_database(app_id)
    record = from_database(app_id)
    try:
        _store(app_id, record, ticket)
    except valkey.Unavailable:
        logger.debug("app_record_not_cached", app=app_id)
    return record


def from_database(app_id: str) -> AppRecord | None:
    """The same from the rows alone, with as many queries for an unknown app as for any other.

    The version is read first: what is read after it may be newer than it says, never older.
    """
    facts = ("record_version", "pk", "owner_id", "state")
    found = ServiceNumber.objects.filter(app_id=app_id).values_list(*facts).first()
    alive = AppSecret.objects.live().filter(number__app_id=app_id)
    kept = [_secret(row) for row in alive.order_by("generation")]
    allowed = AllowedNetwork.objects.filter(number__app_id=app_id).values_list("network", flat=True)
    allowed_there = list(allowed)
    revoked = RevokedToken.objects.still_dangerous().filter(number__app_id=app_id)
    killed = list(revoked.values_list("token_id", flat=True)[: REVOKED_AT_MOST + 1])
    if found is None:
        return None
    version, number_id, owner_id, state = found
    return AppRecord(
        version=version,
        number_id=number_id,
        app_id=app_id,
        owner_id=owner_id,
        state=state,
        secrets=kept,
        networks=allowed_there,
        revoked=None if len(killed) > REVOKED_AT_MOST else killed,
    )


def changed(number_id: int) -> None:
    """Call it inside the transaction that changes a number's state, secrets, networks or tokens.

    Lock the number before anything else there (`ServiceNumber.objects.locked`): this writes to its
    row. Whoever waits for the commit returns only when no call is answered by the old record.
    """
    ServiceNumber.objects.filter(pk=number_id).update(record_version=F("record_version") + 1)
    when_committed(partial(_tell, number_id))


def tell_again(number_id: int) -> None:
    """For whoever found the change made by another, who may not have reported it done yet."""
    when_committed(partial(_tell, number_id))


def is_congested() -> bool:
    """Whether somebody in this process waits because Valkey is away: each wait holds a thread."""
    return _Waiting.changes > 0


class _Waiting:
    changes = 0


def forget_revoked() -> None:
    """Tokens past their time are refused without a row."""
    RevokedToken.objects.filter(expires_at__lte=timezone.now()).delete()


def _tell(number_id: int) -> None:
    """Write the newer record, or wait until no older one can be there."""
    app_id = ServiceNumber.objects.values_list("app_id", flat=True).get(pk=number_id)
    deadline = time.monotonic() + RECORD_SECONDS + TICKET_SECONDS
    while time.monotonic() < deadline:
        try:
            _store(app_id, from_database(app_id))
        except valkey.Unavailable:
            _Waiting.changes += 1
            time.sleep(TRY_AGAIN_SECONDS)
            _Waiting.changes -= 1
        else:
            return
    logger.warning("app_record_not_written", app=app_id)


def _key(app_id: str) -> str:
    return f"fw:app:{app_id}"


def _store(app_id: str, record: AppRecord | None, ticket: str = "") -> None:
    version = record.version if record else _UNKNOWN
    text = json.dumps(asdict(record)) if record else "null"
    keys = [_key(app_id), *([ticket] if ticket else [])]
    lasts = int(RECORD_SECONDS * 1000)
    valkey.ask(lambda client: client.eval(_STORE, len(keys), *keys, version, text, lasts))


def _parse(kept: bytes) -> AppRecord | None:
    facts: dict[str, Any] | None = json.loads(kept.partition(b" ")[2])
    if facts is None:
        return None
    facts["secrets"] = [SecretRecord(**secret) for secret in facts["secrets"]]
    return AppRecord(**facts)


def _secret(row: AppSecret) -> SecretRecord:
    return SecretRecord(row.generation, row.digest, _seconds(row.expires_at), bool(row.frozen_at))


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
