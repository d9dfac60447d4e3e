"""`deploy/bootstrap` with Pythons that only pretend, and the files that must agree with it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from portal.environment import BASE_DIR

pytestmark = pytest.mark.alike

TOOLS = ["sh", "dirname", "cksum", "cat", "awk", "df", "rm", "mkdir", "cp", "chmod"]

# It makes an environment whose python is the same script, and writes down what is installed.
PRETENDING = """#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
    "-m pip") shift 2; echo "$*" >>pip.log ;;
    *) exec {python} "$@" ;;
esac
"""
# What a version manager leaves on the path for a version that is not installed.
SHIM = "#!/bin/sh\necho 'command not found' >&2\nexit 127\n"
TOO_OLD = '#!/bin/sh\ncase "$2" in *version_info*"<"*) exit 1 ;; *) echo 3.9.2 ;; esac\n'
WITHOUT_VENV = '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; *) exit 0 ;; esac\n'
NO_ROOM = "#!/bin/sh\necho Filesystem 1024-blocks Used Available Capacity Mounted on\n"
NO_ROOM += "echo /dev/disk 2000000 1900000 100000 95% /\n"


class Clone:
    """A clone with two small locks, and a path on which only what is put there is found."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "path"
        for folder in (self.path, directory / "deploy", directory / "requirements"):
            folder.mkdir(parents=True)
        shutil.copy(BASE_DIR / "deploy" / "bootstrap", directory / "deploy")
        self.lock("run", "one==1")
        self.lock("test", "one==1\ntwo==2")
        for tool in TOOLS:
            (self.path / tool).symlink_to(str(shutil.which(tool)))

    def lock(self, name: str, content: str) -> None:
        (self.directory / "requirements" / f"{name}.txt").write_text(content)

    def has(self, command: str, script: str) -> None:
        (self.path / command).unlink(missing_ok=True)
        (self.path / command).write_text(script.replace("{python}", sys.executable))
        (self.path / command).chmod(0o755)

    def bootstrap(self, wanted: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(shutil.which("sh")), "deploy/bootstrap", wanted],
            cwd=self.directory,
            env={"PATH": str(self.path), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def installs(self) -> list[str]:
        log = self.directory / "pip.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.rpartition("/")[2] for line in lines]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "a clone")


def test_it_passes_over_shims_and_old_pythons_to_one_that_runs(clone):
    clone.has("python3.14", SHIM)
    clone.has("python3.11", TOO_OLD)
    clone.has("python3", PRETENDING)
    told = clone.bootstrap("run")
    assert (told.returncode, told.stderr) == (0, "")
    assert "(python3)" in told.stdout
    assert clone.installs() == ["run.txt"]


def test_it_takes_the_python_it_is_told_to_take(clone):
    clone.has("python3.12", TOO_OLD)
    clone.has("mine", PRETENDING)
    assert "(mine)" in clone.bootstrap("run", PYTHON="mine").stdout


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (SHIM, "Python 3.11 or newer is needed, and none was found"),
        (TOO_OLD, "Python 3.11 or newer is needed, and the one found is 3.9.2 (python3)"),
        (WITHOUT_VENV, "python3 comes without the module venv"),
    ],
)
def test_it_says_in_one_line_which_python_it_misses(clone, script, reason):
    clone.has("python3", script)
    told = clone.bootstrap("run")
    assert told.returncode == 1
    assert told.stdout == ""
    assert reason in told.stderr
    assert told.stderr.count("\n") == 1


def test_it_refuses_to_install_without_room(clone):
    clone.has("python3", PRETENDING)
    clone.has("df", NO_ROOM)
    told = clone.bootstrap("run")
    assert told.returncode == 1
    assert told.stderr == "bootstrap: 97 MB are free here, and 1.5 GB are needed to install.\n"


def test_it_installs_only_what_the_lock_names_by_hash(clone):
    clone.has("python3", PRETENDING)
    clone.bootstrap("run")
    assert "--no-deps --require-hashes" in (clone.directory / "pip.log").read_text()


def test_it_is_silent_and_quick_when_all_is_there(clone):
    clone.has("python3", PRETENDING)
    clone.bootstrap("run")
    told = clone.bootstrap("run")
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    assert clone.installs() == ["run.txt"]


def test_it_installs_again_when_the_lock_has_changed(clone):
    clone.has("python3", PRETENDING)
    clone.bootstrap("run")
    clone.lock("run", "one==2")
    clone.bootstrap("run")
    assert clone.installs() == ["run.txt", "run.txt"]


def test_the_test_set_serves_to_run_too(clone):
    clone.has("python3", PRETENDING)
    clone.bootstrap("test")
    clone.bootstrap("run")
    clone.bootstrap("test")
    assert clone.installs() == ["test.txt"]


def test_tests_get_their_own_versions_back_after_a_run_at_other_ones(clone):
    clone.has("python3", PRETENDING)
    clone.bootstrap("test")
    clone.lock("run", "one==2")
    clone.bootstrap("run")
    clone.lock("run", "one==1")
    clone.bootstrap("test")
    assert clone.installs() == ["test.txt", "run.txt", "test.txt"]


def test_an_install_that_failed_is_not_taken_for_done(clone):
    clone.has("python3", PRETENDING.replace('echo "$*" >>pip.log', "exit 1"))
    told = clone.bootstrap("run")
    assert told.returncode == 1
    assert not (clone.directory / ".venv" / "installed").exists()


def test_it_goes_on_with_pip_where_uv_cannot(clone):
    clone.has("python3", PRETENDING)
    clone.has("uv", "#!/bin/sh\nexit 2\n")
    told = clone.bootstrap("run")
    assert told.returncode == 0
    assert clone.installs() == ["run.txt"]


def test_it_uses_uv_where_it_is_there(clone):
    clone.has("python3", PRETENDING)
    clone.has("uv", '#!/bin/sh\necho "$*" >uv.log\n')
    clone.bootstrap("run")
    assert "--no-deps --require-hashes" in (clone.directory / "uv.log").read_text()
    assert clone.installs() == []


def test_make_alone_says_what_can_be_made():
    told = subprocess.run(
        [str(shutil.which("make")), "--directory", str(BASE_DIR)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    named = re.findall(r"^make (\w+)", told.stdout, re.MULTILINE)
    assert named == ["up", "test", "faults", "check", "screenshots", "lock"]


def test_the_example_names_every_variable_that_the_settings_read():
    files = ["settings.py", "answering_settings.py"]
    settings = "".join((BASE_DIR / "portal" / name).read_text() for name in files)
    readers = "env.str|boolean|choice|integer|mail_server|number|ports|seconds|time_zone|url|words"
    names = set(re.findall(rf'\b(?:{readers})\(\s*"([A-Z_]+)"', settings))
    example = (BASE_DIR / ".env.example").read_text()
    assert set(re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE)) == names
