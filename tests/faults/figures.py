"""The one line of figures that each run of a fault leaves, and the table of them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from portal.environment import BASE_DIR
from tests.faults import stacks

TOLD = pytest.StashKey[dict[str, Any]]()
LINES = pytest.StashKey[list[tuple[int, str]]]()

Tell = Callable[..., None]


def note(item: pytest.Item, report: pytest.TestReport) -> None:
    """Keep the line of a run that is over, whether it came to its test or not."""
    mark = item.get_closest_marker("fault")
    is_over = report.when == "call" or (report.when == "setup" and report.failed)
    if mark and is_over and not report.skipped:
        number, name = mark.args
        told = item.stash.get(TOLD, {}).items()
        figures = ", ".join(f"{key} {_shown(value)}" for key, value in told) or "no figures"
        verdict = "ok" if report.passed else "MISSED"
        line = f"{number:>2}  {name:<40} {stacks.NAME:<8}  {verdict:<6}  {figures}"
        item.config.stash.setdefault(LINES, []).append((number, line))


def _shown(value: float | str) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else value


def table(config: pytest.Config) -> list[str]:
    """Head and lines, kept in var/faults as well; nothing where no fault was run."""
    lines = [line for _number, line in sorted(config.stash.get(LINES, []))]
    if not lines:
        return []
    size = "full" if stacks.FULL else "short"
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    head = f"faults on the {stacks.NAME} stack, {size} size, {when}"
    directory = BASE_DIR / "var" / "faults"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{stacks.NAME}.txt").write_text("\n".join([head, *lines, ""]))
    return [head, *lines]
