"""What the tests of loads and faults share: the session's stack, and the table of figures."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults import figures, stacks
from tests.faults.asking import Account
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, running_stack
from tests.upstream import Upstream, running_upstream

PLENTY = 1_000_000
FAULTS = os.environ.get("FAULT", "").split(",")  # numbers, or nothing for all


@pytest.fixture
def unlimited(settings: Any) -> None:
    settings.DDIO_REQUESTS_PER_SECOND = settings.DDIO_REQUEST_BURST = PLENTY


@pytest.fixture(scope="session")
def provider() -> Iterator[Upstream]:
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp(stacks.NAME)) as running:
        yield running


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Keep figures for the run's line: an account's, and others by name."""
    told = request.node.stash.setdefault(figures.TOLD, {})

    def keep(account: Account | None = None, **others: float | str) -> None:
        told.update((account.figures() if account else {}) | others)

    return keep


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.get_closest_marker("fault"):
        item.add_marker(pytest.mark.processes)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the faults only those that hold on this stack, and those that FAULT names."""
    left = [item for item in items if is_left_out(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def is_left_out(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("fault")
    if mark is None:
        return False
    elsewhere = stacks.NAME == stacks.RABBIT and not mark.kwargs.get("rabbit")
    return elsewhere or (FAULTS != [""] and str(mark.args[0]) not in FAULTS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    figures.note(item, report)
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    head, *lines = figures.table(config) or [""]
    if head:
        terminalreporter.section(head, "-")
        terminalreporter.write_line("\n".join(lines))
