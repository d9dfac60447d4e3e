"""Workers that die: answers go on, each question is answered once, the feed stays whole."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.platform import Client, Platform, running_platform, wait_for
from tests.upstream import Upstream, running_upstream

pytestmark = pytest.mark.processes

QUESTIONS = 500
CLIENTS = 8
KILLS = 3


@pytest.fixture(scope="module")
def provider():
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def platform(tmp_path_factory, provider: Upstream):
    allowed = f"127.0.0.1:{provider.port}"
    directory = tmp_path_factory.mktemp("killed")
    with running_platform(directory, OUTBOUND_ALLOW=allowed, LOCAL_MODEL="0") as running:
        yield running


def robot(platform: Platform, provider: Upstream, model: str) -> Client:
    arguments = ["--base-url", provider.url, "--api-key", "sk-test-123456", "--model", model]
    return platform.client(platform.provision(*arguments, name=f"Robot {model}"))


def test_a_killed_worker_does_not_cut_the_stream(platform: Platform, provider: Upstream):
    client = robot(platform, provider, "slow")
    message_id = client.ask("Count to forty.")["messageID"]
    events = []
    for event in client.stream(message_id):
        events.append(event)
        if len(events) == 5:
            platform.kill_worker()
    kinds = [kind for kind, _id, _data in events]
    after_reset = events[len(kinds) - 1 - kinds[::-1].index("reset") :]
    text = "".join(data["text"] for kind, _id, data in after_reset if kind == "delta")
    assert kinds.count("done") == 1
    assert text == events[-1][2]["answer"] == " ".join(map(str, range(1, 41))) + " "


def ask_many(client: Client, numbers: range) -> list[str]:
    return [client.ask(f"q{number}", open_id=f"person-{number}")["messageID"] for number in numbers]


def test_five_hundred_questions_survive_three_kills(platform: Platform, provider: Upstream):
    client = robot(platform, provider, "brisk")
    provider.reset()
    with ThreadPoolExecutor(CLIENTS) as pool:
        shares = [range(start, QUESTIONS, CLIENTS) for start in range(CLIENTS)]
        asking = [pool.submit(ask_many, client, share) for share in shares]
        for kill in range(1, KILLS + 1):
            wait_for(lambda wanted=kill * 100: len(client.feed()) >= wanted, 90, "progress")
            platform.kill_worker()
        accepted = {message_id for share in asking for message_id in share.result()}
    wait_for(lambda: len(client.feed()) >= QUESTIONS, 90, "the last answer")
    feed = client.feed()
    counts = provider.calls()["counts"]
    print(f"{QUESTIONS} asked, {KILLS} kills: {len(feed)} settled, {sum(counts.values())} calls")
    assert {item["messageID"] for item in feed} == accepted
    assert [item["seq"] for item in feed] == list(range(1, QUESTIONS + 1))
    assert {item["status"] for item in feed} == {"done"}
    assert all(item["answer"] == f"You said: {item['question']}" for item in feed)
    assert sum(counts.values()) <= QUESTIONS + KILLS * 64
