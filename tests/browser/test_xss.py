"""The corpus on every page that shows it: nothing runs, nothing loads, nothing is even tried.

Our policy (CSP) would stop most of it once more. So what it had to stop counts as a fault, too:
the page itself must not hold it.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests import routes
from tests.browser.payloads import EVIL, PAYLOADS, short
from tests.browser.stage import Stage, visit

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.looks]

PLANT = "from tests.browser import planted; planted.plant({!r})"
FEEDBACK_PAGES = 20
AT_ONCE = 16

MARK = "XSS-RAN"
LISTEN = """
Object.defineProperty(window, "__xss", {value: () => console.error("XSS-RAN"), writable: false});
addEventListener("securitypolicyviolation", (event) =>
  console.error("XSS-STOPPED " + event.violatedDirective + " " + event.blockedURI + " "
    + event.sourceFile + " " + event.sample));
"""
# What no page of ours has, whatever it shows.
SUSPECTS = """() => {
  const told = (element, why) => `${why}: ${element.outerHTML.slice(0, 200)}`;
  const found = [];
  for (const element of document.querySelectorAll("*")) {
    for (const {name, value} of element.attributes) {
      if (name.startsWith("on")) found.push(told(element, name));
      if (/^(data-)?hx-on|^srcdoc$/.test(name)) found.push(told(element, name));
      if (name === "formaction" || name === "background") found.push(told(element, name));
    }
  }
  const links = document.querySelectorAll("a[href], area[href], form[action]");
  for (const link of links) {
    const address = link.getAttribute("href") ?? link.getAttribute("action");
    const protocol = new URL(address, location.href).protocol;
    if (!["http:", "https:", "mailto:"].includes(protocol)) found.push(told(link, protocol));
  }
  for (const element of document.querySelectorAll(
    "main :is(script, style, iframe, object, embed, base, meta, link, math, frame, video, audio)"
  )) found.push(told(element, "element"));
  const written = ".answer-text :is([id], [name], [style], img, input, form, button, svg)";
  for (const element of document.querySelectorAll(written)) {
    if (!element.closest(".code-copy")) found.push(told(element, "in answer"));
  }
  return found;
}"""


class Watch:
    """Everything that a page must not do, from the moment it is opened."""

    def __init__(self, context: BrowserContext, host: str) -> None:
        self.faults: list[str] = []
        self._host = host
        context.add_init_script(LISTEN)
        context.on("page", self._observe)
        context.route("**/*", self._pass)

    def _observe(self, page: Page) -> None:
        page.on("console", lambda line: self._hear(page, line.text))
        page.on("dialog", lambda dialog: (self.faults.append("dialog"), dialog.dismiss()))

    def _hear(self, page: Page, text: str) -> None:
        if text.startswith("XSS-"):
            self.faults.append(f"{page.url}: {text}")

    def _pass(self, route: Route) -> None:
        if route.request.url.startswith((self._host, "data:")):
            route.continue_()
        else:
            self.faults.append(f"{route.request.frame.url} asks for {route.request.url}")
            route.abort()


@pytest.fixture(scope="module")
def planted(stage: Stage) -> dict[str, str]:
    """The stage's numbers, and the hostile ones."""
    hostile: dict[str, str] = stage.run(PLANT.format(stage.upstream.url))
    return stage.made | hostile


@pytest.fixture
def opened(stage: Stage, browser: Browser, request: Any) -> Iterator[tuple[Page, Watch]]:
    """A page of the person whom the test names, and what it is watched by."""
    with stage.context(browser, request.param) as context:
        watch = Watch(context, stage.url)
        yield context.new_page(), watch


def look(page: Page, path: str) -> list[str]:
    """What is suspect on a page, which shows some of the corpus."""
    visit(page, path)
    assert "__xss" in page.locator("main").inner_html(), f"{path} shows nothing of the corpus"
    return [f"{path}: {found}" for found in page.evaluate(SUSPECTS)]


def of_number(planted: dict[str, str]) -> list[str]:
    names = ["number", "number-profile", "number-credentials", "number-keys", "number-robot"]
    keys = ("hostile", "hostile.waiting", "hostile.suspended")
    paths = [reverse(name, args=[planted[key]]) for name in names for key in keys]
    paths.append(reverse("number-safety", args=[planted["hostile"]]))
    spending = ["number-usage", "usage-entries", "number-budget"]
    paths += [reverse(name, args=[planted["hostile"]]) for name in spending]
    return [*paths, reverse("key-edit", args=[planted["hostile"], planted["hostile.key"]])]


def of_versions(planted: dict[str, str]) -> list[str]:
    """The draft, all versions page by page, one of them, and what both answered."""
    number = [planted["hostile"]]
    table, beside = reverse("robot-versions", args=number), reverse("robot-try", args=number)
    pages = [f"{table}?before={no}" for no in range(21, len(short(120)), 20)]
    one = reverse("robot-version", args=[planted["hostile"], "1"])
    asked = f"{beside}?live={planted['hostile.live']}&draft={planted['hostile.draft']}"
    return [f"{reverse('number-robot', args=number)}?draft", table, *pages, one, asked]


def of_chat(planted: dict[str, str]) -> list[str]:
    handle = planted["hostile.handle"]
    talk = reverse("chat-conversation", args=[handle, planted["hostile.conversation"]])
    positions = range(len(PAYLOADS) + 1, 0, -25)
    return [
        reverse("chat", args=[handle]) + "?new=1",
        *[f"{talk}?before={position}" for position in positions],
    ]


def of_news(planted: dict[str, str]) -> list[str]:
    path = reverse("chat-news", args=[planted["hostile.handle"]])
    return [path, *[f"{path}?before={seq}" for seq in range(len(PAYLOADS) + 1, 2, -20)]]


def of_feedback(planted: dict[str, str]) -> list[str]:
    path = reverse("number-feedback", args=[planted["hostile"]])
    return [path, *[f"{path}?before={seq}" for seq in range(20, 20 * FEEDBACK_PAGES, 20)]]


def of_calls(planted: dict[str, str]) -> list[str]:
    """Four pages of the log hold the corpus; `after` leads up from the oldest."""
    number = [planted["hostile"]]
    path = reverse("number-calls", args=number)
    places = [f"{path}?after={place}" for place in range(50, 175, 25)]
    return [path, *places, reverse("number-addresses", args=number)]


def of_desk(planted: dict[str, str]) -> list[str]:
    keys = ("hostile", "hostile.waiting", "hostile.suspended")
    details = [reverse("review-number", args=[planted[key]]) for key in keys]
    states = [f"{reverse('review')}?state={state}" for state in ("approved", "suspended", "all")]
    return [reverse("review"), *states, *details]


WALKS = {
    "chat": ("alice", of_chat),
    "news": ("alice", of_news),
    "console": ("alice", of_number),
    "versions": ("alice", of_versions),
    "feedback": ("alice", of_feedback),
    "calls": ("alice", of_calls),
    "desk": ("moderator", of_desk),
    "notices": ("alice", lambda _planted: [reverse("notices"), reverse("console")]),
    "names": ("mallory", lambda _planted: [reverse("console")]),
}


def test_the_watch_sees_what_runs_and_loads(stage: Stage, browser: Browser):
    with stage.context(browser, "anonymous") as context:
        watch = Watch(context, stage.url)
        page = context.new_page()
        raw = "<!doctype html><main>" + "<hr>".join(PAYLOADS[1:60])
        page.route("**/raw", lambda route: route.fulfill(body=raw, content_type="text/html"))
        page.goto("/raw")
        suspects = page.evaluate(SUSPECTS)
    assert any(MARK in fault for fault in watch.faults)
    assert any(EVIL in fault for fault in watch.faults)
    assert len(suspects) > 10


@pytest.mark.parametrize(("opened", "paths"), WALKS.values(), ids=WALKS, indirect=["opened"])
def test_nothing_runs_on_any_page(opened, planted, paths):
    page, watch = opened
    suspects = [found for path in paths(planted) for found in look(page, path)]
    assert watch.faults == []
    assert suspects == []


@pytest.mark.parametrize("opened", ["anonymous"], indirect=True)
def test_nothing_runs_on_a_guests_first_visit(opened, planted):
    page, watch = opened
    suspects = look(page, reverse("chat", args=[planted["hostile.handle"]]))
    assert (watch.faults, suspects) == ([], [])


@pytest.mark.parametrize("opened", ["administrator"], indirect=True)
def test_nothing_runs_in_the_admin(opened, planted):
    page, watch = opened
    for name in (name for name in routes.names() if name.endswith("_changelist")):
        visit(page, reverse(name))
        rows = page.locator("#result_list a[href*='/change/']")
        for path in rows.evaluate_all("rows => rows.slice(0, 5).map((row) => row.pathname)"):
            visit(page, path)
    assert watch.faults == []


@pytest.mark.parametrize("opened", ["charlie"], indirect=True)
def test_nothing_runs_while_an_answer_streams(opened, planted):
    """Through the whole pipeline: the provider says again what it was asked."""
    page, watch = opened
    visit(page, reverse("chat", args=[planted["hostile.handle"]]))
    suspects = []
    for at in range(0, len(PAYLOADS), AT_ONCE):
        page.locator("#composer textarea[name=message]").fill(
            "Look:\n\n" + "\n\n".join(PAYLOADS[at : at + AT_ONCE])
        )
        page.get_by_role("button", name="Send", exact=True).click()
        settled = page.locator("article.message[data-status=done]")
        settled.nth(at // AT_ONCE).wait_for()
        suspects += page.evaluate(SUSPECTS)
    assert (watch.faults, suspects) == ([], [])
