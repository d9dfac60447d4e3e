"""Questions that may have killed their worker: they keep apart, so that only the guilty one fails.

All answers of a worker die with it, and their leases lapse together. Were they claimed together
again, a question that kills its worker each time would take them along until their tries are used
up. So whoever has died twice is answered beside a few of his kind, and whoever has died more often
beside none of his kind: the guilty one goes on to die alone, the others are answered. (Two who
kill may still take a third along: those who have died less are answered beside all others.)

A worker that dies right after its start says nothing about them: one that is killed again and again
would take the same ones along each time. So whoever has died most waits until his worker has lived
for a while.
"""

import asyncio
from collections.abc import Callable, Iterable

from bots.line import Waiting

# How many that have died so often (or more often) one worker process answers at once.
TOGETHER = {2: 6, 3: 1}
# What a worker process must have lived before it lets in those that have died most.
PROVEN_SECONDS = 3.0
MANY = 1000
FIRST, *_, LAST = TOGETHER


def span(deaths: int) -> tuple[int, int]:
    """How many tries those of this kind have used up, at least and at most."""
    return deaths, MANY if deaths == LAST else deaths


class Suspects:
    """Those that one worker process has let in, by how often they had died."""

    def __init__(self, is_here: Callable[[str], bool]) -> None:
        self._is_here = is_here
        self._deaths: dict[str, int] = {}
        self._is_proven = False
        self.has_room = asyncio.Event()  # more than there was

    def prove(self) -> None:
        """The worker has lived for long enough: there is room for all of them now."""
        self._is_proven = True
        self.has_room.set()

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._deaths

    def leave(self, message_id: str) -> None:
        if self._deaths.pop(message_id, 0):
            self.has_room.set()

    def add(self, deaths: int, let_in: Iterable[Waiting]) -> None:
        self._deaths.update((each.message_id, deaths) for each in let_in)

    def room(self) -> dict[int, int]:
        """How many more of each kind may come in."""
        self._deaths = {each: n for each, n in self._deaths.items() if self._is_here(each)}
        held = list(self._deaths.values())
        return {
            deaths: at_most - held.count(deaths)
            for deaths, at_most in TOGETHER.items()
            if deaths < LAST or self._is_proven
        }
