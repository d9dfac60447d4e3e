"""Broken settings: named by a system check, all at once, before anything starts."""

import os
import subprocess
import sys

import pytest

from portal.environment import BASE_DIR

pytestmark = pytest.mark.alike


def check(tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "FUWUHAO_DOTENV": "0"}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=BASE_DIR,
        env=base | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


BROKEN = {
    "PORT": "eighty",
    "DEBUG": "maybe",
    "LEASE_SECONDS": "-1",
    "DATABASE_URL": "postgres//nonsense",
    "SITE_URL": "example.org",
    "SECRET_KEY": "short",
    "ALLOWED_HOSTS": "*",
    "OUTBOUND_ALLOW": "10.0.0.0/99",
    "API_KEY_ENCRYPTION_KEYS": "not-a-fernet-key",
    "OUTBOUND_PORTS": "https",
    "REDIS_URL": "localhost:6379",
    "LOG_LEVEL": "LOUD",
    "TRUSTED_PROXIES": "the proxy",
    "TIME_ZONE": "Mars/Olympus",
    "LOCAL_MODEL_PATH": "/nowhere/model.gguf",
}


@pytest.fixture(scope="module")
def all_broken(tmp_path_factory) -> subprocess.CompletedProcess[str]:
    return check(tmp_path_factory.mktemp("data"), **BROKEN)


@pytest.mark.parametrize("variable", sorted(BROKEN))
def test_a_broken_setting_is_named_and_so_are_all_others(all_broken, variable):
    assert all_broken.returncode == 1
    assert variable in all_broken.stderr
    assert "Traceback" not in all_broken.stderr


@pytest.mark.parametrize("value", ["nonsense", "postgresq://u@h/db", "mysql://u@h/db"])
def test_a_database_that_is_none_is_never_replaced_by_another(tmp_path, value):
    done = check(tmp_path, DATABASE_URL=value)
    assert done.returncode == 1
    assert "DATABASE_URL must begin with postgres://" in done.stderr.replace(
        "cannot be used: it ", ""
    )


def test_settings_that_break_each_other_are_named(tmp_path):
    done = check(tmp_path, LEASE_SECONDS="6", PORT="70000")
    assert done.returncode == 1
    assert "LEASE_SECONDS must be at least twice" in done.stderr
    assert "PORT must be between" in done.stderr


def test_a_bare_clone_has_nothing_to_complain_of(tmp_path):
    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
