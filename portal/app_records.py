"""The app's record: what every call of the open interface must know of a service number."""


def changed(number_id: int) -> None:
    """Call it inside the transaction that changes a number's state, secrets, networks or tokens."""
