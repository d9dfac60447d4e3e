"""How many answers one person, and one address, may follow at once in this web process.

A browser follows one answer a tab. Without a cap a single account could hold thousands of
connections, each of which looks at its row every few seconds (security.md, line 40).
"""

import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing

from portal.networks import network_of

FOR_ONE_PERSON = 12
FROM_ONE_ADDRESS = 200  # a whole office may stand behind one
COME_AGAIN_SECONDS = 5

_open: Counter[str] = Counter()
_lock = threading.Lock()


class Reader:
    """Who follows answers, by the two names under which his streams are counted."""

    def __init__(self, person_id: int, address: str) -> None:
        self._limits = {
            f"person:{person_id}": FOR_ONE_PERSON,
            f"address:{network_of(address)}": FROM_ONE_ADDRESS,
        }

    def has_too_many(self) -> bool:
        """A few more may slip in before they are counted: it is a guard, not a quota."""
        with _lock:
            return any(_open[name] >= limit for name, limit in self._limits.items())

    async def counted(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """The stream, counted from its first piece until it is closed."""
        with _lock:
            _open.update(self._limits.keys())
        try:
            async with aclosing(chunks) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            with _lock:
                _open.subtract(self._limits.keys())
                for name in self._limits:
                    if _open[name] <= 0:
                        del _open[name]
