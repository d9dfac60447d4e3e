"""POST /v1/chat/completions with `stream`: chunks, comments, and errors at the right time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bots import claims, following, settlement
from bots.models import Message, Status
from ddio_api.openai_door import streams
from portal import credentials
from portal.ending import stopping
from portal.hold import HeldStream, in_thread
from tests.ddio_api import conformance
from tests.ddio_api.answers import fail, once_asked, settle
from tests.ddio_api.openai_client import OpenAiClient, Streamed, told
from tests.ddio_api.test_openai_completions import settled_soon
from tests.journals import write

pytestmark = pytest.mark.django_db(transaction=True)

PIECES = ["Once ", "upon a time，", "有一个 🙂", "\r\n\ndata: x\u2028", "the end."]
WHOLE = "".join(PIECES)
Script = Callable[[Message], Awaitable[None]]


def streamed_while(client: OpenAiClient, script: Script, **asked) -> Streamed:
    """What a client gets who is there before the script begins."""
    held = client.hold(stream=True, **asked)
    message = Message.objects.get()

    async def both() -> Streamed:
        reading = asyncio.create_task(told(held))
        await asyncio.sleep(0.1)
        await script(message)
        return await reading

    seen = asyncio.run(both())
    conformance.checked(held)
    return seen


async def tell(message: Message) -> None:
    await write(message, PIECES)
    await in_thread(settle, message, WHOLE)


def deltas(seen: Streamed) -> list[dict]:
    return [chunk["choices"][0]["delta"] for chunk in seen.chunks if chunk["choices"]]


def test_it_tells_the_answer_in_chunks(openai_of_alice):
    seen = streamed_while(openai_of_alice, tell)
    assert (seen.text, seen.is_done) == (WHOLE, True)
    assert len(seen.chunks) > 4
    assert deltas(seen)[0] == {"role": "assistant", "content": "", "refusal": None}
    assert deltas(seen)[-1] == {}


def test_every_chunk_is_of_the_same_answer(openai_of_alice):
    seen = streamed_while(openai_of_alice, tell)
    message = Message.objects.get()
    heads = [{**chunk, "choices": None} for chunk in seen.chunks]
    assert heads == [heads[0]] * len(heads)
    assert heads[0] == {
        "id": message.pk,
        "object": "chat.completion.chunk",
        "created": int(message.asked_at.timestamp()),
        "model": "echo",
        "choices": None,
    }


def test_only_the_last_choice_says_how_it_ended(openai_of_alice):
    with settled_soon(finish_reason="length"):
        seen = openai_of_alice.stream()
    ends = [chunk["choices"][0]["finish_reason"] for chunk in seen.chunks]
    assert ends == [None] * (len(ends) - 1) + ["length"]


def test_usage_comes_last_where_it_was_asked_for(openai_of_alice):
    with settled_soon():
        seen = openai_of_alice.stream(stream_options={"include_usage": True})
    counted = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    assert (seen.chunks[-1]["choices"], seen.chunks[-1]["usage"]) == ([], counted)
    assert {chunk["usage"] for chunk in seen.chunks[:-1]} == {None}


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
def test_usage_does_not_come_unasked(openai_of_alice, options):
    with settled_soon():
        seen = openai_of_alice.stream(stream_options=options)
    assert not [chunk for chunk in seen.chunks if "usage" in chunk]


def test_usage_that_nobody_told_does_not_come(openai_of_alice):
    with settled_soon(prompt_tokens=None):
        seen = openai_of_alice.stream(stream_options={"include_usage": True})
    assert seen.is_done
    assert {chunk["usage"] for chunk in seen.chunks} == {None}


def test_an_empty_answer_is_an_answer(openai_of_alice):
    with settled_soon(""):
        seen = openai_of_alice.stream()
    assert (deltas(seen)[0]["role"], seen.text, seen.is_done) == ("assistant", "", True)


def test_it_is_neither_cached_nor_buffered(openai_of_alice):
    held = openai_of_alice.hold(stream=True)
    assert isinstance(held, HeldStream)
    assert held.headers["Content-Type"] == "text/event-stream"
    assert (held.headers["Cache-Control"], held.headers["X-Accel-Buffering"]) == ("no-store", "no")


def test_it_tells_everything_without_valkey(openai_of_alice, without_valkey, monkeypatch):
    monkeypatch.setattr(following, "LOOK_SECONDS_WITHOUT_JOURNAL", 0.05)
    with settled_soon():
        assert openai_of_alice.stream().text == "Hi."


# Before the first words -------------------------------------------------------------------------


def test_a_failure_before_the_first_words_has_its_own_status(openai_of_alice):
    with once_asked(lambda message: fail(message, 71007)):
        seen = openai_of_alice.stream()
    assert (seen.response.status_code, seen.chunks) == (504, [])
    assert seen.response.json()["error"]["type"] == "server_error"
    assert seen.response.headers["x-should-retry"] == "false"


def test_a_failure_in_waiting_has_no_stream_around_it(openai_of_alice):
    with once_asked(lambda message: fail(message, 71005)):
        answer = openai_of_alice.stream().response
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "X-Accel-Buffering" not in answer.headers
    assert answer.headers["X-Request-ID"]


def test_a_quiet_stream_begins_with_a_comment(openai_of_alice, monkeypatch):
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.05)
    with settled_soon(seconds=0.4):
        seen = openai_of_alice.stream()
    assert seen.comments > 1
    assert (seen.text, seen.is_done) == ("Hi.", True)


def test_a_failure_after_a_comment_is_an_event(openai_of_alice, monkeypatch):
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.05)
    with once_asked(lambda message: fail(message, 71001), 0.4):
        seen = openai_of_alice.stream()
    assert seen.response.status_code == 200
    assert (seen.error["type"], seen.error["code"]) == ("server_error", "robot_unavailable")
    assert not seen.is_done


def test_a_second_attempt_before_the_first_words_is_no_matter(openai_of_alice):
    async def again(message: Message) -> None:
        await write(message, [], attempt=1)
        await in_thread(Message.objects.update, attempt=1)
        await write(message, ["Hi."], attempt=2)
        await in_thread(settle, message, "Hi.")

    seen = streamed_while(openai_of_alice, again)
    assert (seen.text, seen.is_done) == ("Hi.", True)


def test_it_does_not_wait_for_ever(openai_of_alice, settings, monkeypatch):
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.05)
    settings.OPENAI_MAX_WAIT = 0.2
    seen = openai_of_alice.stream()
    assert seen.error["type"] == "server_error"
    assert Message.objects.get().status == Status.CANCELLED


# After the first words --------------------------------------------------------------------------


async def half(message: Message) -> None:
    await write(await in_thread(claims.claim, message.pk, "tests"), ["You sa"])


@pytest.mark.parametrize(("key", "status"), [("", Status.CANCELLED), ("k1", Status.RUNNING)])
def test_an_answer_that_begins_anew_ends_with_an_error(openai_of_alice, key, status):
    async def again(message: Message) -> None:
        await half(message)
        await write(message, ["You said"], attempt=2)

    seen = streamed_while(openai_of_alice, again, key=key)
    assert (seen.chunks[1]["choices"][0]["delta"]["content"], seen.is_done) == ("You sa", False)
    assert (seen.error["type"], seen.error["code"]) == ("server_error", None)
    assert Message.objects.get().status == status


def test_a_failure_after_the_first_words_is_named(openai_of_alice):
    async def failing(message: Message) -> None:
        await write(message, ["You sa"])
        await in_thread(fail, message, 71011)

    seen = streamed_while(openai_of_alice, failing)
    assert seen.error["code"] == "insufficient_quota"
    assert Message.objects.get().status == Status.FAILED


def test_another_answer_than_the_one_begun_is_an_error(openai_of_alice):
    async def other(message: Message) -> None:
        await write(message, ["Something else"])
        await in_thread(settle, message, "Hi.")

    seen = streamed_while(openai_of_alice, other)
    assert (seen.error["type"], seen.is_done) == ("server_error", False)


def test_an_answer_that_is_stopped_ends_as_far_as_it_came(openai_of_alice):
    async def stopped(message: Message) -> None:
        await half(message)
        fresh = await in_thread(Message.objects.get, pk=message.pk)
        await in_thread(settlement.cancel, fresh)

    seen = streamed_while(openai_of_alice, stopped)
    assert (seen.text, seen.is_done) == ("You sa", True)
    assert seen.chunks[-1]["choices"][0]["finish_reason"] == "length"


def test_a_token_that_dies_meanwhile_ends_it_with_an_error(openai_of_alice, number, monkeypatch):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    secret = number.secrets.get()

    async def revoked(message: Message) -> None:
        await write(message, ["You sa"])
        await in_thread(credentials.revoke, secret, actor=None)

    seen = streamed_while(openai_of_alice, revoked)
    assert seen.error["code"] == "invalid_api_key"
    assert Message.objects.get().status == Status.CANCELLED


@pytest.mark.parametrize(("key", "status"), [("", Status.CANCELLED), ("k1", Status.RUNNING)])
def test_a_stopping_process_ends_it_with_an_error(openai_of_alice, key, status):
    async def stop(message: Message) -> None:
        await half(message)
        await asyncio.sleep(0.1)
        stopping().set()

    seen = streamed_while(openai_of_alice, stop, key=key)
    assert (seen.error["code"], seen.is_done) == ("robot_unavailable", False)
    assert Message.objects.get().status == status


def test_a_stopping_process_sends_away_who_has_nothing_yet(openai_of_alice):
    async def stop(_message: Message) -> None:
        stopping().set()

    answer = streamed_while(openai_of_alice, stop).response
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_a_message_that_is_gone_ends_it_with_an_error(openai_of_alice, monkeypatch):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)

    async def vanish(_message: Message) -> None:
        await in_thread(Message.objects.all().delete)

    assert streamed_while(openai_of_alice, vanish).response.status_code == 503


# Who goes away ----------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize(("key", "stays"), [("", False), ("k1", True)])
def test_a_client_that_goes_away_cancels_what_it_cannot_ask_for_again(
    openai_of_alice, begun, key, stays
):
    held = openai_of_alice.hold(stream=True, key=key)
    message = Message.objects.get()

    async def leave() -> None:
        reading = asyncio.create_task(told(held))
        await asyncio.sleep(0.1)
        if begun:
            await half(message)
        reading.cancel()
        await asyncio.wait([reading])

    asyncio.run(leave())
    assert (Message.objects.get().status != Status.CANCELLED) == stays


def test_whoever_stops_reading_has_gone_away(openai_of_alice):
    held = openai_of_alice.hold(stream=True)

    async def stop_reading() -> None:
        pieces = held.pieces()
        reading = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0.05)
        await half(await in_thread(Message.objects.get))
        await reading
        await pieces.aclose()

    asyncio.run(stop_reading())
    message = Message.objects.get()
    assert (message.status, message.answer) == (Status.CANCELLED, "You sa")


def test_the_comment_comes_every_fifteen_seconds():
    assert 13 < following.HEARTBEAT_SECONDS < 15
    assert streams.sse.HEARTBEAT.startswith(b":")
