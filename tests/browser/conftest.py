"""One platform for this directory, and a browser for each of its modules."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.driver import chromium_of_a_test
from tests.browser.stage import Stage, running_stage


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running_stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium_of_a_test() as running:
        yield running
