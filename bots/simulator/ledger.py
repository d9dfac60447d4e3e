"""What the simulator saw, within bounds."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

REMEMBERED = 50_000  # and up to twice so many for a while
NAME_LENGTH_AT_MOST = 200


class Tokens(NamedTuple):
    """What one call has used."""

    prompt: int
    completion: int


class Counts:
    """How often each name was counted, for the newest `at_most` names at least.

    Two generations, so that forgetting costs nothing: when the young one is full it becomes the
    old one, and what was the old one is forgotten.
    """

    def __init__(self, at_most: int = REMEMBERED) -> None:
        self._at_most = at_most
        self._young: dict[str, int] = {}
        self._old: dict[str, int] = {}

    def add(self, name: str) -> int:
        """Count the name once more; how often that was by now."""
        name = name[:NAME_LENGTH_AT_MOST]
        count = (self._young.get(name) or self._old.pop(name, 0)) + 1
        if len(self._young) >= self._at_most and name not in self._young:
            self._old, self._young = self._young, {}
        self._young[name] = count
        return count

    def as_dict(self) -> dict[str, int]:
        return self._old | self._young


class Ledger:
    """Calls by request id and by key's digest, how many were aborted, and the most at once.

    And the tokens that were used, those of aborted calls once more by themselves.
    """

    def __init__(self, remembered: int = REMEMBERED, *, keeps_last: bool = False) -> None:
        self._remembered = remembered
        self._keeps_last = keeps_last
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        self._counts = Counts(self._remembered)
        self._failures = Counts(self._remembered)
        self._keys = Counts(self._remembered)
        self._total = self._aborted = self.moderations = 0
        self._most = self.in_flight
        self._tokens = {"prompt": 0, "completion": 0, "aborted": 0}
        self._last: dict[str, Any] = {}

    def begin(self, asked: dict[str, Any], headers: Mapping[str, str]) -> None:
        self._total += 1
        self.in_flight += 1
        self._most = max(self._most, self.in_flight)
        self._keys.add(hashlib.sha256(headers.get("authorization", "").encode()).hexdigest())
        if request_id := headers.get("x-request-id"):
            self._counts.add(request_id)
        if self._keeps_last:
            self._last = {"body": asked, "headers": sorted(headers)}

    def end(self, used: Tokens, *, aborted: bool) -> None:
        self.in_flight -= 1
        self._aborted += aborted
        self._tokens["prompt"] += used.prompt
        self._tokens["completion"] += used.completion
        self._tokens["aborted"] += sum(used) if aborted else 0

    def fail(self, call_id: str) -> int:
        """Count one more failure of a call that is to fail a few times; how many by now."""
        return self._failures.add(call_id)

    def as_json(self) -> dict[str, Any]:
        """`keys`: calls by the digest of the Authorization header; `last`: the newest request.

        Calls are those for an answer; `moderations` are counted by themselves.
        """
        return {
            "counts": self._counts.as_dict(),
            "keys": self._keys.as_dict(),
            "total": self._total,
            "moderations": self.moderations,
            "aborted": self._aborted,
            "in_flight": self.in_flight,
            "most_in_flight": self._most,
            "tokens": self._tokens,
            "last": self._last,
        }
