"""The versions of a robot as its owner reads them: what changed by each, and how they differ."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from bots import differences
from bots.differences import Change
from bots.models import Configuration, RobotVersion
from bots.models.robots import Settings
from portal.models import ServiceNumber

PAGE = 20


@dataclass(frozen=True)
class Step:
    """What one version changed of one setting, in a few words."""

    label: str | Promise
    words: str


@dataclass(frozen=True)
class Row:
    version: RobotVersion
    steps: list[Step]
    is_live: bool


@dataclass(frozen=True)
class Page:
    """Newest first; `older` is the number before which the next page begins."""

    rows: list[Row]
    older: int | None


def page(number: ServiceNumber, before: int | None) -> Page:
    versions = number.versions.select_related("published_by").order_by("-no")
    if before is not None:
        versions = versions.filter(no__lt=before)
    found = list(versions[: PAGE + 1])
    live = number.versions.live()
    rows = [
        Row(version, _steps(earlier, version), is_live=version == live)
        for version, earlier in pairwise([*found, None])
        if version
    ]
    return Page(rows[:PAGE], found[PAGE - 1].no if len(found) > PAGE else None)


def _steps(old: Configuration | None, new: Configuration) -> list[Step]:
    if old is None:
        return []
    before, now = old.versioned, new.versioned
    return [
        Step(_label(name), _in_short(name, before[name], now[name]))
        for name in now
        if before[name] != now[name]
    ]


def _in_short(name: str, old: Any, new: Any) -> str:
    if name != "system_prompt":
        return f"{_value(old)} → {_value(new)}"
    signs = [line.sign for line in differences.change("", old, new).lines]
    counts = {"added": signs.count("+"), "removed": signs.count("-")}
    return _("+%(added)d −%(removed)d lines") % counts


def _value(value: Any) -> str:
    return "–" if value is None or value == "" else str(value)


def _label(name: str) -> str | Promise:
    return getattr(Settings._meta.get_field(name), "verbose_name", name)  # noqa: SLF001  (public)


def changes(old: Configuration, new: Configuration) -> list[Change]:
    """What is different of what is versioned, line by line."""
    before, now = old.versioned, new.versioned
    return [
        differences.change(_label(name), before[name], now[name])
        for name in now
        if before[name] != now[name]
    ]


def differing(old: Settings, new: Settings) -> list[str | Promise]:
    """The names of all settings that are not the same in both."""
    before, now = old.settings, new.settings
    return [_label(name) for name in now if before[name] != now[name]]
