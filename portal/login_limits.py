"""Wrong passwords are counted by account and address together, and by address.

Never by account alone: then whoever knows an address of ours could lock its owner out. A right
password does not count, so it passes as long as the own address has not guessed too often.
"""

import time
from hashlib import sha256

from portal import counters
from portal.networks import network_of

WINDOW_SECONDS = 300
WRONG_FOR_ONE_ACCOUNT = 10
WRONG_FROM_ONE_ADDRESS = 50


class Attempt:
    """One try of a password: counted before it is looked at, given back where it was right."""

    def __init__(self, account: str, address: str) -> None:
        self._window = int(time.time()) // WINDOW_SECONDS
        source = f"fw:login:{self._window}:{network_of(address)}"
        known = sha256(account.strip().lower().encode(errors="replace")).hexdigest()[:32]
        self._budgets = {
            source: WRONG_FROM_ONE_ADDRESS,
            f"{source}:{known}": WRONG_FOR_ONE_ACCOUNT,
        }
        self._counted: list[str] = []

    def count(self) -> float:
        """How many seconds to wait; 0 where the password may be tried."""
        for key, limit in self._budgets.items():
            if counters.count(key, limit, WINDOW_SECONDS) < 0:
                self.give_back()
                return (self._window + 1) * WINDOW_SECONDS - time.time()
            self._counted.append(key)
        return 0

    def give_back(self) -> None:
        while self._counted:
            counters.give_back(self._counted.pop())
