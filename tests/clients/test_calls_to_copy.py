"""Every program of the page of calls to copy, as it stands there, against the running platform."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from ddio_api.snippets import DIRECTORY
from tests.clients.copied import Desk, Run, programs
from tests.clients.robots import Robot, refusal
from tests.platform import Client, Platform, parse_events, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.alike]

TOKENS = ["take_token.sh", "take_token.py", "take_token.mjs"]
ASKS = ["ask.sh", "ask.py", "ask.mjs", "authlib_session.py"]
STREAMS = ["stream.sh", "stream.py", "stream.mjs"]
FEEDS = ["feed.sh", "feed.py", "feed.mjs"]
OPENAI = ["openai_door.sh", "openai_door.py", "openai_door.mjs"]
OPENAI_STREAMS = ["openai_stream.sh", "openai_stream.py", "openai_stream.mjs"]
RATINGS = ["rate.sh", "rate.py", "rate.mjs"]
REVOCATIONS = ["revoke.sh", "revoke.py", "revoke.mjs", "authlib_revoke.py"]
TESTED = [*TOKENS, *ASKS, *STREAMS, *FEEDS, *OPENAI, *OPENAI_STREAMS, *RATINGS, *REVOCATIONS]

ANSWER = "You said: What is a service number?"
STORY = "You said: Tell me a short story."
COUNTED = " ".join(map(str, range(1, 41)))  # what the fake provider's slow model says

NewDesk = Callable[[Robot], Desk]


@pytest.fixture
def desk_of(tmp_path: Path, request: pytest.FixtureRequest) -> NewDesk:
    """A desk for each robot; npm's packages are asked for by those programs that need them."""

    def desk(robot: Robot) -> Desk:
        return Desk(tmp_path / robot.app_id, robot, lambda: request.getfixturevalue("packages"))

    return desk


@pytest.fixture
def desk(desk_of: NewDesk, robot: Robot) -> Desk:
    return desk_of(robot)


@pytest.fixture
def client(robot: Robot) -> Client:
    return robot.platform.client({"appId": robot.app_id, "appSecret": robot.app_secret})


def holding(token: str) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return session


def test_every_program_is_run_here(robot: Robot):
    files = sorted(file.name for file in DIRECTORY.iterdir())
    assert sorted(TESTED) == files == sorted(programs(robot))


@pytest.mark.parametrize("name", TOKENS)
def test_it_takes_a_token(desk: Desk, robot: Robot, name: str):
    assert refusal(holding(desk.run(name).strip()), robot) == (200, 0)


@pytest.mark.parametrize("name", ASKS)
def test_it_asks_and_waits(desk: Desk, name: str):
    assert ANSWER in desk.run(name)


def text_of(name: str, printed: str) -> str:
    """What the answer's reader saw; the shell's programs show the events themselves."""
    if not name.endswith(".sh"):
        return printed.strip()
    events = parse_events(iter(printed.split("\n")))
    return "".join(data["text"] for kind, _id, data in events if kind == "delta").strip()


@pytest.mark.parametrize("name", STREAMS)
def test_it_shows_an_answer_while_it_is_written(desk: Desk, name: str):
    assert text_of(name, desk.run(name)) == STORY


def kill_web(platform: Platform) -> None:
    """All of it: the master, and the worker that it would leave behind."""
    master = platform.part("granian", "portal.asgi:application")
    for process in [*master.children(), master]:
        process.kill()


def reads(run: Run) -> bool:
    return "7 " in run.printed()


def test_a_torn_stream_goes_on_where_it_was(
    desk_of: NewDesk, robot_of: Callable[..., Robot], platform: Platform
):
    """In each language at once, each with a robot of its own."""
    desks = {name: desk_of(robot_of("slow", name)) for name in STREAMS}
    runs = {name: desk.start(name) for name, desk in desks.items()}
    for run in runs.values():
        wait_for(lambda run=run: reads(run), 30, "the beginning of the answer")
    kill_web(platform)
    printed = {name: run.end() for name, run in runs.items()}
    texts = {name: text_of(name, words) for name, words in printed.items()}
    assert texts == dict.fromkeys(STREAMS, COUNTED)
    assert printed["stream.sh"].count("retry: ") > 1  # how each connection begins


def seqs(name: str, printed: str) -> list[int]:
    """The places of the entries in the order in which they were printed."""
    if not name.endswith(".sh"):
        return [int(seq) for seq in re.findall(r"^(\d+) (?:answer|rating) ", printed, re.MULTILINE)]
    pages = [json.loads(line) for line in printed.splitlines()]
    return [item["seq"] for page in pages for item in page["result"]["items"]]


def has_kept(desk: Desk, run: Run, name: str, seq: int) -> bool:
    """It has printed the entry, and written down that it has."""
    kept = desk.read("cursor.txt").strip()
    return seq in seqs(name, run.printed()) and kept == str(seq)


@pytest.mark.parametrize("name", FEEDS)
def test_it_follows_the_feed_and_goes_on_where_it_stopped(desk: Desk, client: Client, name: str):
    followed = []
    for _time in range(2):
        run = desk.start(name)
        for _question in range(2):
            wanted = client.ask("Settle this", wait=20)["seq"]
            wait_for(lambda run=run, seq=wanted: has_kept(desk, run, name, seq), 20)
        followed += seqs(name, run.stop())
    assert followed == [item["seq"] for item in client.feed()]


@pytest.mark.parametrize("name", OPENAI)
def test_it_asks_at_the_openai_door(desk: Desk, name: str):
    assert ANSWER in desk.run(name)


def text_of_chunks(name: str, printed: str) -> str:
    if not name.endswith(".sh"):
        return printed.strip()
    lines = [line.removeprefix("data: ") for line in printed.splitlines() if "{" in line]
    choices = [choice for line in lines for choice in json.loads(line)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.mark.parametrize("name", OPENAI_STREAMS)
def test_it_streams_at_the_openai_door(desk: Desk, name: str):
    assert text_of_chunks(name, desk.run(name)) == STORY


@pytest.mark.parametrize("name", RATINGS)
def test_it_rates_an_answer(desk: Desk, client: Client, name: str):
    message_id = client.ask("Rate this", wait=20)["messageID"]
    assert "like" in desk.run(name, MESSAGE_ID=message_id)
    assert client.item(message_id)["rating"] == "like"


@pytest.mark.parametrize("name", REVOCATIONS)
def test_it_revokes_the_token(desk: Desk, robot: Robot, name: str):
    desk.run(name)
    assert refusal(holding(desk.token), robot) == (401, 40001)
    assert refusal(holding(robot.token()), robot) == (200, 0)
