"""The journal: written in few commands, bounded, made anew after a loss, and gone at the end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings

from bots import journal
from portal import valkey, wakeups
from tests.journals import until_written

ONE = "0123456789abcdef"
KEY = journal._key(ONE)


@pytest.fixture
def client() -> redis.Redis:
    return redis.Redis.from_url(django_settings.REDIS_URL)


def run(scene: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(scene(), 10))


@pytest.fixture
def turns(monkeypatch) -> list[str]:
    """A word for each time that Valkey was asked."""
    asked: list[str] = []
    for name in ("ask", "ask_async"):
        monkeypatch.setattr(valkey, name, noting(asked, name, getattr(valkey, name)))
    return asked


def noting(asked: list[str], name: str, ask: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def noted(command: Any) -> Any:
        asked.append(name)
        return ask(command)

    return noted


def offsets(client: redis.Redis) -> list[int]:
    return [int(fields[b"o"]) for _id, fields in client.xrange(KEY)]


async def tell(pieces: list[str], attempt: int = 1) -> journal.Writer:
    writer = journal.Writer(ONE, attempt)
    for piece in pieces:
        writer.put(piece)
        await until_written(writer)
    return writer


def test_an_answer_that_is_whole_at_once_is_not_written(client):
    async def scene() -> None:
        writer = journal.Writer(ONE, 1)
        [writer.put(piece) for piece in ("all", " at", " once")]
        await writer.close()
        await asyncio.sleep(0.2)

    run(scene)
    assert not client.exists(KEY)


def test_a_first_attempt_without_words_is_told_after_a_moment(client):
    async def scene() -> tuple[int, int]:
        writer = journal.Writer(ONE, 1)
        await asyncio.sleep(0.03)
        before = client.exists(KEY)
        await asyncio.sleep(0.2)
        await writer.close()
        return before, client.exists(KEY)

    assert run(scene) == (0, 1)


def test_a_later_attempt_is_told_at_once_and_takes_the_place_of_the_earlier(client):
    async def scene() -> None:
        await (await tell(["Wrong"])).close()
        writer = journal.Writer(ONE, 2)
        await until_written(writer)
        await writer.close()

    run(scene)
    assert [fields[b"n"] for _id, fields in client.xrange(KEY)] == [b"2"]


def test_unheard_pieces_are_gathered(client):
    async def scene() -> None:
        writer = await tell(["0 "])
        for number in range(1, 20):
            writer.put(f"{number} ")
            await asyncio.sleep(0.005)
        await until_written(writer)
        await writer.close()

    run(scene)
    assert client.xlen(KEY) <= 3
    assert journal.text_so_far(ONE, 1) == "".join(f"{number} " for number in range(20))


def test_a_piece_that_somebody_waits_for_is_written_at_once(client, monkeypatch):
    monkeypatch.setattr(journal, "UNHEARD_SECONDS", 60)

    async def scene() -> None:
        async with wakeups.hub().listening(wakeups.text_channel(ONE)):
            await (await tell(list("abcdefgh"))).close()

    run(scene)
    assert client.xlen(KEY) == 8


def test_many_writers_share_a_round_trip(client, turns):
    async def scene() -> None:
        writers = [journal.Writer(f"m{number}", 2) for number in range(50)]
        for writer in writers:
            writer.put("Hello")
        await asyncio.gather(*(until_written(writer) for writer in writers))
        await asyncio.gather(*(writer.close() for writer in writers))

    run(scene)
    assert (len(client.keys("fw:journal:*")), turns) == (50, ["ask_async"])


def test_a_long_journal_is_cut_back_to_the_whole_text(client, monkeypatch):
    monkeypatch.setattr(journal, "ENTRIES_AT_MOST", 4)
    monkeypatch.setattr(journal, "UNHEARD_SECONDS", 0)

    async def scene() -> None:
        await (await tell(list("abcdefghij"))).close()

    run(scene)
    assert offsets(client) == [0, 9]
    assert journal.text_so_far(ONE, 1) == "abcdefghij"


@pytest.mark.parametrize("loss", ["flushed", "away"])
def test_what_was_lost_is_written_again(client, monkeypatch, loss):
    monkeypatch.setattr(journal, "UNHEARD_SECONDS", 0.01)
    losses = {"flushed": client.flushdb, "away": lambda: begin_pause(client)}

    async def scene() -> None:
        writer = await tell(["one ", "two "])
        losses[loss]()
        writer.put("three ")
        await asyncio.sleep(0.3)
        await until_written(writer)
        await writer.close()

    run(scene)
    assert journal.text_so_far(ONE, 1) == "one two three "


def begin_pause(client: redis.Redis) -> None:
    """What was written is lost, and for a moment nothing can be."""
    client.flushdb()
    valkey._Pause.until = asyncio.get_running_loop().time() + 0.1


def test_a_journal_always_has_an_end(client):
    async def scene() -> list[int]:
        writer = await tell(["one "])
        began = client.ttl(KEY)
        client.delete(KEY)
        writer.put("two ")
        await until_written(writer)
        await asyncio.sleep(0.5)
        await writer.close()
        return [began, client.ttl(KEY)]

    assert [0 < left <= journal.KEEP_SECONDS for left in run(scene)] == [True, True]


def test_nothing_is_written_after_it_was_closed(client):
    async def scene() -> None:
        writer = await tell(["one "])
        writer.put("two ")
        await writer.close()
        client.delete(KEY)
        await asyncio.sleep(0.4)

    run(scene)
    assert not client.exists(KEY)


def test_a_gap_is_not_glued_over(client):
    for offset, text in ((0, "one "), (8, "three ")):
        client.xadd(KEY, {"n": 1, "o": offset, "t": text})
    assert journal.text_so_far(ONE, 1) == "one "


# The end -----------------------------------------------------------------------------------------


def test_the_end_leaves_nothing_behind(client):
    async def scene() -> None:
        await (await tell(["one "])).close()
        await asyncio.to_thread(journal.end, ONE, 7)

    run(scene)
    assert client.keys("fw:journal:*") == []


def test_many_ends_are_told_in_one_round_trip(turns):
    async def scene() -> list[set[bytes]]:
        hub = wakeups.hub()
        async with (
            hub.listening(wakeups.text_channel("b")) as first,
            hub.listening(wakeups.number_channel(7)) as second,
            hub.settling("a") as third,
        ):
            await asyncio.to_thread(journal.end_all, [("a", 7), ("b", 7)])
            await asyncio.gather(first.wait(), second.wait(), third.wait())
            return [first.heard, second.heard, third.heard]

    assert run(scene) == [{wakeups.SETTLED}] * 3
    assert turns == ["ask"]


def test_no_end_at_all_is_no_command(turns):
    journal.end_all([])
    assert turns == []


def test_the_end_is_quietly_untold_without_valkey(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    journal.end_all([("a", 7)])
    assert journal.text_so_far("a", 1) == ""
