"""Following a number and reading its news, in a real browser."""

from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page

from tests.browser import driver
from tests.browser.stage import Stage, visit
from tests.browser.test_axe import faults

pytestmark = [pytest.mark.processes, pytest.mark.browser]

SEND = """
from bots import news
from portal.models import ServiceNumber
number = ServiceNumber.objects.get(app_id={!r})
print(news.send(news.Notice(number, "**We move** house.")).accepted)
"""


@pytest.fixture
def page(stage: Stage, browser: Browser) -> Iterator[Page]:
    """A phone, of somebody who knows nobody yet."""
    options = {"viewport": driver.PHONE, "reduced_motion": "reduce"}
    with stage.context(browser, "newcomer", **options) as context:
        yield context.new_page()


def test_one_follows_reads_and_leaves(stage: Stage, page: Page):
    chat = reverse("chat", args=[stage.made["charlies.handle"]])
    visit(page, chat)
    page.get_by_role("button", name="Follow", exact=True).click()
    page.locator("summary:focus").get_by_text("Following").wait_for()

    assert stage.run(SEND.format(stage.made["charlies"])) >= 1
    visit(page, chat)
    page.locator("#news-card").get_by_text("We move house.").wait_for()
    page.get_by_role("button", name="Conversations, and news: 1 new").wait_for()
    with page.expect_response("**/news/seen/") as seen:
        page.get_by_role("link", name="Read it").click()
    assert seen.value.status == 204
    assert page.get_by_role("strong").inner_text() == "We move"

    visit(page, chat)
    assert page.locator("#news-card").count() == 0
    page.get_by_text("Following", exact=True).click()
    assert faults(page) == []
    page.get_by_role("button", name="Unfollow").click()
    page.locator("button:focus").get_by_text("Follow", exact=True).wait_for()


def test_a_card_makes_room_for_what_one_asks(stage: Stage, browser: Browser):
    with stage.context(browser, "alice") as context:
        page = context.new_page()
        visit(page, reverse("chat", args=[stage.made["guests.handle"]]))
        page.locator("#news-card").wait_for()
        page.get_by_label("Message", exact=True).fill("Hello?")
        page.get_by_role("button", name="Send", exact=True).click()
        page.locator("#news-card").wait_for(state="detached")
