"""Canaries: what was used in a run is in no log and in no dump of its database or its Valkey."""

import subprocess
from pathlib import Path

import pytest
import redis

from tests.platform import Platform, running_platform
from tests.upstream import running_upstream

pytestmark = pytest.mark.processes

API_KEY = "sk-canary-4f8e2b9a7c6d5e3f1a0b"
BAD_KEY = "sk-bad-canary-9a8b7c6d5e4f3a2b"


def dump_of_database(platform: Platform) -> str:
    url = platform.environment.get("DATABASE_URL")
    if url:
        dumped = subprocess.run(["pg_dump", url], capture_output=True, check=True)
        return dumped.stdout.decode(errors="replace")
    files = Path(platform.data_dir).glob("fuwuhao.sqlite3*")
    return "".join(file.read_bytes().decode("latin-1") for file in files)


def dump_of_valkey(platform: Platform) -> str:
    url = platform.environment.get("REDIS_URL", f"unix://{platform.data_dir}/valkey.sock?db=0")
    client = redis.Redis.from_url(url)
    return "".join(repr((key, client.dump(key))) for key in client.scan_iter())


def test_no_log_and_no_dump_holds_a_secret_that_was_used(tmp_path):
    with running_upstream() as provider:
        allowed = f"127.0.0.1:{provider.port}"
        with running_platform(tmp_path, OUTBOUND_ALLOW=allowed, LOCAL_MODEL="0") as platform:
            bad = ["--base-url", provider.url, "--api-key", BAD_KEY, "--model", "echo"]
            good = ["--base-url", provider.url, "--api-key", API_KEY, "--model", "echo"]
            refused = platform.provision(*bad)
            provisioned = platform.provision(*good)
            client = platform.client(provisioned)
            answered = client.ask("ping", wait=20)
            everything = platform.logs() + dump_of_database(platform) + dump_of_valkey(platform)
    secrets = [provisioned["appSecret"], refused["appSecret"], client.token, API_KEY, BAD_KEY]
    assert (refused["keyStatus"], answered["status"]) == ("invalid", "done")
    assert "message_settled" in everything
    assert [secret for secret in secrets if secret in everything] == []
