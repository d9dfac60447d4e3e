"""How many answers one person, and one address, may follow at once in this web process.

A browser follows one answer a tab.
"""

from portal.networks import network_of
from portal.slots import Slots

FOR_ONE_PERSON = 12
FROM_ONE_ADDRESS = 200  # a whole office may stand behind one


def slots(person_id: int, address: str) -> Slots:
    """Those of who follows answers, by the two names under which his streams are counted."""
    return Slots(
        {
            f"person:{person_id}": FOR_ONE_PERSON,
            f"address:{network_of(address)}": FROM_ONE_ADDRESS,
        }
    )
