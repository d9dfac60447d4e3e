"""The line in front of one worker process: what it was told of and has not claimed yet.

It is a memory of hints, not the queue: the rows are. Whatever does not fit, or dies with the
process, is found by a sweeper. Numbers take turns, so that one with ten thousand questions does
not keep another's single one waiting.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

LENGTH_AT_MOST = 20_000


class Waiting(NamedTuple):
    """A message that may be claimed, and the number whose turn it takes (None: not known)."""

    message_id: str
    number_id: int | None


class Line:
    """First come, first served within a number; the numbers one after the other."""

    def __init__(self) -> None:
        self._by_number: OrderedDict[int | None, deque[str]] = OrderedDict()
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._ids

    def add(self, told: Iterable[Waiting]) -> None:
        """What is in the line already keeps its place; what has no room is left to the sweepers.

        For the first of a number there is room, however many others wait.
        """
        for message_id, number_id in self._new(told):
            self._by_number.setdefault(number_id, deque()).append(message_id)

    def add_first(self, overdue: Sequence[Waiting]) -> None:
        """What has waited longest, in its order: before all others of its number."""
        for message_id, number_id in reversed(list(self._new(overdue))):
            self._by_number.setdefault(number_id, deque()).appendleft(message_id)

    def _new(self, told: Iterable[Waiting]) -> Iterator[Waiting]:
        for each in told:
            has_room = len(self._ids) < LENGTH_AT_MOST or each.number_id not in self._by_number
            if each.message_id not in self._ids and has_room:
                self._ids.add(each.message_id)
                yield each

    def numbers(self) -> list[int | None]:
        return list(self._by_number)

    def ready(self, share_of: Callable[[int | None], int]) -> int:
        """How many of them could be taken now, with no more of a number than its share."""
        return sum(
            min(len(ids), max(0, share_of(number_id))) for number_id, ids in self._by_number.items()
        )

    def take(self, room: int, share_of: Callable[[int | None], int]) -> list[str]:
        """Up to `room` messages, one of each number in turn, no more of a number than its share."""
        taken: list[str] = []
        shares: dict[int | None, int] = {}  # asked for only where it is a number's turn
        while len(taken) < room:
            before = len(taken)
            for number_id in list(self._by_number):
                if len(taken) == room:
                    break
                share = shares[number_id] if number_id in shares else share_of(number_id)
                shares[number_id] = share - 1
                if share > 0:
                    taken.append(self._next_of(number_id))
            if len(taken) == before:
                break
        self._ids.difference_update(taken)
        return taken

    def _next_of(self, number_id: int | None) -> str:
        """The number's first; then it is the others' turn."""
        of_number = self._by_number[number_id]
        message_id = of_number.popleft()
        if of_number:
            self._by_number.move_to_end(number_id)
        else:
            del self._by_number[number_id]
        return message_id

    def empty(self) -> list[Waiting]:
        """All that waits, for somebody else."""
        left = [Waiting(each, number) for number, ids in self._by_number.items() for each in ids]
        self._by_number.clear()
        self._ids.clear()
        return left
