"""Programs as a reader copies them: from the page of a running platform into files."""

import html
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import requests

from ddio_api.snippets import LANGUAGES
from tests.clients.robots import Robot

BOX = re.compile(r'<pre [^>]*aria-label="([^"]+)"><code [^>]*>(.*?)</code></pre>', re.DOTALL)
RUNNERS = {"sh": "sh", "py": sys.executable, "mjs": "node"}


def programs(robot: Robot) -> dict[str, str]:
    """The text of every program on the page, by the name of its file."""
    found: dict[str, str] = {}
    for code in LANGUAGES:
        page = requests.get(f"{robot.api}/docs/calls/", {"in": code}, timeout=20)
        boxes = BOX.findall(page.text)
        found |= {name: html.unescape(re.sub("<[^>]+>", "", box)) for name, box in boxes}
    return found


class Run:
    """A program that runs, and what it has printed so far."""

    def __init__(self, directory: Path, name: str, environment: dict[str, str]) -> None:
        self._paths = directory / f"{name}.out", directory / f"{name}.err"
        with self._paths[0].open("wb") as out, self._paths[1].open("wb") as err:
            self._process = subprocess.Popen(
                [RUNNERS[name.rsplit(".", 1)[1]], name],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def printed(self) -> str:
        assert self._process.poll() in (None, 0), self._paths[1].read_text()
        return self._paths[0].read_text(encoding="utf-8", errors="replace")

    def end(self) -> str:
        """What it had printed when it ended by itself, and well."""
        self._process.wait(timeout=90)
        return self.printed()

    def stop(self) -> str:
        """End it, and whatever it has started."""
        printed = self.printed()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)
        return printed


class Desk:
    """A directory with all programs of the page, and the environment that it asks for."""

    def __init__(self, directory: Path, robot: Robot, packages: Callable[[], Path]) -> None:
        directory.mkdir()
        self._packages = packages
        self.directory = directory
        self.token = robot.token()
        own = {"APP_ID": robot.app_id, "APP_SECRET": robot.app_secret}
        self._environment = dict(os.environ) | own | {"ACCESS_TOKEN": self.token}
        for name, text in programs(robot).items():
            (directory / name).write_text(text, encoding="utf-8")

    def start(self, name: str, **given: str) -> Run:
        modules = self.directory / "node_modules"
        if name.endswith(".mjs") and not modules.exists():
            modules.symlink_to(self._packages())
        return Run(self.directory, name, self._environment | given)

    def run(self, name: str, **given: str) -> str:
        return self.start(name, **given).end()

    def read(self, name: str) -> str:
        """A file that a program has written; empty while there is none."""
        path = self.directory / name
        return path.read_text(encoding="utf-8") if path.exists() else ""
