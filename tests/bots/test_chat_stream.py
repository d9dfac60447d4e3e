"""The page's stream of an answer, and the words for what a pending one waits for."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone

from bots import access, chat_stream, claims, following, open_streams, pending
from bots.following import Place
from bots.models import Message, Status
from portal.hold import HeldStream, in_thread
from tests import factories
from tests.bots import talking
from tests.ddio_api.answers import fail, settle
from tests.journals import write

pytestmark = pytest.mark.django_db(transaction=True)

Seen = list[tuple[str, dict]]


@pytest.fixture
def message(number, charlie) -> Message:
    return talking.asked_by(charlie, number)


@pytest.fixture
def door(client, number, charlie) -> access.Door:
    client.force_login(charlie)
    request = RequestFactory().get("/")
    request.user, request.session = charlie, client.session
    request.META["fuwuhao.request_id"] = "req_of_the_test"
    return access.enter(request, number.handle)


def parsed(chunk: bytes) -> tuple[str, dict]:
    fields = dict(line.split(": ", 1) for line in chunk.decode().strip().split("\n"))
    return fields.get("event", ""), json.loads(fields.get("data", "null"))


async def collect(door, message_id: str, place: str = "", seen: Seen | None = None) -> Seen:
    seen = [] if seen is None else seen
    stream = chat_stream.chunks(door, message_id, Place.parse(place))
    async with asyncio.timeout(10):
        async for chunk in stream:
            seen += [parsed(chunk)] if chunk.startswith(b"event:") else []
    return seen


def read(door, message: Message, place: str = "") -> Seen:
    return asyncio.run(collect(door, message.pk, place))


def read_while(door, message: Message, script, seen: Seen | None = None) -> Seen:
    """What a reader gets who has heard of the state before the script begins."""
    seen = [] if seen is None else seen

    async def both() -> Seen:
        reader = asyncio.create_task(collect(door, message.pk, seen=seen))
        await until(lambda: seen)
        await script()
        return await reader

    return asyncio.run(both())


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def names(seen: Seen) -> list[str]:
    return [name for name, _data in seen]


def text_of(seen: Seen) -> str:
    text = ""
    for name, data in seen:
        text = "" if name == "reset" else text + data.get("text", "")
    return text


def test_it_tells_what_is_waited_for_then_the_text_then_the_answer(door, message):
    async def answered() -> None:
        await write(message, ["**Once**", " upon"])
        await in_thread(settle, message, "**Once** upon")

    seen = read_while(door, message, answered)
    assert seen[0] == (
        "state",
        {"state": "queued", "words": "In line. The answer begins by itself."},
    )
    assert text_of(seen) == "**Once** upon"
    assert seen[-1][0] == "done"
    assert "<p><strong>Once</strong> upon</p>" in seen[-1][1]["html"]


def test_a_state_is_told_once(door, message, monkeypatch):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.02)

    async def later() -> None:
        await asyncio.sleep(0.2)
        await in_thread(settle, message, "Hi.")

    told = [data["state"] for name, data in read_while(door, message, later) if name == "state"]
    assert told.count("queued") == 1


def test_an_attempt_that_begins_is_told_at_once(door, message):
    seen: Seen = []

    async def claimed() -> None:
        await in_thread(claims.claim, message.pk, "tests")
        await write(message, [])
        await until(lambda: len(seen) > 1)
        await in_thread(Message.objects.update, status=Status.QUEUED, lease_until=None)
        await in_thread(settle, message, "Hi.")

    read_while(door, message, claimed, seen)
    assert [data["state"] for name, data in seen if name == "state"][:2] == ["queued", "thinking"]


def test_a_quiet_stream_says_so_in_a_way_that_a_script_can_hear(door, message, monkeypatch):
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.05)

    async def later() -> None:
        await asyncio.sleep(0.4)
        await in_thread(settle, message, "Hi.")

    assert names(read_while(door, message, later)).count("quiet") >= 2


def test_the_end_can_be_rated_and_is_labelled(door, message):
    html = read(door, settle(message, "Hi."))[-1][1]["html"]
    assert "AI-generated · AI 生成" in html
    assert "csrfmiddlewaretoken" in html
    assert 'aria-label="Like"' in html


def test_a_failure_is_told_with_its_words(door, message):
    seen = read(door, fail(message, 71008))
    assert names(seen) == ["done"]
    assert "Try again" in seen[0][1]["html"]


@pytest.mark.parametrize("place", ["1-0", "1-3", "1-8"])
def test_it_goes_on_at_the_readers_place(door, message, place):
    asyncio.run(write(message, ["Once upon"]))
    seen = read(door, settle(message, "Once upon"), place)
    assert text_of(seen) == "Once upon"[int(place[2:]) :]


def test_another_attempt_begins_with_reset(door, message):
    async def interrupted() -> None:
        await write(message, ["Wrong st"])
        await in_thread(Message.objects.update, attempt=1)
        await write(message, ["Right."], attempt=2)
        await in_thread(settle, message, "Right.")

    seen = read_while(door, message, interrupted)
    assert "reset" in names(seen)
    assert text_of(seen) == "Right."


def test_what_a_model_says_is_harmless_in_the_end(door, message):
    html = read(door, settle(message, "<img src=x onerror=alert(1)>"))[-1][1]["html"]
    assert "<img src=x" not in html


@pytest.mark.parametrize("end", ["log out", "suspend", "disable"])
def test_a_reader_who_is_not_let_in_any_more_is_told(door, message, client, monkeypatch, end):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    ends = {
        "log out": client.logout,
        "suspend": lambda: factories.suspended(door.number),
        "disable": lambda: type(door.user).objects.filter(pk=door.user.pk).update(is_active=False),
    }
    seen = read_while(door, message, lambda: in_thread(ends[end]))
    assert seen[-1][0] == "gone"
    assert "Reload the page" in seen[-1][1]["words"]


def test_a_message_that_is_gone_ends_the_stream(door, message):
    Message.objects.all().delete()
    assert read(door, message) == []


# The view ----------------------------------------------------------------------------------------


@pytest.fixture
def reader(client, charlie):
    client.force_login(charlie)
    return client


def test_the_view_holds_a_stream_that_nothing_buffers(reader, message):
    answer = reader.get(talking.of("chat-stream", message))
    assert isinstance(answer, HeldStream)
    assert answer["Content-Type"] == "text/event-stream"
    assert (answer["X-Accel-Buffering"], "no-store" in answer["Cache-Control"]) == ("no", True)


async def everything(answer: HeldStream) -> bytes:
    return b"".join([chunk async for chunk in answer.chunks()])


@pytest.mark.parametrize("way", ["header", "query"])
def test_the_view_takes_the_place_from_header_and_query(reader, message, way):
    asyncio.run(write(message, ["Once upon"]))
    settle(message, "Once upon")
    address = talking.of("chat-stream", message)
    ways = {
        "header": lambda: reader.get(address, headers={"Last-Event-ID": "1-5"}),
        "query": lambda: reader.get(address + "?from=1-5"),
    }
    sent = asyncio.run(everything(ways[way]()))
    assert b'data: {"text": "upon"}' in sent


@contextmanager
def open_and_started(answers: list[HeldStream]) -> Iterator[None]:
    with asyncio.Runner() as loop:
        streams = [answer.chunks() for answer in answers]
        [loop.run(anext(stream)) for stream in streams]
        yield
        [loop.run(stream.aclose()) for stream in streams]


def test_one_person_follows_so_many_answers_at_once_and_no_more(reader, message, monkeypatch):
    monkeypatch.setattr(open_streams, "FOR_ONE_PERSON", 2)
    held = [reader.get(talking.of("chat-stream", message)) for _stream in range(2)]
    with open_and_started(held):
        refused = reader.get(talking.of("chat-stream", message))
    again = reader.get(talking.of("chat-stream", message))
    assert (refused.status_code, refused["Retry-After"], again.status_code) == (429, "5", 200)


def test_who_has_had_the_end_gets_204(reader, message):
    address = talking.of("chat-stream", message)
    assert reader.get(address, headers={"Last-Event-ID": "1-5-end"}).status_code == 204


# What it waits for -------------------------------------------------------------------------------


def state_of(message: Message, ahead: int = 0, **fields) -> str:
    Message.objects.filter(pk=message.pk).update(**fields)
    message.refresh_from_db()
    told = pending.waiting(message, ahead)
    assert told.words
    return told.kind


def test_a_question_in_line_says_what_it_waits_for(message):
    soon = timezone.now() + timedelta(seconds=30)
    assert state_of(message) == "queued"
    assert state_of(message, ahead=2) == "behind"
    assert state_of(message, attempt=1, next_attempt_at=soon) == "retry"
    assert state_of(message, attempt=1, next_attempt_at=None) == "retry"


def test_a_running_answer_says_how_it_stands(message):
    now = timezone.now()
    running = {"status": Status.RUNNING, "attempt": 1}
    assert state_of(message, lease_until=now + timedelta(seconds=9), **running) == "thinking"
    assert state_of(message, lease_until=now - timedelta(seconds=9)) == "lost"
    assert state_of(message, attempt=2, lease_until=now + timedelta(seconds=9)) == "again"


def test_it_counts_the_questions_ahead_in_its_own_conversation(number, charlie):
    talking.asked_by(charlie, number)
    second = talking.asked_by(charlie, number)
    elsewhere = talking.asked_by(charlie, number, new_conversation=True)
    assert (pending.ahead_of(second), pending.ahead_of(elsewhere)) == (1, 0)
