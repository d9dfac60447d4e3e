"""Valkey stopped: questions are accepted at once and answered when it is back."""

import time

import pytest

from tests.faults.own_valkey import OwnValkey
from tests.platform import running_platform, wait_for
from tests.upstream import running_upstream

pytestmark = pytest.mark.processes


@pytest.fixture
def own_valkey(tmp_path):
    (tmp_path / "valkey").mkdir()
    server = OwnValkey(tmp_path / "valkey")
    yield server
    server.stop()


def test_an_ask_without_valkey_is_accepted_within_a_second_and_answered_later(
    own_valkey: OwnValkey, tmp_path
):
    with running_upstream() as provider:
        allowed = f"127.0.0.1:{provider.port}"
        environment = {"OUTBOUND_ALLOW": allowed, "REDIS_URL": own_valkey.url, "LOCAL_MODEL": "0"}
        with running_platform(tmp_path, **environment) as platform:
            key = ["--base-url", provider.url, "--api-key", "sk-test-123456", "--model", "echo"]
            client = platform.client(platform.provision(*key))
            own_valkey.stop()
            began = time.monotonic()
            asked = client.ask("Are you there?")
            took = time.monotonic() - began
            own_valkey.start()
            answered = wait_for(lambda: settled(client, asked["messageID"]), 40, "the answer")
    print(f"accepted in {took:.3f} s without Valkey")
    assert took < 1.0
    assert answered["answer"] == "You said: Are you there?"


def settled(client, message_id: str):
    item = client.item(message_id)
    return item if item["status"] == "done" else None
