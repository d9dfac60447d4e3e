"""What an owner changed of a number and its robot, read back from the audit trail."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from bots import differences
from bots.differences import Change
from bots.models import Robot
from portal.models import AuditEntry, ServiceNumber

Edited = type[ServiceNumber] | type[Robot]
Place = tuple[Edited, str]  # a field, whichever deed changed it

EDITS: dict[str, Edited] = {
    "number.edit": ServiceNumber,
    "robot.edit": Robot,
    "robot.rollback": Robot,
}


def changed_fields(entry: AuditEntry) -> list[str]:
    changes = _changes(entry.action, entry.details)
    return sorted(str(_label(EDITS[entry.action], name)) for name, _old, _new in changes)


def changes_since(decision: AuditEntry) -> list[Change]:
    """What is different now, field by field, whatever it was in between.

    Every edit is read, however many there are: no number of them hides what the first one changed.
    """
    edits = AuditEntry.objects.filter(
        number=decision.number_id, action__in=EDITS, pk__gt=decision.pk
    ).order_by("pk")
    first: dict[Place, Any] = {}
    last: dict[Place, Any] = {}
    for action, details in edits.values_list("action", "details").iterator():
        for name, old, new in _changes(action, details):
            first.setdefault((EDITS[action], name), old)
            last[EDITS[action], name] = new
    now = last | _as_it_is(decision, last)
    return [
        differences.change(_label(*place), _shown(place[1], old), _shown(place[1], now[place]))
        for place, old in first.items()
        if old != now[place]
    ]


def _as_it_is(decision: AuditEntry, places: Iterable[Place]) -> dict[Place, Any]:
    """What stands in the rows, whoever wrote it there, of the fields that they have."""
    rows: dict[Edited, Mapping[str, Any]] = {
        model: model._default_manager.filter(pk=decision.number_id).values().first() or {}  # noqa: SLF001
        for model in set(EDITS.values())
    }
    return {(model, name): rows[model][name] for model, name in places if name in rows[model]}


def _changes(action: str, details: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(field, old, new), from `{"old": …, "new": …}` or `[old, new]`."""
    if action not in EDITS:
        return
    for name, change in dict(details.get("changes", {})).items():
        if isinstance(change, dict):
            yield name, change.get("old"), change.get("new")
        elif isinstance(change, list) and len(change) == 2:
            yield name, change[0], change[1]


def _label(model: Edited, name: str) -> str | Promise:
    if name == "avatar_digest":
        return _("avatar")
    try:
        field = model._meta.get_field(name)  # noqa: SLF001  (a public interface)
    except FieldDoesNotExist:
        return name
    return getattr(field, "verbose_name", name)


def _shown(name: str, value: Any) -> Any:
    return _("a picture") if name == "avatar_digest" and value else value
