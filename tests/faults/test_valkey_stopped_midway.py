"""Valkey stopped while answers are followed: readers still get the settled answer, whole, once."""

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from tests.faults.own_valkey import OwnValkey
from tests.platform import Client, Platform, running_platform, wait_for
from tests.upstream import running_upstream

pytestmark = pytest.mark.processes

WHOLE = "".join(f"{number} " for number in range(1, 41))  # what the provider's model `slow` says


@pytest.fixture
def own_valkey(tmp_path) -> Iterator[OwnValkey]:
    (tmp_path / "valkey").mkdir()
    server = OwnValkey(tmp_path / "valkey")
    yield server
    server.stop()


@pytest.fixture
def platform(own_valkey: OwnValkey, tmp_path) -> Iterator[Platform]:
    with running_upstream() as provider:
        allowed = f"127.0.0.1:{provider.port}"
        environment = {"OUTBOUND_ALLOW": allowed, "REDIS_URL": own_valkey.url, "LOCAL_MODEL": "0"}
        with running_platform(tmp_path, **environment) as running:
            key = ["--base-url", provider.url, "--api-key", "sk-test-123456", "--model", "slow"]
            running.made = running.provision(*key)  # type: ignore[attr-defined]
            yield running


class Reader:
    """One who follows an answer in a thread of his own, by the rules."""

    def __init__(self, client: Client, message_id: str) -> None:
        self.text = ""
        self.names: list[str] = []
        self.last: dict[str, Any] = {}
        self._thread = Thread(target=self._follow, args=(client, message_id), daemon=True)
        self._thread.start()

    def _follow(self, client: Client, message_id: str) -> None:
        for name, _id, data in client.stream(message_id):
            self.text = "" if name == "reset" else self.text + data.get("text", "")
            self.names.append(name)
            self.last = data

    def wait(self) -> None:
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("then", ["stop", "start"])
def test_readers_get_the_settled_answer(platform: Platform, own_valkey: OwnValkey, then: str):
    clients = [platform.client(platform.made) for _ in range(2)]  # type: ignore[attr-defined]
    message_id = clients[0].ask("Count to forty.")["messageID"]
    readers = [Reader(client, message_id) for client in clients]
    wait_for(lambda: all(len(reader.names) > 5 for reader in readers), 30, "some text")
    own_valkey.stop()
    getattr(own_valkey, then)()
    [reader.wait() for reader in readers]
    assert [reader.text for reader in readers] == [WHOLE, WHOLE]
    assert [reader.last["answer"] for reader in readers] == [WHOLE, WHOLE]
    assert [reader.names.count("done") for reader in readers] == [1, 1]
