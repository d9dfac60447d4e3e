"""The robot of a number: what it starts from, its draft and versions, every change on the record.

What is live stands in Robot, where the answers read it; the newest version says the same. Whatever
changes what is versioned adds the next version, going back to an earlier one as well: so the order
of the versions is the order in which they were live, and none is ever written over.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from bots import keys
from bots.models import ApiKey, Robot, RobotDraft, RobotVersion
from bots.simulator import behaviours
from portal import audit, numbers
from portal.models import ServiceNumber, User

SUGGESTIONS_AT_MOST = 4  # questions that the chat offers for a beginning
SANDBOX_MODEL = "brisk"  # what a robot begins with where the simulator answers
MODELS_AT_MOST = 500  # in the page's list of suggestions; any other name may be typed


def robot_of(number: ServiceNumber, listed: list[str], *, is_simulated: bool = False) -> Robot:
    """The number's robot; unsaved and with sensible beginnings where it has none yet."""
    robot = Robot.objects.filter(number=number).first()
    if robot is None:
        beginning = SANDBOX_MODEL if is_simulated else ""
        robot = Robot(number=number, model=listed[0] if len(listed) == 1 else beginning)
    return robot


def models_of(bound: Collection[ApiKey]) -> list[str]:
    """The names that the keys' providers list, and the local model's where it is bound.

    The simulator's only where it answers: where nothing else is bound.
    """
    names: set[str] = set()
    if are_simulated(bound):
        return list(behaviours.catalogue())
    for key in bound:
        if key.is_sandbox:
            continue
        names.update(key.models_listed)
        if key.is_local:
            names.add(settings.LOCAL_MODEL_NAME)
    return sorted(names)[:MODELS_AT_MOST]


def are_simulated(bound: Collection[ApiKey]) -> bool:
    """As ApiKeyQuerySet.are_simulated says, of keys that are read already."""
    return bool(bound) and all(key.is_sandbox for key in bound)


def is_listed(bound: Collection[ApiKey], model: str) -> bool:
    """Whether a key offers the model; as long as none has said what it offers, it may."""
    listed = models_of(bound)
    return are_simulated(bound) or not listed or model in listed


# What is live --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Deed:
    """By whom something is published, why, and what the audit trail calls it."""

    actor: User | None
    note: str = ""
    action: str = "robot.edit"
    back_to: int | None = None


def save(
    number: ServiceNumber, wanted: dict[str, Any], *, actor: User | None, note: str = ""
) -> Robot:
    """Write exactly the wanted fields, with old and new in the audit trail; they are live at once.

    What is versioned becomes the next version, if any of it changed; `note` says why. A model that
    changed makes every verdict on the number's keys an old one: they are checked anew. Raises
    numbers.EditRefused where the number is closed.
    """
    with transaction.atomic():
        return _put_live(_locked(number), wanted, _Deed(actor, note))


def roll_back(number: ServiceNumber, no: int, *, actor: User | None) -> RobotVersion:
    """Make an earlier version live again, as a new one, which is returned.

    Where the live one says the same it stays what it is: pressed twice, it is done once. Raises
    RobotVersion.DoesNotExist, and numbers.EditRefused where the number is closed.
    """
    with transaction.atomic():
        locked = _locked(number)
        earlier = locked.versions.get(no=no)
        deed = _Deed(actor, action="robot.rollback", back_to=no)
        _put_live(locked, earlier.versioned, deed)
        return _live(locked)


def _locked(number: ServiceNumber) -> ServiceNumber:
    """Whoever else publishes or saves a draft waits: there is one order of the versions."""
    locked = ServiceNumber.objects.locked(number.pk)
    numbers.refuse_closed(locked)
    return locked


def _live(number: ServiceNumber) -> RobotVersion:
    live = number.versions.live()
    if live is None:
        raise RobotVersion.DoesNotExist
    return live


def _put_live(number: ServiceNumber, wanted: dict[str, Any], deed: _Deed) -> Robot:
    found = Robot.objects.filter(number=number).first()
    if found:
        _keep_as_found(found)
    robot = found or Robot(number=number)
    changes = _set(robot, wanted)
    robot.save(force_insert=not found, update_fields=list(wanted) if found else None)
    if changes or not found:
        told = _publish(robot, deed) if not found or changes.keys() & Robot.VERSIONED else {}
        audit.record(deed.action, actor=deed.actor, number=number, changes=changes, **told)
    if "model" in changes:
        _check_keys(number)
    _forget_published_draft(robot)
    return robot


def _set(robot: Robot, wanted: dict[str, Any]) -> dict[str, list[Any]]:
    """Set the fields, and say of each that changed what was there and what is."""
    before = {name: getattr(robot, name) for name in wanted}
    for name, value in wanted.items():
        setattr(robot, name, value)
    return {name: [before[name], value] for name, value in wanted.items() if before[name] != value}


def _keep_as_found(robot: Robot) -> None:
    """What is live and no version says, because an earlier release wrote it, becomes one now."""
    live = robot.number.versions.live()
    if live is None or live.versioned != robot.versioned:
        _publish(robot, _Deed(actor=None))


def _publish(robot: Robot, deed: _Deed) -> dict[str, Any]:
    """Add the version that says what the robot says; returns what the audit trail says of it."""
    live = robot.number.versions.live()
    version = RobotVersion.objects.create(
        number=robot.number,
        no=live.no + 1 if live else 1,
        note=deed.note,
        back_to=deed.back_to,
        published_by=deed.actor,
        **robot.versioned,
    )
    told = {"version": version.no}
    return told if deed.back_to is None else told | {"back_to": deed.back_to}


def _check_keys(number: ServiceNumber) -> None:
    for key in ApiKey.objects.bound().filter(number=number):
        keys.request_check(key)


# The draft -----------------------------------------------------------------------------------
#
# Nothing of it is in the audit trail: it answers nobody but trials until it is published, and a
# moderator's decision is not about it.


class DraftRefused(Exception):
    """The draft is not what was looked at; the message is a sentence for its owner."""


def keep_draft(
    number: ServiceNumber, wanted: dict[str, Any], *, actor: User | None, note: str = ""
) -> RobotDraft:
    """The number's one draft is this from now on. Raises numbers.EditRefused (closed)."""
    with transaction.atomic():
        told = {"note": note, "saved_at": timezone.now(), "saved_by": actor}
        draft, _is_new = RobotDraft.objects.update_or_create(
            number=_locked(number), defaults=wanted | told
        )
    return draft


def publish_draft(number: ServiceNumber, stamp: str, *, actor: User | None) -> RobotVersion:
    """Make the draft of that stamp the live robot, and return its version.

    Raises DraftRefused where it has changed or gone since, numbers.EditRefused (closed).
    """
    with transaction.atomic():
        locked = _locked(number)
        draft = _seen_draft(locked, stamp)
        _put_live(locked, draft.settings, _Deed(actor, draft.note))
        return _live(locked)


def discard_draft(number: ServiceNumber, stamp: str) -> None:
    """Throw away the draft of that stamp. Raises as publish_draft does."""
    with transaction.atomic():
        _seen_draft(_locked(number), stamp).delete()


def _seen_draft(number: ServiceNumber, stamp: str) -> RobotDraft:
    draft = RobotDraft.objects.filter(number=number).first()
    if draft is None:
        raise DraftRefused(_("Nothing was done: the draft is not there any more."))
    if draft.stamp != stamp:
        raise DraftRefused(_("Nothing was done: the draft was saved again meanwhile. Look at it."))
    return draft


def _forget_published_draft(robot: Robot) -> None:
    """A draft that says what is live has nothing to wait for."""
    draft = RobotDraft.objects.filter(number=robot.number).first()
    if draft and draft.settings == robot.settings:
        draft.delete()
