"""What happens to an answer while somebody watches it: in the end it is there, whole, once."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import driver
from tests.browser.stage import Stage, running_stage

pytestmark = [pytest.mark.processes, pytest.mark.browser]

WHOLE = [str(number) for number in range(1, 41)]  # what the provider's model `slow` says
SETTLED_SECONDS = 60
ANSWERS = """
import json
from bots.models import FeedEntry, Message
found = Message.objects.filter(conversation={conversation!r})
print(json.dumps([
    [one.status, one.answer, FeedEntry.objects.filter(message=one).count()] for one in found
]))
"""
GROWN = """(words) => {
  const text = document.querySelector(".answer-text")?.textContent ?? "";
  return text.trim().split(/ +/).length >= words;
}"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    with running_stage(tmp_path_factory.mktemp("watched")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with driver.chromium_of_a_test() as running:
        yield running


@pytest.fixture(scope="module")
def address(stage: Stage) -> str:
    """The chat of a robot that counts to forty, in eight seconds."""
    key = ["--base-url", stage.upstream.url, "--api-key", "sk-test-123456", "--model", "slow"]
    return str(stage.platform.provision(*key, name="Counting robot")["chatUrl"])


@pytest.fixture
def context(stage: Stage, browser: Browser) -> Iterator[BrowserContext]:
    with stage.context(browser, "newcomer") as opened:
        yield opened


@pytest.fixture
def page(context: BrowserContext, address: str) -> Page:
    """A new conversation whose answer is under way."""
    opened = context.new_page()
    opened.complaints = driver.Complaints(opened)  # type: ignore[attr-defined]
    opened.goto(f"{address}?new=1")
    opened.get_by_label("Message", exact=True).fill("Count to forty.")
    opened.get_by_role("button", name="Send", exact=True).click()
    grown(opened, 5)
    return opened


def grown(page: Page, words: int) -> None:
    page.wait_for_function(GROWN, arg=words)


def settled(page: Page, status: str = "done") -> list[str]:
    """The words of the one answer of the page, once it is settled."""
    article = page.locator(f"article.message[data-status={status}]")
    article.wait_for(timeout=SETTLED_SECONDS * 1000)
    assert page.locator("article.message").count() == 1
    return article.locator(".answer-text").inner_text().split()


def kept(stage: Stage, page: Page) -> list[Any]:
    """What the database has of the page's conversation: status, words, entries in the feed."""
    conversation = page.url.split("?")[0].split("#")[0].rstrip("/").rsplit("/", 1)[-1]
    rows = stage.run(ANSWERS.format(conversation=conversation))
    return [[status, answer.split(), entries] for status, answer, entries in rows]


def test_a_killed_worker_is_not_seen_in_the_answer(stage: Stage, page: Page):
    stage.platform.kill_worker()
    assert settled(page) == WHOLE
    assert kept(stage, page) == [["done", WHOLE, 1]]
    assert page.complaints.heard == []


def test_a_refreshed_page_shows_the_whole_answer(stage: Stage, page: Page):
    page.reload()
    assert page.locator("article.message[data-status=done]").count() == 0
    assert settled(page) == WHOLE
    assert kept(stage, page) == [["done", WHOLE, 1]]
    assert page.complaints.heard == []


def test_a_second_tab_shows_the_same_whole_answer(
    stage: Stage, context: BrowserContext, page: Page
):
    second = context.new_page()
    complaints = driver.Complaints(second)
    second.goto(page.url)
    grown(second, 5)
    assert (settled(page), settled(second)) == (WHOLE, WHOLE)
    assert kept(stage, page) == [["done", WHOLE, 1]]
    assert page.complaints.heard + complaints.heard == []


def test_a_question_of_one_tab_is_seen_in_the_other(context: BrowserContext, page: Page):
    second = context.new_page()
    second.goto(page.url)
    settled(second)
    page.get_by_label("Message", exact=True).fill("Count again.")
    page.get_by_role("button", name="Send", exact=True).click()
    answers = second.locator("article.message[data-status=done] .answer-text")
    answers.nth(1).wait_for(timeout=SETTLED_SECONDS * 1000)
    assert [text.split() for text in answers.all_inner_texts()] == [WHOLE, WHOLE]


def test_a_stopped_answer_keeps_what_it_has_said(stage: Stage, page: Page):
    page.get_by_role("button", name="Stop", exact=True).click()
    shown = settled(page, "cancelled")
    assert 5 <= len(shown) < len(WHOLE)
    assert shown == WHOLE[: len(shown)]
    assert kept(stage, page) == [["cancelled", shown, 1]]
    assert page.complaints.heard == []


def test_a_killed_web_process_is_not_seen_in_the_answer(stage: Stage, page: Page):
    """The browser reconnects by itself; that it had to is all that its console says."""
    stage.platform.part("granian").kill()
    assert settled(page) == WHOLE
    assert kept(stage, page) == [["done", WHOLE, 1]]
    assert [line for line in page.complaints.heard if "net::ERR" not in line] == []
