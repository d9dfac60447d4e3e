"""A Valkey of a test's own, which it may stop, start and flush whatever else runs here."""

from pathlib import Path

from portal import parts
from tests.faults.services import OwnMemory


class OwnValkey(OwnMemory):
    """Started, and the platform's own kind of server."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, parts._valkey_server())
        self.start()
