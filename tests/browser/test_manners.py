"""What the pages' scripts tell and how often they ask: seen in a real browser."""

from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page

from tests.browser import driver
from tests.browser.pages import conversation, of_number
from tests.browser.stage import Stage, visit

pytestmark = [pytest.mark.processes, pytest.mark.browser]

# As a browser does when one comes back to a tab: the tab says it, then the window.
COME_BACK = """() => {
  document.dispatchEvent(new Event("visibilitychange"));
  window.dispatchEvent(new Event("focus"));
}"""
NO_CLIPBOARD = """() => {
  Object.defineProperty(navigator, "clipboard", {value: {writeText: () => Promise.reject()}});
  document.execCommand = () => false;
}"""
CLIPBOARD = """() => {
  Object.defineProperty(navigator, "clipboard", {value: {writeText: () => Promise.resolve()}});
}"""
TOO_SMALL = """() => [...document.querySelectorAll("main .btn, main .copyable button")]
  .filter((each) => each.checkVisibility())
  .map((each) => [each.outerHTML.slice(0, 120), each.getBoundingClientRect()])
  .filter(([, box]) => box.width < 43.9 || box.height < 43.9)
  .map(([html, box]) => `${html} ${box.width}×${box.height}`)"""
PAUSE = 1_000  # milliseconds: what would be asked twice is asked by then


@pytest.fixture
def page(stage: Stage, browser: Browser) -> Iterator[Page]:
    with stage.context(browser, "alice") as context:
        yield context.new_page()


@pytest.fixture
def chat(stage: Stage, page: Page) -> Page:
    page.goto(conversation("chat", "main").url(stage.made), wait_until="networkidle")
    return page


def test_a_reader_who_comes_back_is_one_request(chat: Page):
    asked: list[str] = []
    chat.on("request", lambda request: asked.append(request.url))
    chat.evaluate(COME_BACK)
    chat.wait_for_timeout(PAUSE)
    assert asked == [chat.url]


def test_sending_is_said_quietly(chat: Page):
    chat.route("**/ask/", lambda _route: None)  # the answer never comes
    chat.get_by_label("Message", exact=True).fill("Hello?")
    chat.get_by_role("button", name="Send", exact=True).click()
    chat.locator("#composer-state[role=status]").get_by_text("Sending…").wait_for()
    assert chat.get_by_role("alert").all_inner_texts() == [""]


def test_a_copy_is_told_to_who_cannot_see_it(stage: Stage, page: Page):
    page.goto(of_number("overview", "number").url(stage.made))
    page.evaluate(CLIPBOARD)
    page.locator("main .copyable button").first.click()
    page.locator("#said.visually-hidden[role=status]").get_by_text("Copied.").wait_for()


def test_a_copy_that_failed_is_seen(stage: Stage, page: Page):
    page.goto(of_number("overview", "number").url(stage.made))
    page.evaluate(NO_CLIPBOARD)
    page.locator("main .copyable button").first.click()
    said = page.locator("#said:not(.visually-hidden)")
    said.wait_for()
    assert said.inner_text().startswith("Not copied")


@pytest.mark.parametrize(
    "route", ["number", "number-credentials", "number-keys", "number-feedback"]
)
def test_what_is_touched_is_large_enough(stage: Stage, page: Page, route: str):
    page.set_viewport_size(driver.PHONE)
    visit(page, reverse(route, args=[stage.made["main"]]))
    assert page.evaluate(TOO_SMALL) == []
