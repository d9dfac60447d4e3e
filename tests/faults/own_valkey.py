"""A Valkey of a test's own, which it may stop, start and flush whatever else runs here."""

import subprocess
from pathlib import Path

import redis

from portal import parts
from portal.embedded import free_port


class OwnValkey:
    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = directory
        self.start()

    @property
    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        options = ["--port", str(self.port), "--dir", str(self._directory), "--appendonly", "yes"]
        command = [parts._valkey_server(), *options, "--maxmemory-policy", "noeviction"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
