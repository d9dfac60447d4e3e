"""An operator's shell in a running platform, kept open: what a test changes there is quick."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from portal.environment import BASE_DIR
from tests.platform import Platform

# One line of JSON in, the code; one line of JSON out: what it called `result`, what it printed.
SHELL = """
import contextlib, io, json, sys
kept = {}
for line in sys.stdin:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(json.loads(line), kept)
    print("done", json.dumps([kept.pop("result", None), printed.getvalue()]), flush=True)
"""
IMPORTS = """
import time
from datetime import timedelta
from django.utils import timezone
from bots.models import *
from portal import credentials, moderation
from portal.models import *
from tests import factories
"""


class Hands:
    """The shell; its names live on from one call to the next."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def do(self, code: str) -> Any:
        """Run the code; what it assigned to `result`."""
        return self._run(code)[0]

    def printed_by(self, code: str) -> str:
        return str(self._run(code)[1])

    def _run(self, code: str) -> list[Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("done "):
                done: list[Any] = json.loads(line.removeprefix("done "))
                return done
        raise AssertionError(f"the shell died of: {code}")


@contextmanager
def hands_in(platform: Platform) -> Iterator[Hands]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", SHELL],
        cwd=BASE_DIR,
        env=platform.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        hands = Hands(process)
        hands.do(IMPORTS)
        yield hands
    finally:
        process.communicate(timeout=20)
