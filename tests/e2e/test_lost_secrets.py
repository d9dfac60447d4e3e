"""`DATA_DIR/secrets.json` lost and made anew: found by every command that would use the keys."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from portal.environment import BASE_DIR

pytestmark = [pytest.mark.processes, pytest.mark.alike]


def manage(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """On SQLite and secrets that are kept in the directory."""
    own = {"PATH": os.environ["PATH"], "DATA_DIR": str(directory), "FUWUHAO_DOTENV": "0"}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env=own | {"LOCAL_MODEL": "0", "SIMULATOR": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


NEW_KEY = """
from django.core.management import call_command
from tests import factories
call_command("migrate", verbosity=0)
factories.key(factories.number(), "https://api.example.com/v1")
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With one key, and then without its secrets."""
    directory: Path = tmp_path_factory.mktemp("data")
    made = manage(directory, "shell", "--no-imports", "-c", NEW_KEY)
    assert made.returncode == 0, made.stderr
    (directory / "secrets.json").rename(directory / "backup.json")
    return directory


@pytest.mark.parametrize(
    "command",
    [
        ("check", "--database", "default"),
        ("up",),
        ("provision", "--developer-email", "a@example.org", "--number-name", "A"),
    ],
    ids=lambda command: command[0],
)
def test_secrets_that_were_lost_and_made_anew_are_found(installation, command):
    done = manage(installation, *command)
    assert done.returncode == 1
    assert "that opens 1 API key of 1 service number." in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_backup_of_the_secrets_brings_all_back(installation, tmp_path):
    copy = shutil.copytree(installation, tmp_path / "copy")
    assert manage(copy, "rotate_keys").returncode == 1
    (copy / "backup.json").replace(copy / "secrets.json")
    done = manage(copy, "rotate_keys", "--json")
    assert (done.returncode, json.loads(done.stdout)["newestAlready"]) == (0, 1)
