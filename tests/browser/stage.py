"""A lived-in platform with everybody signed in: what browser tests and the camera stand on."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import driver, scene
from tests.hands import Hands, hands_in
from tests.platform import Platform, running_platform
from tests.upstream import Upstream, running_upstream

TOTP_SECONDS = 30
CODE_MUST_LAST = 10  # seconds, on a busy machine
POPULATE = "from tests.browser import scene; scene.populate({!r})"


class Stage:
    """The platform, what is on it, and the cookies of those who have signed in."""

    def __init__(self, platform: Platform, hands: Hands, upstream: Upstream) -> None:
        self.platform = platform
        self._hands = hands
        self.upstream = upstream
        # The address in the platform's own links, so that cookies are for one host only.
        self.url = f"http://localhost:{platform.port}"
        self.made: dict[str, str] = self.run(POPULATE.format(upstream.url))
        self._cookies: dict[str, Any] = {}

    def run(self, script: str) -> Any:
        """What a script in the platform's shell printed last, which is JSON."""
        return json.loads(self._hands.printed_by(script).strip().splitlines()[-1])

    def context(self, browser: Browser, role: str, **options: Any) -> BrowserContext:
        """A fresh profile of a person; `half-` in front of the name stops at the second factor."""
        given = {"viewport": driver.DESK, "locale": "en-US", "base_url": self.url} | options
        if role == "anonymous":
            return _patient(browser.new_context(**given))
        if role not in self._cookies:
            self._cookies[role] = self._sign_in(browser, role)
        return _patient(browser.new_context(storage_state=self._cookies[role], **given))

    def _sign_in(self, browser: Browser, role: str) -> Any:
        """Once a role: the login counts how often it is tried."""
        context = browser.new_context(base_url=self.url, locale="en-US")
        page = context.new_page()
        sign_in(page, scene.email_of(role.removeprefix("half-")))
        if role == "erin":
            give_code(page)
        if not role.startswith("half-"):
            page.wait_for_url("**/console/")
        cookies = context.storage_state()
        context.close()
        return cookies


def _patient(context: BrowserContext) -> BrowserContext:
    context.set_default_timeout(driver.PATIENCE)
    return context


def sign_in(page: Page, email: str, password: str = scene.PASSWORD) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.locator("#main").get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda url: not url.endswith("/accounts/login/"))


def give_code(page: Page) -> None:
    left = TOTP_SECONDS - time.time() % TOTP_SECONDS
    if left < CODE_MUST_LAST:
        time.sleep(left)
    counter = int(time.time()) // TOTP_SECONDS
    page.locator("input[name=code]").fill(format_hotp_value(hotp_value(scene.TOTP_SECRET, counter)))
    page.locator("#main form:has(input[name=code]) button").first.click()


def visit(page: Page, path: str) -> None:
    """Open a page; where it wants the password again, give it."""
    page.goto(path, wait_until="load")
    if "/reauthenticate/" in page.url and "/reauthenticate/" not in path:
        page.locator("#main input[name=password]").fill(scene.PASSWORD)
        page.locator("#main form:has(input[name=password]) button").first.click()
        page.wait_for_url(lambda url: "/reauthenticate/" not in url)


@contextmanager
def running_stage(directory: Path) -> Iterator[Stage]:
    with running_upstream() as upstream:
        allowed = f"127.0.0.1:{upstream.port}"
        starting = running_platform(
            directory, OUTBOUND_ALLOW=allowed, LOCAL_MODEL="0", SIMULATOR="1"
        )
        with starting as platform, hands_in(platform) as hands:
            yield Stage(platform, hands, upstream)
