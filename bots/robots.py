"""The robot of a number: what it starts from, and every change of it on the record."""

from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.db import transaction

from bots import keys
from bots.models import ApiKey, Robot
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


def save(number: ServiceNumber, wanted: dict[str, Any], *, actor: User | None) -> Robot:
    """Write exactly the wanted fields, with old and new in the audit trail.

    A model that changed makes every verdict on the number's keys an old one: they are checked anew.
    Raises numbers.EditRefused where the number is closed.
    """
    with transaction.atomic():
        numbers.refuse_closed(ServiceNumber.objects.locked(number.pk))
        robot = Robot.objects.filter(number=number).first()
        is_new = robot is None
        robot = robot or Robot(number=number)
        before = {name: getattr(robot, name) for name in wanted}
        changes = {
            name: [before[name], value] for name, value in wanted.items() if before[name] != value
        }
        for name, value in wanted.items():
            setattr(robot, name, value)
        robot.save(force_insert=is_new, update_fields=None if is_new else list(wanted))
        if is_new or changes:
            audit.record("robot.edit", actor=actor, number=number, changes=changes)
        if "model" in changes:
            _check_keys(number)
    return robot


def _check_keys(number: ServiceNumber) -> None:
    for key in ApiKey.objects.bound().filter(number=number):
        keys.request_check(key)
