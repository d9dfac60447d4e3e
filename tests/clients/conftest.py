"""One platform for all clients, a fake provider behind it, and Node with what npm has for it."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.robots import Robot, provisioned
from tests.platform import Platform, running_platform
from tests.upstream import Upstream, running_upstream

NODE = Path(__file__).parent / "node"
# The libraries want https, but for a server on this machine; nothing goes through a proxy.
ENVIRONMENT = {
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
    "OAUTHLIB_INSECURE_TRANSPORT": "1",
    "AUTHLIB_INSECURE_TRANSPORT": "1",
    "NODE_OPTIONS": "--dns-result-order=ipv4first",
}


@pytest.fixture(scope="package", autouse=True)
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="package")
def provider() -> Iterator[Upstream]:
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory, provider: Upstream) -> Iterator[Platform]:
    settings = {
        "OUTBOUND_ALLOW": f"127.0.0.1:{provider.port}",
        "LOCAL_MODEL": "0",
        "DDIO_LEGACY_DOORS": "1",
    }
    with running_platform(tmp_path_factory.mktemp("clients"), **settings) as running:
        yield running


@pytest.fixture(scope="package")
def robot_of(platform: Platform, provider: Upstream) -> Callable[..., Robot]:
    """A robot with that behaviour of the fake provider's; each is made once."""
    made: dict[str, Robot] = {}

    def robot(model: str, word: str = "") -> Robot:
        arguments = ["--base-url", provider.url, "--api-key", "sk-test-123456", "--model", model]
        name = f"Robot {model} {word}".strip()
        if name not in made:
            made[name] = provisioned(platform, *arguments, name=name)
        return made[name]

    return robot


@pytest.fixture(scope="package")
def robot(robot_of: Callable[..., Robot]) -> Robot:
    """It says again what it was asked."""
    return robot_of("echo")


@pytest.fixture(scope="package")
def packages() -> Path:
    """npm's packages. Without Node the test is skipped; under CI that is a failure."""
    if not shutil.which("npm"):
        missing = "no Node: install it (Debian: nodejs and npm)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    subprocess.run(["sh", NODE / "install"], check=True, timeout=300)
    return NODE / "node_modules"


@pytest.fixture(scope="package")
def node(packages: Path) -> Callable[..., Any]:
    """Run a script of `node/` and return the JSON that it printed."""

    def run(script: str, **given: str) -> Any:
        command = ["node", NODE / f"{script}.mjs"]
        done = subprocess.run(
            command, env=os.environ | given, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
