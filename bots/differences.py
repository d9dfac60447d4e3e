"""Texts and settings before and after, line by line, in words for whoever reads them."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _

LINES_COMPARED = 1_000
LINES_AROUND = 2
OMITTED = "…"


@dataclass(frozen=True)
class Line:
    """A line of a text before and after; `sign` is `+`, `-`, a space, or `…` for a gap."""

    sign: str
    text: str


@dataclass(frozen=True)
class Change:
    label: str | Promise
    lines: list[Line]


def change(label: str | Promise, old: Any, new: Any) -> Change:
    """Of one setting, whatever its kind."""
    return Change(label, list(_lines(_words(old), _words(new))))


def _words(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return "\n".join(str(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _lines(old: str, new: str) -> Iterator[Line]:
    before, now = old.splitlines(), new.splitlines()
    if len(before) + len(now) > LINES_COMPARED:
        yield from (Line("-", old), Line("+", new))  # comparing takes a square of the lines
        return
    groups = difflib.SequenceMatcher(a=before, b=now).get_grouped_opcodes(LINES_AROUND)
    for nth, group in enumerate(groups):
        if nth:
            yield Line(OMITTED, "")
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                yield from (Line(" ", text) for text in before[old_start:old_end])
            else:
                yield from (Line("-", text) for text in before[old_start:old_end])
                yield from (Line("+", text) for text in now[new_start:new_end])
