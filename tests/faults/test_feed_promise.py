"""The feed promise at full size: many settle, readers follow the cursor, nobody misses or repeats.

FEED_MESSAGES says how many; 5,000 is the figure that is promised.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.utils import timezone

from bots.models import Channel, Conversation, Message, Person
from portal.models import ServiceNumber
from tests.conftest import DdioClient
from tests.ddio_api.answers import apart, settle

MESSAGES = int(os.environ.get("FEED_MESSAGES", "500"))
WRITERS = 8
READERS = 3
PATIENCE_SECONDS = 300


@pytest.fixture
def questions(transactional_db: None, number: ServiceNumber) -> list[Message]:
    """Each in a conversation of its own, so that any writer may take any of them."""
    person = Person.objects.create(number=number, open_id="alice")
    given = {"number": number, "person": person, "channel": Channel.DDIO}
    talks = [Conversation(length=1, **given) for _ in range(MESSAGES)]
    Conversation.objects.bulk_create(talks)
    asked = [
        Message(question="?", position=1, due_at=timezone.now(), conversation=talk, **given)
        for talk in talks
    ]
    return Message.objects.bulk_create(asked)


def follow(client: DdioClient) -> Iterator[tuple[int, str]]:
    """(seq, messageID) from the start of the feed on, waiting on its pages, until all have come."""
    cursor, seen, end = "", 0, time.monotonic() + PATIENCE_SECONDS
    while seen < MESSAGES and time.monotonic() < end:
        query = {"cursor": cursor, "limit": 200, "wait": 5}
        page = client.get("chat/feedback", query).json()["result"]
        yield from ((item["seq"], item["messageID"]) for item in page["items"])
        cursor, seen = page["next_cursor"], seen + len(page["items"])


@pytest.mark.usefixtures("unlimited")
def test_readers_miss_nothing_and_see_nothing_twice(questions, client_of_alice):
    began = time.monotonic()
    with ThreadPoolExecutor(WRITERS) as writers, ThreadPoolExecutor(READERS) as readers:
        reading = [
            readers.submit(apart(lambda: list(follow(client_of_alice)))) for _ in range(READERS)
        ]
        list(writers.map(apart(settle), questions))
        seen = [reader.result() for reader in reading]
    print(
        f"{MESSAGES} settled by {WRITERS}, followed by {READERS}: {time.monotonic() - began:.1f} s"
    )
    assert [[seq for seq, _ in each] for each in seen] == [list(range(1, MESSAGES + 1))] * READERS
    assert {message_id for _, message_id in seen[0]} == {message.pk for message in questions}
    assert seen[1:] == seen[:1] * (READERS - 1)
