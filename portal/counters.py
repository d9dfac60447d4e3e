"""Counting for limits: atomic in Valkey; without it each process counts for itself (rule 9).

A rate is GCRA (the generic cell rate algorithm): one number per bucket, the time at which it will
be full again. A count never passes its limit, however many count at once.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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

_LEFT = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
return string.format('%.6f', math.max(full_at - now, 0))
"""

# All of them or none. The reply is how many there are of the last one with this one, or, where a
# limit is reached, the place of that limit below nothing.
_COUNT = """
for place, key in ipairs(KEYS) do
    if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[place + 1]) then return -place end
end
local used
for _, key in ipairs(KEYS) do
    used = redis.call('INCR', key)
    if used == 1 then redis.call('EXPIRE', key, ARGV[1]) end
end
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


@dataclass
class _Local:
    """The same arithmetic in this process, for as long as Valkey is away."""

    full_at: dict[str, float] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def rate(self, key: str, per_second: float, burst: int) -> Allowance:
        with self.lock:
            self._bound()
            now, interval = time.monotonic(), 1 / per_second
            full_at = max(self.full_at.get(key, now), now)
            wait = full_at + interval - burst * interval - now
            if wait > 0:
                return Allowance(False, 0, wait)
            self.full_at[key] = full_at + interval
            return Allowance(True, int(-wait / interval), 0)

    def until_full(self, key: str) -> float:
        with self.lock:
            return max(self.full_at.get(key, 0) - time.monotonic(), 0)

    def peek(self, key: str) -> int:
        with self.lock:
            return self.used.get(key, 0)

    def count_all(self, limits: Mapping[str, int]) -> int:
        with self.lock:
            self._bound()
            for place, (key, limit) in enumerate(limits.items(), start=1):
                if self.used.get(key, 0) >= limit:
                    return -place
            for key in limits:
                self.used[key] = self.used.get(key, 0) + 1
            return self.used[key]

    def give_back(self, key: str) -> None:
        with self.lock:
            self.used[key] = max(0, self.used.get(key, 0) - 1)

    def forget(self, key: str) -> None:
        with self.lock:
            self.used.pop(key, None)

    def _bound(self) -> None:
        """Forget everything rather than grow: away from Valkey the limits are a courtesy."""
        if len(self.full_at) + len(self.used) > LOCAL_ENTRIES_AT_MOST:
            self.full_at.clear()
            self.used.clear()


_local = _Local()


def take(key: str, per_second: float, burst: int) -> Allowance:
    """Take one from the bucket that `key` names."""
    try:
        reply: Any = valkey.ask(lambda client: client.eval(_RATE, 1, key, per_second, burst))
    except valkey.Unavailable:
        return _local.rate(key, per_second, burst)
    return Allowance(bool(reply[0]), int(reply[1]), float(reply[2]))


@dataclass(frozen=True)
class Level:
    """What is in a bucket, and how many seconds until it is full again."""

    remaining: int
    until_full: float


def level(key: str, per_second: float, burst: int) -> Level:
    """Look into the bucket that `key` names; nothing is taken."""
    try:
        reply: Any = valkey.ask(lambda client: client.eval(_LEFT, 1, key))
    except valkey.Unavailable:
        reply = _local.until_full(key)
    until_full = float(reply)
    remaining = burst - until_full * per_second + 1e-6  # whole requests, whatever floats make of it
    return Level(max(0, int(remaining)), until_full)


def peek(key: str) -> int:
    """How many there are; nothing is counted."""
    try:
        used = valkey.ask(lambda client: client.get(key))
    except valkey.Unavailable:
        return _local.peek(key)
    return int(used or 0)


def count(key: str, limit: int, seconds: int) -> int:
    """How many there are with this one; -1, and nothing counted, where the limit is reached."""
    return count_all({key: limit}, seconds)


def count_all(limits: Mapping[str, int], seconds: int) -> int:
    """Count one for each of these keys, or none where any limit is reached.

    How many there are of the last one with this one; -1 where the first limit is reached, -2 where
    it is the second, and so on.
    """
    keys, at_most = list(limits), list(limits.values())
    try:
        used: Any = valkey.ask(
            lambda client: client.eval(_COUNT, len(keys), *keys, seconds, *at_most)
        )
    except valkey.Unavailable:
        return _local.count_all(limits)
    return int(used)


def give_back(key: str) -> None:
    """Never below nothing: the counter may have been flushed or kept elsewhere meanwhile."""
    try:
        valkey.ask(lambda client: client.eval(_GIVE_BACK, 1, key))
    except valkey.Unavailable:
        _local.give_back(key)


def forget(key: str) -> None:
    try:
        valkey.ask(lambda client: client.delete(key))
    except valkey.Unavailable:
        _local.forget(key)


def today() -> int:
    return int(time.time()) // DAY_SECONDS


def this_minute() -> int:
    return int(time.time()) // MINUTE_SECONDS


def seconds_to_midnight() -> int:
    return DAY_SECONDS - int(time.time()) % DAY_SECONDS


def seconds_to_next_minute() -> int:
    return MINUTE_SECONDS - int(time.time()) % MINUTE_SECONDS
