"""RabbitMQ as the broker: named in the environment, and nothing else changes."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platform import running_platform
from tests.upstream import running_upstream

pytestmark = pytest.mark.processes

RABBITMQ = ("127.0.0.1", 5672)


def there_is_a_rabbitmq() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(RABBITMQ) == 0


@pytest.fixture
def broker() -> Iterator[str]:
    """The machine's, for us alone: another test run would take our nudges."""
    with (Path(tempfile.gettempdir()) / "fuwuhao-rabbitmq.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield f"amqp://guest:guest@{RABBITMQ[0]}:{RABBITMQ[1]}//"


@pytest.mark.skipif(
    not (there_is_a_rabbitmq() or os.environ.get("CI")), reason="no RabbitMQ on 127.0.0.1:5672"
)
def test_rabbitmq_carries_the_nudges(tmp_path, broker):
    with running_upstream() as provider:
        allowed = f"127.0.0.1:{provider.port}"
        environment = {"CELERY_BROKER_URL": broker, "OUTBOUND_ALLOW": allowed, "LOCAL_MODEL": "0"}
        with running_platform(tmp_path, NUDGE_AGAIN_SECONDS="60", **environment) as platform:
            key = ["--base-url", provider.url, "--api-key", "sk-test-123456", "--model", "echo"]
            provisioned = platform.provision(*key)
            answered = platform.client(provisioned).ask("ping", wait=20)
            ready = platform.client(provisioned).session.get(f"{platform.url}/health/ready")
    assert (provisioned["keyStatus"], answered["answer"]) == ("valid", "You said: ping")
    assert answered["latencyMs"] < 10_000
    assert ready.json()["parts"]["broker"] == "ok"
