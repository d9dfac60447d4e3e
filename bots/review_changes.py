"""What an owner changed of a number and its robot, read back from the audit trail."""

import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from bots.models import Robot
from portal.models import AuditEntry, ServiceNumber

EDITS = {"number.edit": ServiceNumber, "robot.edit": Robot}
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


def changed_fields(entry: AuditEntry) -> list[str]:
    changes = _changes(entry.action, entry.details)
    return sorted(str(_label(entry.action, name)) for name, _old, _new in changes)


def changes_since(decision: AuditEntry) -> list[Change]:
    """What is different now, field by field, whatever it was in between.

    Every edit is read, however many there are: no number of them hides what the first one changed.
    """
    edits = AuditEntry.objects.filter(
        number=decision.number_id, action__in=EDITS, pk__gt=decision.pk
    ).order_by("pk")
    first: dict[tuple[str, str], Any] = {}
    last: dict[tuple[str, str], Any] = {}
    for action, details in edits.values_list("action", "details").iterator():
        for name, old, new in _changes(action, details):
            first.setdefault((action, name), old)
            last[action, name] = new
    now = last | _as_it_is(decision, last)
    return [
        Change(_label(*place), list(_lines(_words(place[1], old), _words(place[1], now[place]))))
        for place, old in first.items()
        if old != now[place]
    ]


def _as_it_is(
    decision: AuditEntry, places: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Any]:
    """What stands in the rows, whoever wrote it there, of the fields that they have."""
    rows = {
        action: model._default_manager.filter(pk=decision.number_id).values().first() or {}  # noqa: SLF001
        for action, model in EDITS.items()
    }
    return {(action, name): rows[action][name] for action, name in places if name in rows[action]}


def _changes(action: str, details: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(field, old, new), from `{"old": …, "new": …}` or `[old, new]`."""
    if action not in EDITS:
        return
    for name, change in dict(details.get("changes", {})).items():
        if isinstance(change, dict):
            yield name, change.get("old"), change.get("new")
        elif isinstance(change, list) and len(change) == 2:
            yield name, change[0], change[1]


def _label(action: str, name: str) -> str | Promise:
    if name == "avatar_digest":
        return _("avatar")
    try:
        field = EDITS[action]._meta.get_field(name)  # noqa: SLF001  (a public interface)
    except FieldDoesNotExist:
        return name
    return getattr(field, "verbose_name", name)


def _words(name: str, value: Any) -> str:
    if value is None or value == "":
        return ""
    if name == "avatar_digest":
        return _("a picture")
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
