"""One Idempotency-Key, many times at the same moment, at two web processes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import requests

from tests.faults import fleet
from tests.faults.asking import settled
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, sized
from tests.platform import Client
from tests.upstream import Upstream

AT_ONCE = 50


def ask_at_once(client: Client, ports: list[int], key: str) -> list[dict[str, Any]]:
    """What each caller got who asked the same with the key, all of them at the same moment."""
    ready = Barrier(AT_ONCE)

    def ask(number: int) -> dict[str, Any]:
        ready.wait()
        return ask_with(client, ports[number % len(ports)], key, "Hello?")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, range(AT_ONCE)))


def ask_with(client: Client, port: int, key: str, text: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {client.token}", "Idempotency-Key": key}
    url = f"http://127.0.0.1:{port}/platform/api2/chat/send"
    body = {"openID": "alice", "message": text}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(url, json=body, headers=headers, timeout=60)
    told: dict[str, Any] = answer.json()
    return told | {"status": answer.status_code}


@pytest.mark.fault(14, "one Idempotency-Key 50 times at once")
def test_it_is_one_message_and_another_request_is_refused(
    stack: Stack, provider: Upstream, tell: Tell
):
    keys = [f"key-{number}" for number in range(sized(full=40, short=4))]
    client = stack.robot(provider, "instant")
    web = fleet.Web(stack.platform, "second-web")
    with fleet.running(web):
        answers = {key: ask_at_once(client, [stack.platform.port, web.port], key) for key in keys}
        others = [ask_with(client, web.port, key, "And you?") for key in keys]
    given = {key: {each["result"]["messageID"] for each in told} for key, told in answers.items()}
    ids = {message_id for each in given.values() for message_id in each}
    account = settled(client, provider, ids)
    refused = [(each["status"], each["code"]) for each in others].count((409, 40900))
    tell(account, keys=len(keys), posts=len(keys) * AT_ONCE, refused=refused)
    assert [len(each) for each in given.values()] == [1] * len(keys)
    assert stack.hands.do("result = number.messages.count()") == len(keys) == refused
    assert account.is_sound
    assert account.repeats == 0
