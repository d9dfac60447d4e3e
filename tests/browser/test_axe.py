"""axe-core on every page, in both sizes and themes: nothing serious, nothing that scrolls sideways.

https://github.com/dequelabs/axe-core, in vendor/.
"""

from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser
from playwright.sync_api import Page as BrowserPage

from tests import routes
from tests.browser import driver
from tests.browser.pages import NO_PAGE, PAGES, Page
from tests.browser.stage import Stage, visit

pytestmark = [pytest.mark.processes, pytest.mark.browser, pytest.mark.looks]

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
# Swagger UI is not ours to mend: of the page around it everything is looked at.
RUN = """(rules) => axe
  .run({exclude: ["#swagger-ui"]}, {runOnly: rules, resultTypes: ["violations"]})
  .then((result) => result.violations)"""
# Asked before each frame: a colour that still fades would be found wanting.
PAINTED = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
  () => done(!document.getAnimations().some((each) => each instanceof CSSTransition)))))"""
IS_DARK = "() => (document.documentElement.dataset.bsTheme ?? 'dark') === 'dark'"
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def violations(page: BrowserPage, rules: dict[str, Any]) -> list[str]:
    """The serious and critical ones, each with the first places where it was found."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE)
    return [
        f"{found['id']} ({found['impact']}, {len(found['nodes'])}×): "
        + " | ".join(f"{node['html'][:160]} {_why(node)}" for node in found["nodes"][:4])
        for found in page.evaluate(RUN, rules)
        if found["impact"] in ("serious", "critical")
    ]


def _why(node: dict[str, Any]) -> str:
    checks = [*node["any"], *node["all"], *node["none"]]
    return checks[0]["message"] if checks else ""


def faults(page: BrowserPage) -> list[str]:
    """Everything in the light theme; in the dark one only colours can be different."""
    page.emulate_media(color_scheme="light")
    found = violations(page, {"type": "tag", "values": STANDARD})
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(IS_DARK)
    page.wait_for_function(PAINTED)
    dark = violations(page, {"type": "rule", "values": ["color-contrast"]})
    sideways = page.evaluate(SIDEWAYS)
    return [
        *found,
        *[f"dark: {one}" for one in dark],
        *[f"{sideways} px sideways"] * (sideways > 0),
    ]


def faults_of(browser: Browser, stage: Stage, page: Page, size: Any) -> list[str]:
    # Colours that are still fading are no colours yet.
    options = {"viewport": size, "reduced_motion": "reduce", "color_scheme": "light"}
    with stage.context(browser, page.role, **options) as context:
        opened = context.new_page()
        complaints = driver.Complaints(opened)
        visit(opened, page.url(stage.made))
        return [*faults(opened), *[line for line in complaints.heard if "status of 40" not in line]]


def test_every_page_is_looked_at():
    ours = {name for name in routes.names() if not name.startswith("admin:")}
    assert {page.route for page in PAGES if page.route} | set(NO_PAGE) == ours


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_everybody_can_use_the_page(browser: Browser, stage: Stage, page: Page):
    sizes = {"phone": driver.PHONE, "desk": driver.DESK}
    found = {name: faults_of(browser, stage, page, size) for name, size in sizes.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


# Sent as it must not be: without what is required, past the browser's own checks.
SEND_EMPTY = """() => {
  const form = [...document.querySelectorAll("main form[method=post]")].find((each) =>
    each.querySelector("input:not([type=hidden]), textarea"));
  for (const field of form.querySelectorAll("input:not([type=hidden]), textarea")) field.value = "";
  form.submit();
}"""


@pytest.mark.parametrize("name", ["signup", "change-password", "number-new", "keys", "robot"])
@pytest.mark.parametrize("size", [driver.PHONE, driver.DESK], ids=["phone", "desk"])
def test_everybody_can_see_what_a_form_did_not_take(browser, stage: Stage, name: str, size: Any):
    page = next(page for page in PAGES if page.name == name)
    with stage.context(browser, page.role, viewport=size, reduced_motion="reduce") as context:
        opened = context.new_page()
        visit(opened, page.url(stage.made))
        with opened.expect_navigation():
            opened.evaluate(SEND_EMPTY)
        assert opened.locator(".invalid-feedback").count()
        assert faults(opened) == []


def test_everybody_can_read_a_new_secret(browser: Browser, stage: Stage):
    path = reverse("number-credentials", args=[stage.made["draft"]])
    with stage.context(browser, "alice", viewport=driver.PHONE, reduced_motion="reduce") as context:
        opened = context.new_page()
        visit(opened, path)
        opened.get_by_role("button", name="Create appSecret", exact=True).click()
        opened.get_by_text("I have stored it").wait_for()
        assert faults(opened) == []
