"""Django's cache in Valkey, shared by all processes; values are JSON, because pickle runs code.

Without Valkey each process remembers for itself (rule 9): nothing that is cached is a record.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from redis import Redis

from portal import valkey

LOCAL_ENTRIES_AT_MOST = 10_000
SCANNED_AT_ONCE = 500

Answer = TypeVar("Answer")


class _Memory:
    """The same few commands in this process, for as long as Valkey is away."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> str | None:
        with self._lock:
            return self._live(key)

    def set(self, key: str, text: str, lasts: float, *, only_new: bool) -> bool:
        with self._lock:
            if only_new and self._live(key) is not None:
                return False
            if len(self._kept) >= LOCAL_ENTRIES_AT_MOST:
                self._kept.clear()
            self._kept[key] = (text, time.monotonic() + lasts)
            return True

    def delete(self, key: str) -> bool:
        with self._lock:
            was_there = self._live(key) is not None
            self._kept.pop(key, None)
            return was_there

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def _live(self, key: str) -> str | None:
        text, ends = self._kept.get(key, ("", 0.0))
        return text if ends > time.monotonic() else None


_memory = _Memory()


class ValkeyCache(BaseCache):
    """What is cached must survive a round through JSON: a tuple comes back as a list."""

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return self._store(key, value, timeout, version, only_new=True)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        name = self.make_key(key, version)
        text: Any = _ask(lambda client: client.get(name), lambda: _memory.get(name))
        return default if text is None else json.loads(text)

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        self._store(key, value, timeout, version, only_new=False)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        missing = object()
        value = self.get(key, missing, version)
        if value is missing:
            return False
        self.set(key, value, timeout, version)
        return True

    def delete(self, key: Any, version: int | None = None) -> bool:
        name = self.make_key(key, version)
        return bool(_ask(lambda client: client.delete(name), lambda: _memory.delete(name)))

    def clear(self) -> None:
        """Our keys alone: the queue and the journal live in the same Valkey."""
        _memory.clear()
        _ask(self._delete_all, lambda: None)

    def _delete_all(self, client: Redis) -> None:
        for name in client.scan_iter(f"{self.key_prefix}:*", count=SCANNED_AT_ONCE):
            client.delete(name)

    def _store(
        self, key: Any, value: Any, timeout: Any, version: int | None, *, only_new: bool
    ) -> bool:
        name, text = self.make_key(key, version), json.dumps(value)
        ends = self.get_backend_timeout(timeout)
        lasts = None if ends is None else ends - time.time()
        if lasts is not None and lasts <= 0:
            self.delete(key, version)
            return True
        lasts_ms = None if lasts is None else max(1, int(lasts * 1000))
        stored = _ask(
            lambda client: client.set(name, text, px=lasts_ms, nx=only_new),
            lambda: _memory.set(name, text, lasts or float("inf"), only_new=only_new),
        )
        return bool(stored)


def _ask(command: Callable[[Redis], Any], instead: Callable[[], Answer]) -> Answer:
    try:
        answer: Answer = valkey.ask(command)
    except valkey.Unavailable:
        return instead()
    return answer
