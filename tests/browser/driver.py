"""A real browser for a test: Debian's Chromium, driven by Playwright.

Playwright's event loop makes its thread look asynchronous to Django and to asyncio for as long as
it runs. So a module that needs a browser starts one and stops it again, and reads no database.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
LOCALES = {"en": "en-US", "zh-hans": "zh-CN"}
PATIENCE = 15_000  # milliseconds; the machine may be busy


def executable() -> str | None:
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a profile, a proxy or a sandbox for root."""
    arguments = ["--no-proxy-server", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def chromium_of_a_test() -> Iterator[Browser]:
    """The browser, or a skipped test where there is none; under CI that is a failure."""
    if executable() is None:
        missing = "no Chromium: install it (Debian: chromium), or name it in CHROMIUM"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with chromium() as browser:
        yield browser


class Complaints:
    """What the console of a page said in warning, and what broke in its scripts."""

    def __init__(self, page: Page) -> None:
        self.heard: list[str] = []
        page.on("console", lambda line: self._hear(line.type, line.text))
        page.on("pageerror", lambda error: self.heard.append(f"pageerror: {error}"))

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error":
            self.heard.append(text)
