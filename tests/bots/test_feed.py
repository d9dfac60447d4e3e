"""The feed promise (rule 7) under load: a reader who is there while others write."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bots import feed, ratings
from tests import factories
from tests.ddio_api.answers import MOMENT_SECONDS, apart, settle, settled

READERS = 2
WRITERS = 6
EACH = 12  # ratings, and as many settlements
PATIENCE_SECONDS = 30


@pytest.fixture
def late_commits(monkeypatch):
    """Between an entry's number and its commit there is time for the others to overtake it."""
    numbered = feed.next_seq

    def slowly(number_id: int, count: int = 1) -> int:
        seq = numbered(number_id, count)
        time.sleep(random.uniform(0, 0.02))
        return seq

    monkeypatch.setattr(feed, "next_seq", slowly)


def follow(number_id: int, last: int) -> list[int]:
    """What a reader sees who goes on from where the page before ended, up to the entry `last`."""
    seen: list[int] = []
    cursor, end = 0, time.monotonic() + PATIENCE_SECONDS
    while cursor < last and time.monotonic() < end:
        page = feed.read(feed.Query(number_id, cursor, limit=5))
        seen += [entry.seq for entry in page.entries]
        cursor = page.next_cursor
        time.sleep(MOMENT_SECONDS)
    return seen


@pytest.mark.django_db(transaction=True)
def test_nobody_misses_or_repeats_an_entry_while_others_write(number, late_commits):
    rated = [settled(number, open_id=f"p{index}") for index in range(EACH)]
    pending = [factories.message(number, open_id=f"q{index}") for index in range(EACH)]
    last = 3 * EACH
    with ThreadPoolExecutor(READERS + WRITERS) as pool:
        readers = [pool.submit(apart(follow), number.pk, last) for _ in range(READERS)]
        writers = [
            pool.submit(apart(deed), *given)
            for pair in zip(rated, pending, strict=True)
            for deed, given in [(ratings.rate, (pair[0], "like")), (settle, (pair[1],))]
        ]
        assert [writer.result() is not None for writer in writers] == [True] * 2 * EACH
        seen = [reader.result() for reader in readers]
    assert seen == [list(range(1, last + 1))] * READERS
