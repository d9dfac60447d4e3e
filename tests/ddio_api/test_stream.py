"""chat/feedback/{messageID}/stream: the answer while it is written, as Server-Sent Events."""

import asyncio
import json

import pytest
from django.db import OperationalError

from bots import claims, following, journal, settlement
from bots.models import Message, Status
from ddio_api import streams
from portal import credentials, valkey
from portal.ending import stopping
from portal.hold import HeldStream, in_thread
from tests import factories
from tests.ddio_api.answers import (
    Sse,
    app_of,
    collect,
    fail,
    names,
    read,
    read_along,
    read_while,
    settle,
    settled,
    text_of,
    until_seen,
)
from tests.journals import until_written, write

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = ["Once ", "upon a time，", "有一个 🙂", "\r\n\ndata: x\u2028", "the end."]
WHOLE = "".join(TEXT)


def written(number, pieces=TEXT) -> Message:
    """A settled message whose journal is still there: Valkey was not told of the end."""
    message = settled(number, answer="".join(pieces))
    asyncio.run(write(message, pieces))
    return message


async def forget_the_journal(message: Message) -> None:
    await valkey.ask_async(lambda client: client.delete(journal._key(message.pk)))


@pytest.fixture
def message(number) -> Message:
    return factories.message(number)


@pytest.fixture
def story(message):
    """The message is written piece by piece and then settled."""

    async def tell() -> None:
        await write(message, TEXT)
        await in_thread(settle, message, WHOLE)

    return tell


def test_the_headers_keep_proxies_from_holding_it_back(client_of_alice, message):
    answer = client_of_alice.get(f"chat/feedback/{message.pk}/stream")
    assert isinstance(answer, HeldStream)
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"


def test_the_view_streams_from_the_readers_place(client_of_alice, number):
    written(number)
    answer = client_of_alice.get(
        f"chat/feedback/{Message.objects.get().pk}/stream", **{"Last-Event-ID": "1-5"}
    )
    seen = asyncio.run(everything(answer))
    assert seen[0] == b"retry: 1000\n\n"
    assert b"Once" not in b"".join(seen[1:-1])


async def everything(answer: HeldStream) -> list[bytes]:
    return [chunk async for chunk in answer.chunks()]


def test_a_reader_sees_it_grow_and_then_the_item(message, story):
    seen = read_while(message, story)
    assert len(seen) > 2
    assert set(names(seen[:-1])) == {"delta"}
    assert text_of(seen) == WHOLE
    assert (seen[-1].name, seen[-1].data["answer"]) == ("done", WHOLE)


def test_done_is_the_item_of_the_feed(client_of_alice, message, story):
    seen = read_while(message, story)
    assert seen[-1].data == client_of_alice.get(f"chat/feedback/{message.pk}").json()["result"]


def test_every_event_has_an_id_of_its_own(message, story):
    ids = [event.id for event in read_while(message, story)]
    assert len(ids) == len(set(ids))
    assert ids[-1].endswith("-end")


def test_several_readers_see_the_same_text(message, story):
    app = app_of(message)

    async def three() -> list[str]:
        readers = [asyncio.create_task(collect(app, message.pk)) for _ in range(3)]
        await story()
        return [text_of(await reader) for reader in readers]

    assert asyncio.run(three()) == [WHOLE] * 3


def test_readers_at_different_places_agree(message, story):
    app, places = app_of(message), ["", "1-4", "1-9"]

    async def all_of_them() -> list[str]:
        readers = [asyncio.create_task(collect(app, message.pk, place)) for place in places]
        await story()
        return [text_of(await reader) for reader in readers]

    assert asyncio.run(all_of_them()) == [WHOLE, WHOLE[4:], WHOLE[9:]]


def test_a_settled_message_is_told_at_once(number):
    seen = read(settled(number, answer="Hi."))
    assert names(seen) == ["delta", "done"]
    assert text_of(seen) == "Hi."


def test_an_empty_answer_is_told_by_done_alone(number):
    assert names(read(settled(number, answer=""))) == ["done"]


# Resuming ----------------------------------------------------------------------------------------


def test_it_resumes_at_every_character_without_gap_or_repeat(number):
    message = written(number)
    seen = {place: read(message, f"1-{place}") for place in range(len(WHOLE) + 1)}
    assert {WHOLE[:place] + text_of(rest) for place, rest in seen.items()} == {WHOLE}
    assert {names(rest).count("done") for rest in seen.values()} == {1}
    assert not [rest for rest in seen.values() if "reset" in names(rest)]


def test_it_resumes_behind_each_event_that_it_sent(number):
    message = written(number)
    seen = read(message)
    ways = [text_of(seen[:cut]) + text_of(read(message, seen[cut - 1].id)) for cut in range(1, 5)]
    assert ways == [WHOLE] * len(ways)


def test_it_resumes_when_the_journal_is_gone(number):
    message = written(number)
    asyncio.run(forget_the_journal(message))
    assert text_of(read(message, last_event_id="1-5")) == WHOLE[5:]


def test_it_resumes_while_the_answer_is_written(message, story):
    seen = read_while(message, story, last_event_id="1-3")
    assert text_of(seen) == WHOLE[3:]


@pytest.mark.parametrize("forged", ["x", "1", "-1-2", "１-２", "1-2-3", "9" * 40, "1-5\x00", "*"])
def test_an_id_that_is_not_ours_begins_at_the_beginning(number, forged):
    assert text_of(read(written(number, ["Hi."]), forged)) == "Hi."


@pytest.mark.parametrize("beyond", ["1-999", "7-0", "7-3", "99999-999999999"])
def test_a_place_beyond_the_answer_is_reset(number, beyond):
    seen = read(settled(number, answer="Hi."), last_event_id=beyond)
    assert names(seen) == ["reset", "delta", "done"]
    assert text_of(seen) == "Hi."


def test_who_has_had_done_gets_204(client_of_alice, number):
    message = settled(number)
    last = read(message)[-1].id
    path = f"chat/feedback/{message.pk}/stream"
    answer = client_of_alice.get(path, **{"Last-Event-ID": last})
    assert (answer.status_code, answer.content) == (204, b"")


# Attempts and fates ------------------------------------------------------------------------------


def test_a_later_attempt_begins_with_reset(message):
    async def interrupted(seen: list[Sse]) -> None:
        await write(message, ["Wrong st"])
        await until_seen(seen, 1)
        await in_thread(Message.objects.update, attempt=1)
        await write(message, ["Right."], attempt=2)
        await until_seen(seen, 3)
        await in_thread(settle, message, "Right.")

    seen = read_along(message, interrupted)
    assert names(seen) == ["delta", "reset", "delta", "done"]
    assert seen[1].data == {"attempt": 2}
    assert text_of(seen) == "Right."


def test_a_reader_of_the_first_attempt_who_comes_back_is_reset(number, message):
    Message.objects.update(attempt=1)
    asyncio.run(write(message, ["Right."], attempt=2))
    seen = read(settle(message, "Right."), last_event_id="1-4")
    assert names(seen) == ["reset", "delta", "done"]


def test_a_late_piece_of_a_dead_attempt_is_not_shown(message):
    async def overtaken() -> None:
        dead = journal.Writer(message.pk, 1)
        dead.put("Wrong")
        await until_written(dead)
        await write(message, ["Right"], attempt=2)
        dead.put(", and at length")
        await until_written(dead)
        await dead.close()
        await write(message, ["Right."], attempt=2)
        await in_thread(Message.objects.update, attempt=1)
        await in_thread(settle, message, "Right.")

    seen = read_while(message, overtaken)
    assert text_of(seen) == "Right."
    assert "length" not in json.dumps([event.data for event in seen])


def test_a_flushed_journal_leaves_no_gap_and_no_repeat(message):
    async def flushed() -> None:
        writer = journal.Writer(message.pk, 1)
        writer.put("one ")
        await asyncio.sleep(0.05)
        await forget_the_journal(message)
        writer.put("two ")
        await asyncio.sleep(0.05)
        writer.put("three")
        await writer.close()
        await in_thread(settle, message, "one two three")

    assert text_of(read_while(message, flushed)) == "one two three"


@pytest.mark.parametrize("place", ["", "1-0", "1-2", "1-4", "1-8", "1-10"])
def test_a_journal_that_lost_its_beginning_leaves_no_gap(message, place):
    async def late() -> None:
        writer = journal.Writer(message.pk, 1)
        writer.put("one two ")
        await until_written(writer)
        await forget_the_journal(message)
        writer.put("three")
        await until_written(writer)
        await writer.close()

    asyncio.run(late())
    seen = read(settle(message, "one two three"), place)
    known = following.Place.parse(place).offset
    assert "one two three"[:known] + text_of(seen) == "one two three"


def test_a_failure_takes_the_text_back(message):
    async def failing(seen: list[Sse]) -> None:
        await write(message, ["You sa"])
        await until_seen(seen, 1)
        await in_thread(fail, message, 71008)

    seen = read_along(message, failing)
    assert names(seen) == ["delta", "reset", "done"]
    assert (seen[-1].data["answer"], seen[-1].data["error"]["code"]) == (None, 71008)


def test_a_cancelled_answer_keeps_what_it_said(message):
    async def stopped() -> None:
        claimed = await in_thread(claims.claim, message.pk, "tests")
        await write(message, ["You sa"])
        await in_thread(settlement.cancel, claimed)

    seen = read_while(message, stopped)
    assert (names(seen), text_of(seen)) == (["delta", "done"], "You sa")
    assert (seen[-1].data["status"], seen[-1].data["answer"]) == (Status.CANCELLED, "You sa")


def test_done_comes_once_however_often_the_end_is_told(message, story):
    async def told_twice() -> None:
        await story()
        await in_thread(journal.end, message.pk, message.number_id)
        await in_thread(journal.end, message.pk, message.number_id)

    assert names(read_while(message, told_twice)).count("done") == 1


# Quiet and trouble -------------------------------------------------------------------------------


def test_a_quiet_stream_says_that_it_is_there(message, monkeypatch):
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.05)

    app = app_of(message)

    async def first(count: int) -> list[bytes]:
        stream = streams.chunks(app, message.pk, following.Place())
        async with asyncio.timeout(5):
            return [await anext(stream) for _ in range(count)]

    assert asyncio.run(first(4))[1:] == [b": still here\n\n"] * 3


def test_the_heartbeat_comes_every_fifteen_seconds():
    assert 13 < following.HEARTBEAT_SECONDS < 15


def test_it_tells_everything_without_valkey(number, without_valkey):
    message = settled(number, answer="Hi.")
    seen = read(message)
    assert (names(seen), text_of(seen)) == (["delta", "done"], "Hi.")


def test_it_waits_without_valkey(message, without_valkey, monkeypatch):
    monkeypatch.setattr(following, "LOOK_SECONDS_WITHOUT_JOURNAL", 0.1)
    seen = read_while(message, lambda: in_thread(settle, message, "Hi."))
    assert text_of(seen) == "Hi."


def test_a_stopping_process_ends_it_without_done(message):
    async def stop() -> None:
        stopping().set()
        await valkey.ask_async(lambda client: client.publish(f"fw:wake:text:{message.pk}", "1"))

    assert read_while(message, stop) == []


def test_a_message_that_is_gone_ends_the_stream(message):
    Message.objects.all().delete()
    assert read(message) == []


def test_a_token_that_dies_meanwhile_ends_the_stream_with_error(message, monkeypatch):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    app = app_of(message)
    secret = message.number.secrets.get()

    async def revoked_meanwhile() -> list[bytes]:
        stream = streams.chunks(app, message.pk, following.Place())
        begun = [await anext(stream)]
        await in_thread(credentials.revoke, secret, actor=None)
        async with asyncio.timeout(5):
            return begun + [chunk async for chunk in stream]

    last = asyncio.run(revoked_meanwhile())[-1]
    assert last.startswith(b'event: error\ndata: {"code": 40001')


def test_a_database_that_is_away_for_a_moment_does_not_end_the_stream(message, monkeypatch):
    loads = [OperationalError("away"), OperationalError("away")]
    load = streams._load

    def load_later(*args):
        if loads:
            raise loads.pop()
        return load(*args)

    monkeypatch.setattr(streams, "_load", load_later)
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    seen = read_while(message, lambda: in_thread(settle, message, "Hi."))
    assert names(seen) == ["delta", "done"]
