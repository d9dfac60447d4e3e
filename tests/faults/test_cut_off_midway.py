"""A number suspended, or its secret reset, while its robot is answering."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.asking import ask_many
from tests.faults.figures import Tell
from tests.faults.readers import Reader
from tests.faults.stacks import Stack, sized
from tests.platform import Client, wait_for
from tests.upstream import Upstream

CLOSED_WITHIN, CUT_OFF_WITHIN = 2.0, 6.0  # an idle reader looks every five seconds
FACTS = "result = list(number.messages.values_list('status', 'error_code', 'answer'))"
WITHHELD = ["cancelled", 50002, ""]


@contextmanager
def chatting(client: Client, chats: int) -> Iterator[list[Reader]]:
    """Answers that are under way, each read by somebody who never leaves; all are told the end."""
    asked = ask_many(client, chats)
    readers = [Reader(client, message_id) for message_id in asked]
    with ThreadPoolExecutor(chats) as pool:
        running = [pool.submit(reader.follow) for reader in readers]
        wait_for(lambda: all(reader.text for reader in readers), what="some text")
        yield readers
        [each.result() for each in running]


def next_answer(client: Client) -> tuple[int, int]:
    """Status and code of a call that begins now."""
    answer = client.session.get(f"{client.base}/chat/feedback?limit=1", timeout=20)
    return answer.status_code, answer.json()["code"]


def seconds_until(true: Any, since: float, what: str) -> float:
    wait_for(true, what=what)
    return time.monotonic() - since


def ends(readers: list[Reader]) -> list[Any]:
    return [error["code"] for reader in readers for error in reader.errors]


@pytest.mark.fault(15, "suspended during a chat")
def test_a_suspended_number_says_nothing_more(stack: Stack, provider: Upstream, tell: Tell):
    chats = sized(full=50, short=4)
    client = stack.robot(provider, "stall")  # what is under way does not end by itself
    aborted = provider.calls()["aborted"]
    with chatting(client, chats) as readers:
        stack.hands.do("factories.suspended(number)")
        done = time.monotonic()
        refused = next_answer(client)
        closed = seconds_until(
            lambda: provider.calls()["aborted"] >= aborted + chats, done, "the calls' end"
        )
    cut_off = time.monotonic() - done
    facts = stack.hands.do(FACTS)
    tell(
        chats=chats, withheld=facts.count(WITHHELD), upstream_closed_s=closed, readers_end_s=cut_off
    )
    assert refused == (403, 50002)
    assert facts == [WITHHELD] * chats
    assert ends(readers) == [50002] * chats
    assert closed <= CLOSED_WITHIN
    assert cut_off <= CUT_OFF_WITHIN


@pytest.mark.fault(15, "secret reset during a chat")
def test_who_had_the_old_secret_sees_nothing_more(stack: Stack, provider: Upstream, tell: Tell):
    """What was asked is answered all the same: it is the number's, which has a new secret now."""
    chats = sized(full=50, short=4)
    client = stack.robot(provider, "slow")
    with chatting(client, chats) as readers:
        secret = stack.hands.do("result = credentials.reset(number, actor=None).clear")
        done = time.monotonic()
        refused = next_answer(client)
    cut_off = time.monotonic() - done
    renewed = Client(stack.platform.url, client.credentials["appID"], secret)
    wait_for(lambda: len(renewed.feed()) == chats, what="the answers")
    tell(chats=chats, answered=len(renewed.feed()), readers_end_s=cut_off)
    assert refused == (401, 40001)
    assert ends(readers) == [40001] * chats
    assert {item["status"] for item in renewed.feed()} == {"done"}
    assert cut_off <= CUT_OFF_WITHIN
