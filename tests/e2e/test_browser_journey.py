"""From sign-up to a streamed answer in a real browser, and the same answer over the open interface.

Every control is found by its accessible name, in the language of the page.
"""

import email
import html
import re
from collections.abc import Iterator
from email.policy import default
from typing import Any

import pytest
from django.utils import translation
from django.utils.html import strip_tags
from django.utils.text import capfirst
from django.utils.translation import gettext
from playwright.sync_api import Browser, BrowserContext, Locator, Page

from bots import markdown
from bots.models import KeyStatus
from tests.browser import driver, scene
from tests.browser.stage import sign_in
from tests.browser.test_axe import faults
from tests.platform import Client, Platform, running_platform, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.looks]

PASSWORD = scene.PASSWORD
QUESTION = "Tell me a long story about a fox who crosses a river."
ANSWER_SECONDS = 90
# Every text that the answer's element has had, as it had it.
REMEMBER = """() => {
  window.seen = new Set();
  const look = () => {
    const texts = document.querySelectorAll("article.message .answer-text");
    if (texts.length) window.seen.add([...texts].at(-1).textContent.trim());
  };
  new MutationObserver(look).observe(document.body, {
    subtree: true, childList: true, characterData: true,
  });
}"""
MODERATOR = """
from tests.browser import scene
scene.person("moderator", {"is_moderator": True})
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory) -> Iterator[Platform]:
    with running_platform(tmp_path_factory.mktemp("journey")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with driver.chromium_of_a_test() as running:
        yield running


def context_of(browser: Browser, platform: Platform, **options: Any) -> BrowserContext:
    context = browser.new_context(base_url=f"http://localhost:{platform.port}", **options)
    context.set_default_timeout(driver.PATIENCE)
    return context


def field(page: Page, word: str) -> Locator:
    """The control of that label, which may say that it is optional."""
    optional = re.escape(gettext("optional"))
    return page.locator("main").get_by_label(re.compile(rf"^{re.escape(word)}( {optional})?$"))


def press(page: Page, word: str) -> None:
    page.locator("main").get_by_role("button", name=word, exact=True).click()


def section(page: Page, word: str) -> None:
    """Go to a page of the number by the list beside it."""
    page.locator(".number-nav").get_by_role("link", name=word, exact=True).click()


# Accounts ---------------------------------------------------------------------------------------


def link_in_mail(platform: Platform, address: str, part: str) -> str:
    def found() -> str | None:
        for file in (platform.data_dir / "mail").glob("*"):
            mail = email.message_from_bytes(file.read_bytes(), policy=default)
            text = mail.get_body(("plain",)).get_content()
            link = re.search(rf"http://\S+{part}\S+", text)
            if address in mail["To"] and link:
                return link.group()
        return None

    return wait_for(found, 20, f"a mail to {address}")


def sign_up(page: Page, platform: Platform, address: str) -> None:
    page.goto("/")
    page.locator("main").get_by_role("link", name=gettext("Sign up"), exact=True).first.click()
    field(page, gettext("Email")).fill(address)
    field(page, gettext("Password")).fill(PASSWORD)
    press(page, gettext("Sign up"))
    page.goto(link_in_mail(platform, address, "confirm-email/"))
    page.locator("main form button").first.click()
    page.wait_for_url("**/console/")  # whoever confirms where he signed up is signed in


def log_in(page: Page, address: str) -> None:
    page.context.clear_cookies()
    page.goto("/")
    page.locator("main").get_by_role("link", name=gettext("Log in"), exact=True).first.click()
    field(page, gettext("Email")).fill(address)
    field(page, gettext("Password")).fill(PASSWORD)
    press(page, gettext("Log in"))
    page.wait_for_url("**/console/")


@pytest.fixture(scope="module")
def moderator(browser: Browser, platform: Platform) -> dict[str, Any]:
    """Cookies of a moderator for each language: one by the one-time link, one by the shell."""
    link = re.search(r"http://\S+/first-administrator/\S+", platform.output.read_text())
    # Colours that are still fading are no colours yet.
    context = context_of(browser, platform, locale="en-US", reduced_motion="reduce")
    page = context.new_page()
    page.goto(link.group())
    assert faults(page) == []
    field(page, "Email").fill("root@example.org")
    field(page, "Password").fill(PASSWORD)
    page.locator("main form button").first.click()
    page.wait_for_url(f"http://localhost:{platform.port}/")
    by_link = context.storage_state()
    context.close()
    platform.manage("shell", "-c", MODERATOR)
    context = context_of(browser, platform, locale="en-US")
    sign_in(context.new_page(), scene.email_of("moderator"))
    by_shell = context.storage_state()
    context.close()
    return {"en": by_link, "zh-hans": by_shell}


# The five steps ---------------------------------------------------------------------------------


def create_number(page: Page, name: str) -> None:
    page.locator("main").get_by_role("link", name=gettext("Create service number")).first.click()
    field(page, gettext("Name")).fill(name)
    field(page, gettext("Introduction")).fill("It tells stories.")
    press(page, gettext("Create service number"))


def bind_key(page: Page) -> None:
    section(page, gettext("API keys"))
    press(page, gettext("Add API key"))
    field(page, gettext("Built-in model")).check()
    press(page, gettext("Check and save"))
    page.locator("table").get_by_text(capfirst(str(KeyStatus.VALID.label)), exact=True).wait_for()


def save_robot(page: Page) -> None:
    section(page, gettext("Robot"))
    field(page, gettext("Model")).fill("smollm2-135m")
    field(page, gettext("System prompt")).fill("You tell long stories.")
    press(page, gettext("Save robot"))


def create_secret(page: Page) -> tuple[str, str]:
    section(page, gettext("Credentials"))
    app_id = page.url.split("/numbers/")[1].split("/")[0]
    press(page, gettext("Create appSecret"))
    secret = page.locator("main code", has_text="fwsk_").first.inner_text()
    press(page, gettext("Copy"))
    page.locator(".copied").wait_for()
    page.locator("main").get_by_text(gettext("I have stored it"), exact=True).click()
    assert secret not in page.content()
    return app_id, secret


def submit(page: Page) -> None:
    section(page, gettext("Profile"))
    press(page, gettext("Submit for review"))


def approve(context: BrowserContext, name: str) -> None:
    page = context.new_page()
    page.goto("/review/")
    page.get_by_role("link", name=name).first.click()
    press(page, gettext("Approve"))
    page.wait_for_load_state()


def chat(page: Page) -> tuple[str, set[str]]:
    """The answer as it is shown at last, and every state in which it was seen."""
    page.reload()
    section(page, gettext("Chat"))
    page.evaluate(REMEMBER)
    field(page, gettext("Message")).fill(QUESTION)
    press(page, gettext("Send"))
    done = page.locator("article.message[data-status=done]")
    done.wait_for(timeout=ANSWER_SECONDS * 1000)
    return done.locator(".answer-text").inner_text(), set(page.evaluate("() => [...window.seen]"))


def words(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize(
    ("language", "size"),
    [
        pytest.param("en", driver.PHONE, id="en-phone"),
        pytest.param("zh-hans", driver.DESK, id="zh-hans-desk"),
        pytest.param("en", driver.DESK, id="en-desk", marks=pytest.mark.long),
        pytest.param("zh-hans", driver.PHONE, id="zh-hans-phone", marks=pytest.mark.long),
    ],
)
def test_from_sign_up_to_an_answer_and_back(browser, platform, moderator, language, size):
    name = f"Robot {language} {size['width']}"
    address = f"{language}-{size['width']}@example.org"
    options = {"locale": driver.LOCALES[language], "viewport": size}
    with translation.override(language), context_of(browser, platform, **options) as context:
        page = context.new_page()
        complaints = driver.Complaints(page)
        sign_up(page, platform, address)
        log_in(page, address)
        create_number(page, name)
        bind_key(page)
        save_robot(page)
        credentials = create_secret(page)
        submit(page)
        with context_of(browser, platform, storage_state=moderator[language], **options) as second:
            approve(second, name)
        shown, seen = chat(page)
    [item] = Client(platform.url, *credentials).feed()
    rendered = html.unescape(strip_tags(markdown.to_html(item["answer"])))
    assert words(shown) == words(rendered)
    assert len(seen - {"", shown.strip()}) >= 2
    assert complaints.heard == []
