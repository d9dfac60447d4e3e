"""What happens to an answer while somebody watches it: in the end it is there, whole, once."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests.browser import driver
from tests.browser.cable import Cable, cable_to
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
# Notes every text that the answer shows, so that none can be seen which is not the answer's.
NOTE = """() => {
  window.seen = [];
  const note = () => window.seen.push(document.querySelector(".answer-text")?.textContent ?? "");
  const all = { childList: true, characterData: true, subtree: true };
  new MutationObserver(note).observe(document.getElementById("messages-list"), all);
}"""
# What the page says, and of what height, in the moment in which an answer starts again.
CATCH_PAST = """() => {
  const text = document.querySelector(".answer-text");
  const catchIt = () => {
    if (!text.classList.contains("is-past")) return;
    window.past ??= {
      words: text.textContent.trim().split(/ +/).length,
      shown: document.querySelector(".answer-words").textContent,
      heard: document.getElementById("chat-news").textContent,
      height: text.offsetHeight,
    };
  };
  new MutationObserver(catchIt).observe(text, { attributes: true });
}"""
LOST = "The connection is lost. Reconnecting; nothing is lost."
AGAIN = "Starting again after an interruption."


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
    return asked(context.new_page(), address)


@pytest.fixture
def cable(stage: Stage) -> Iterator[Cable]:
    with cable_to(stage.platform.port) as between:
        yield between


@pytest.fixture
def wired(context: BrowserContext, address: str, cable: Cable) -> Page:
    """The same, by way of a cable."""
    return asked(context.new_page(), by_way_of(cable, address))


def by_way_of(cable: Cable, address: str) -> str:
    return urlunsplit(urlsplit(address)._replace(netloc=f"localhost:{cable.port}"))


def ask(page: Page, address: str) -> None:
    page.complaints = driver.Complaints(page)  # type: ignore[attr-defined]
    page.goto(f"{address}?new=1")
    page.evaluate(NOTE)
    page.get_by_label("Message", exact=True).fill("Count to forty.")
    page.get_by_role("button", name="Send", exact=True).click()


def asked(page: Page, address: str) -> Page:
    ask(page, address)
    grown(page, 5)
    return page


def grown(page: Page, words: int) -> None:
    page.wait_for_function(GROWN, arg=words)


def settled(page: Page, status: str = "done") -> list[str]:
    """The words of the one answer of the page, once it is settled."""
    article = page.locator(f"article.message[data-status={status}]")
    article.wait_for(timeout=SETTLED_SECONDS * 1000)
    assert page.locator("article.message").count() == 1
    return article.locator(".answer-text").inner_text().split()


def told(page: Page, words: str) -> None:
    """The page says so to those who see it, and politely to those who hear it."""
    page.locator(".answer-words").get_by_text(words).wait_for()
    assert page.locator("#chat-news").inner_text() == words


def garbled(page: Page) -> list[str]:
    """What the answer's place has shown that is no beginning of the answer."""
    whole = " ".join(WHOLE)
    return [text for text in page.evaluate("window.seen") if not whole.startswith(text.strip())]


def in_trouble(page: Page) -> list[str]:
    """What the console complains of, but for connections that broke."""
    return [line for line in page.complaints.heard if "net::ERR" not in line]  # type: ignore[attr-defined]


def kept(stage: Stage, page: Page) -> list[Any]:
    """What the database has of the page's conversation: status, words, entries in the feed."""
    conversation = page.url.split("?")[0].split("#")[0].rstrip("/").rsplit("/", 1)[-1]
    rows = stage.run(ANSWERS.format(conversation=conversation))
    return [[status, answer.split(), entries] for status, answer, entries in rows]


def test_a_killed_worker_is_not_seen_in_the_answer(stage: Stage, page: Page):
    stage.platform.kill_worker()
    assert settled(page) == WHOLE
    assert kept(stage, page) == [["done", WHOLE, 1]]
    assert garbled(page) == []
    assert page.complaints.heard == []


def test_an_answer_that_starts_again_says_so_and_keeps_its_place(stage: Stage, page: Page):
    page.evaluate(CATCH_PAST)
    grown(page, 15)
    stage.platform.kill_worker()
    page.wait_for_function("() => window.past", timeout=SETTLED_SECONDS * 1000)
    past = page.evaluate("window.past")
    assert page.locator(".answer-text").evaluate("it => it.offsetHeight") >= past["height"]
    assert (past["shown"], past["heard"]) == (AGAIN, AGAIN)
    assert past["words"] >= 15
    assert settled(page) == WHOLE


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


@pytest.mark.long
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
    assert (garbled(page), in_trouble(page)) == ([], [])


@pytest.mark.parametrize("viewport", [driver.DESK, driver.PHONE], ids=["desk", "phone"])
def test_who_refreshes_goes_offline_and_opens_a_second_tab_sees_it_whole(
    stage: Stage, browser: Browser, address: str, viewport: Any
):
    with stage.context(browser, "newcomer", viewport=viewport) as context:
        page = asked(context.new_page(), address)
        page.reload()
        page.evaluate(NOTE)
        grown(page, 8)
        second = context.new_page()
        second.goto(page.url)
        grown(second, 8)
        context.set_offline(True)
        told(second, LOST)
        context.set_offline(False)
        assert (settled(page), settled(second)) == (WHOLE, WHOLE)
        assert kept(stage, page) == [["done", WHOLE, 1]]
        assert (garbled(page), in_trouble(page)) == ([], [])


def test_a_pulled_cable_is_told_and_made_good(stage: Stage, wired: Page, cable: Cable):
    cable.pull()
    told(wired, LOST)
    cable.put_back()
    wired.locator(".answer-words").get_by_text(LOST).wait_for(state="detached")
    assert settled(wired) == WHOLE
    assert kept(stage, wired) == [["done", WHOLE, 1]]
    assert (garbled(wired), in_trouble(wired)) == ([], [])


@pytest.mark.long
def test_an_answer_that_came_while_the_cable_was_pulled_is_there_afterwards(
    wired: Page, cable: Cable
):
    cable.pull()
    wired.wait_for_timeout(9_000)
    cable.put_back()
    assert settled(wired) == WHOLE


@pytest.mark.long
def test_a_connection_that_died_without_a_word_is_noticed(
    context: BrowserContext, address: str, cable: Cable
):
    page = context.new_page()
    page.clock.install()
    asked(page, by_way_of(cable, address))
    cable.block()
    page.clock.fast_forward(36_000)
    assert settled(page) == WHOLE
    assert garbled(page) == []


@pytest.mark.long
def test_a_server_that_refuses_for_a_while_is_asked_again(context: BrowserContext, address: str):
    page = context.new_page()
    page.route("**/stream/**", in_turn(refuse_connection, bad_gateway, unavailable))
    ask(page, address)
    assert settled(page) == WHOLE
    assert (len(page.complaints.heard), garbled(page)) == (3, [])


def in_turn(*refusals: Callable[[Route], None]) -> Callable[[Route], None]:
    left = iter(refusals)

    def handle(route: Route) -> None:
        next(left, go_on)(route)

    return handle


def refuse_connection(route: Route) -> None:
    route.abort("connectionrefused")


def bad_gateway(route: Route) -> None:
    route.fulfill(status=502, body="<h1>Bad Gateway</h1>", content_type="text/html")


def unavailable(route: Route) -> None:
    route.fulfill(status=503, body="", headers={"Retry-After": "1"})


def go_on(route: Route) -> None:
    route.continue_()


def test_who_was_signed_out_meanwhile_is_told(context: BrowserContext, wired: Page, cable: Cable):
    context.clear_cookies()
    cable.pull()
    cable.put_back()
    wired.locator("#composer-error, .chat-welcome").get_by_text("Log in").wait_for()


@pytest.mark.long
def test_two_tabs_agree_though_worker_and_web_process_die(
    stage: Stage, context: BrowserContext, page: Page
):
    second = context.new_page()
    second.goto(page.url)
    grown(second, 5)
    stage.platform.kill_worker()
    stage.platform.part("granian").kill()
    assert (settled(page), settled(second)) == (WHOLE, WHOLE)
    assert kept(stage, page) == [["done", WHOLE, 1]]
    assert (garbled(page), in_trouble(page)) == ([], [])
