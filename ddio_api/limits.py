"""Limits, counted atomically in Valkey; without it each process counts for itself (rule 9).

The rate limit is GCRA (the generic cell rate algorithm): one number per app, the time at which its
bucket will be full again. The daily quotas are counters that never pass their limit.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from ddio_api.errors import DdioError
from portal import valkey

DAY_SECONDS = 86_400
MINUTE_SECONDS = 60
LOCAL_ENTRIES_AT_MOST = 10_000

_RATE = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local interval = 1 / tonumber(ARGV[1])
local burst = tonumber(ARGV[2])
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
if full_at < now then full_at = now end
local wait = full_at + interval - burst * interval - now
if wait > 0 then return {0, 0, string.format('%.6f', wait)} end
full_at = full_at + interval
local lasts = math.ceil((full_at - now) * 1000) + 1
redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'PX', lasts)
return {1, math.floor(-wait / interval), '0'}
"""

_COUNT = """
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
if used >= tonumber(ARGV[1]) then return -1 end
used = redis.call('INCR', KEYS[1])
if used == 1 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return used
"""

_GIVE_BACK = """
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
if used > 0 then redis.call('DECR', KEYS[1]) end
return used
"""


@dataclass(frozen=True)
class Allowance:
    """The answer to one request: may it pass, how many more may, how long to wait (seconds)."""

    allowed: bool
    remaining: int
    wait: float

    def headers(self) -> dict[str, str]:
        """RateLimit fields as in draft-ietf-httpapi-ratelimit-headers."""
        rate, burst = settings.DDIO_REQUESTS_PER_SECOND, settings.DDIO_REQUEST_BURST
        window = max(1, round(burst / rate))
        return {
            "RateLimit-Policy": f'"app";q={burst};w={window}',
            "RateLimit": f'"app";r={self.remaining};t={window}',
        }


@dataclass
class _Local:
    """The same arithmetic in this process, for as long as Valkey is away."""

    full_at: dict[str, float] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def rate(self, key: str, per_second: int, burst: int) -> Allowance:
        with self.lock:
            self._bound()
            now, interval = time.monotonic(), 1 / per_second
            full_at = max(self.full_at.get(key, now), now)
            wait = full_at + interval - burst * interval - now
            if wait > 0:
                return Allowance(False, 0, wait)
            self.full_at[key] = full_at + interval
            return Allowance(True, int(-wait / interval), 0)

    def count(self, key: str, limit: int) -> int:
        with self.lock:
            self._bound()
            if self.used.get(key, 0) >= limit:
                return -1
            self.used[key] = self.used.get(key, 0) + 1
            return self.used[key]

    def give_back(self, key: str) -> None:
        with self.lock:
            self.used[key] = max(0, self.used.get(key, 0) - 1)

    def _bound(self) -> None:
        """Forget everything rather than grow: away from Valkey the limits are a courtesy."""
        if len(self.full_at) + len(self.used) > LOCAL_ENTRIES_AT_MOST:
            self.full_at.clear()
            self.used.clear()


_local = _Local()


def take_request(number_id: int) -> Allowance:
    """Count one request of the app."""
    rate, burst = settings.DDIO_REQUESTS_PER_SECOND, settings.DDIO_REQUEST_BURST
    key = f"fw:rate:{number_id}"
    try:
        reply: Any = valkey.ask(lambda client: client.eval(_RATE, 1, key, rate, burst))
    except valkey.Unavailable:
        return _local.rate(key, rate, burst)
    return Allowance(bool(reply[0]), int(reply[1]), float(reply[2]))


def _count(key: str, limit: int, seconds: int) -> int:
    """How many there are with this one; -1, and nothing counted, where the limit is reached."""
    try:
        used: Any = valkey.ask(lambda client: client.eval(_COUNT, 1, key, limit, seconds))
    except valkey.Unavailable:
        return _local.count(key, limit)
    return int(used)


def _give_back(key: str) -> None:
    """Never below nothing: the counter may have been flushed or kept elsewhere meanwhile."""
    try:
        valkey.ask(lambda client: client.eval(_GIVE_BACK, 1, key))
    except valkey.Unavailable:
        _local.give_back(key)


def seconds_to_midnight() -> int:
    return DAY_SECONDS - int(time.time()) % DAY_SECONDS


@dataclass
class AskQuota:
    """One ask's share of the day's quotas of the number and of the person."""

    keys: list[str]
    kept: bool = False

    def keep(self) -> None:
        """The ask was accepted: what it took stays taken."""
        self.kept = True


@contextmanager
def ask_quota(number_id: int, open_id: str) -> Iterator[AskQuota]:
    """Reserve one ask of today; given back unless `keep` is called. Raises 45009."""
    day = int(time.time()) // DAY_SECONDS
    wanted = {
        f"fw:asks:{day}:{number_id}": settings.ASKS_PER_NUMBER_AND_DAY,
        f"fw:asks:{day}:{number_id}:{open_id}": settings.ASKS_PER_PERSON_AND_DAY,
    }
    quota = AskQuota([])
    try:
        for key, limit in wanted.items():
            if _count(key, limit, DAY_SECONDS) < 0:
                raise DdioError(45009, retry_after=seconds_to_midnight())
            quota.keys.append(key)
        yield quota
    finally:
        if not quota.kept:
            for key in quota.keys:
                _give_back(key)


def refuse_guessing(app_id: str, address: str) -> None:
    """Count a wrong secret per appId and address; raises 45011 past the limit.

    Call it for wrong secrets only: a correct one passes whatever a stranger tried before.
    """
    minute = int(time.time()) // MINUTE_SECONDS
    key = f"fw:wrong:{minute}:{app_id}:{address}"
    if _count(key, settings.DDIO_WRONG_SECRETS_PER_MINUTE, MINUTE_SECONDS) < 0:
        sentence = _("Too many wrong appSecrets from your address. A right one still passes.")
        wait = MINUTE_SECONDS - int(time.time()) % MINUTE_SECONDS
        raise DdioError(45011, sentence, retry_after=wait)
