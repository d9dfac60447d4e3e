"""The README's five steps, pasted into a shell as they stand."""

import os
import re
import subprocess
import sys

import pytest

from portal.environment import BASE_DIR
from tests.platform import running_platform

pytestmark = [pytest.mark.processes, pytest.mark.alike]  # it says what to do without a database


def five_steps() -> str:
    """The shell blocks of the section, one after the other."""
    readme = (BASE_DIR / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Five steps")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))


def test_the_five_steps_lead_to_an_answer_in_the_feed(tmp_path):
    script = five_steps().replace(".venv/bin/python", sys.executable)
    with running_platform(tmp_path, from_scratch=True) as platform:
        done = subprocess.run(
            ["sh", "-eu", "-c", script],
            cwd=BASE_DIR,
            env=platform.environment | {"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    assert '"keyStatus": "valid"' in done.stdout
    assert done.stdout.count('"status":"done"') >= 2
    assert "event: done" in done.stdout
    assert '"question":"Tell me a short story."' in done.stdout
