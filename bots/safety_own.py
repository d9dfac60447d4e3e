"""The word lists that numbers have of their own, and those of them that are ready in this process.

A number whose list has not changed costs nothing, one without a list not even a look.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone

from bots import robots, safety_lists
from bots.models import BlockedWords, Robot
from bots.safety_words import Words
from portal import audit
from portal.models import ServiceNumber, User

BEGINNINGS_IN_MEMORY = 1_000_000  # about 100 bytes each


class _Ready:
    """The lists that were used last, ready to be searched for, by number and version."""

    def __init__(self) -> None:
        self._lists: OrderedDict[tuple[int, int], Words] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, place: tuple[int, int]) -> Words | None:
        with self._lock:
            if place in self._lists:
                self._lists.move_to_end(place)
            return self._lists.get(place)

    def keep(self, place: tuple[int, int], words: Words) -> None:
        with self._lock:
            if place not in self._lists:
                self._lists[place] = words
                self._size += len(words.beginnings)
            while self._size > BEGINNINGS_IN_MEMORY and len(self._lists) > 1:
                _place, oldest = self._lists.popitem(last=False)
                self._size -= len(oldest.beginnings)


_ready = _Ready()


def of_numbers(robots: Iterable[Robot]) -> dict[int, Words]:
    """The lists of those of these robots' numbers that have one; one query where any is new."""
    found: dict[int, Words] = {}
    missing: list[int] = []
    for robot in robots:
        if not robot.words_version:
            continue
        words = _ready.get((robot.pk, robot.words_version))
        if words is None:
            missing.append(robot.pk)
        else:
            found[robot.pk] = words
    if missing:
        for row in BlockedWords.objects.filter(pk__in=missing):
            found[row.pk] = Words(safety_lists.lines(row.words))
            _ready.keep((row.pk, row.version), found[row.pk])
    return found


def text_of(number: ServiceNumber) -> str:
    """The number's list as it was typed."""
    return BlockedWords.objects.filter(pk=number.pk).values_list("words", flat=True).first() or ""


def save(number: ServiceNumber, wanted: dict[str, Any], *, actor: User | None) -> None:
    """Make `words` the number's list, and have the provider moderate or not (`moderated`).

    How many words it had and has is on the record. Raises numbers.EditRefused where the number is
    closed.
    """
    with transaction.atomic():
        robots.save(number, {"moderated": wanted["moderated"]}, actor=actor)
        row, _new = BlockedWords.objects.get_or_create(number=number)
        text = wanted["words"]
        if row.words == text:
            return
        counts = [len(safety_lists.lines(words)) for words in (row.words, text)]
        row.words, row.version, row.changed_at = text, row.version + 1, timezone.now()
        row.save()
        version = row.version if counts[1] else 0
        Robot.objects.filter(number=number).update(words_version=version)
        audit.record("words.edit", actor=actor, number=number, words=counts)
