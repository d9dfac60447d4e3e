"""The feed, followed through its pages while workers settle: every item once, in order."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.faults import fleet
from tests.faults.asking import ask_many
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, sized
from tests.platform import Client
from tests.upstream import Upstream

READERS = 3
PAGE_SECONDS = 5
PATIENCE_SECONDS = 300


def follow(client: Client, items: int) -> list[tuple[int, str, str]]:
    """(seq, messageID, status) from the beginning, each page waited for, until so many came."""
    return list(_followed(client, items))


def _followed(client: Client, items: int) -> Iterator[tuple[int, str, str]]:
    cursor, seen, end = "", 0, time.monotonic() + PATIENCE_SECONDS
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {client.token}"
        while seen < items and time.monotonic() < end:
            query = {"cursor": cursor, "limit": "200", "wait": str(PAGE_SECONDS)}
            answer = session.get(f"{client.base}/chat/feedback", params=query, timeout=30)
            page = answer.json()["result"]
            yield from ((each["seq"], each["messageID"], each["status"]) for each in page["items"])
            cursor, seen = page["next_cursor"], seen + len(page["items"])


@pytest.mark.fault(21, "feed read while workers settle")
def test_every_item_comes_once_and_in_order(stack: Stack, provider: Upstream, tell: Tell):
    messages, workers = sized(full=5000, short=200), sized(full=8, short=2)
    client = stack.robot(provider, "instant")
    others = [fleet.Worker(stack.platform, f"settling-{number}") for number in range(1, workers)]
    with fleet.running(*others), ThreadPoolExecutor(READERS) as pool:
        began = time.monotonic()
        reading = [pool.submit(follow, client, messages) for _ in range(READERS)]
        accepted = set(ask_many(client, messages, at_once=16))
        seen = [reader.result() for reader in reading]
    numbers = [[seq for seq, _id, _status in each] for each in seen]
    missed = sum(len(accepted - {message_id for _, message_id, _ in each}) for each in seen)
    out_of_order = sum(each != list(range(1, messages + 1)) for each in numbers)
    took = time.monotonic() - began
    tell(messages=messages, workers=workers, readers=READERS, missed=missed, took_s=took)
    assert (missed, out_of_order) == (0, 0)
    assert {status for _, _, status in seen[0]} == {"done"}
    assert seen[1:] == seen[:1] * (READERS - 1)
