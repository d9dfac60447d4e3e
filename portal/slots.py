"""How many waits may be open at once in this web process, by the names of those who wait.

A wait holds no thread, but it holds a connection and looks at its row every few seconds: without a
cap one caller could keep thousands (security.md, line 40).
"""

import threading
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager

COME_AGAIN_SECONDS = 5

_taken: Counter[str] = Counter()
_lock = threading.Lock()


class Slots:
    """The slots of one who wants to wait: so many at most under each of his names."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)

    def are_full(self) -> bool:
        """A few more may slip in before they are counted: it is a guard, not a quota."""
        with _lock:
            return any(_taken[name] >= limit for name, limit in self._limits.items())

    @contextmanager
    def taken(self) -> Iterator[None]:
        with _lock:
            _taken.update(self._limits.keys())
        try:
            yield
        finally:
            with _lock:
                _taken.subtract(self._limits.keys())
                for name in self._limits:
                    if _taken[name] <= 0:
                        del _taken[name]

    async def counted(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """The stream, counted from its first piece until it is closed."""
        with self.taken():
            async with aclosing(chunks) as pieces:
                async for piece in pieces:
                    yield piece
