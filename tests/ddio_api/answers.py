"""Answers for tests: settled by hand, at once or in a moment, and streams read to their end."""

import asyncio
import functools
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import close_old_connections

from bots import claims, settlement
from bots.following import Place
from bots.models import Message, Status
from ddio_api import authentication, streams, tokens
from ddio_api.authentication import App
from portal.models import ServiceNumber
from tests import factories

PATIENCE_SECONDS = 10.0
# For a thread that reads again and again: without a pause it has the interpreter back before the
# others wake up, and a statement of theirs takes fifty milliseconds instead of one.
MOMENT_SECONDS = 0.001
Result = TypeVar("Result")


def settle(message: Message, answer: str = "Hi.", **fields: Any) -> Message:
    """Claim the message and settle it; `status`, `error_code` and the like may be named."""
    claimed = claims.claim(message.pk, "tests")
    assert claimed
    counted = {"model": "echo", "prompt_tokens": 7, "completion_tokens": 3}
    settlement.settle(
        claimed, settlement.Outcome(**{"status": Status.DONE, "answer": answer} | counted | fields)
    )
    return Message.objects.select_related("person").get(pk=message.pk)


def fail(message: Message, code: int = 71006) -> Message:
    return settle(message, None, status=Status.FAILED, error_code=code)


def settled(
    made: ServiceNumber, text: str = "Hello?", answer: str = "Hi.", **asked: Any
) -> Message:
    return settle(factories.message(made, text, **asked), answer)


def apart(function: Callable[..., Result]) -> Callable[..., Result]:
    """For another thread, which has a database connection of its own and leaves none behind."""

    @functools.wraps(function)
    def run(*args: Any) -> Result:
        try:
            return function(*args)
        finally:
            close_old_connections()

    return run


@contextmanager
def soon(function: Callable[[], Any], seconds: float = 0.15) -> Iterator[None]:
    """Do it in another thread in a moment."""
    timer = threading.Timer(seconds, apart(function))
    timer.start()
    yield
    timer.join()


@contextmanager
def once_asked(function: Callable[[Message], Any], seconds: float = 0.1) -> Iterator[None]:
    """Do it with the newest question in another thread, a moment after it was asked."""

    def wait() -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not Message.objects.exists():
            assert time.monotonic() < until, "nothing was asked"
            time.sleep(0.02)
        time.sleep(seconds)
        function(Message.objects.latest("asked_at"))

    with soon(wait, 0):
        yield


# Streams ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sse:
    """One event as a browser reads it."""

    name: str
    id: str
    data: dict[str, Any]


def parse(chunk: bytes) -> Sse:
    lines = chunk.decode().removesuffix("\n\n").split("\n")
    fields = dict(line.split(": ", 1) for line in lines)
    assert list(fields) == ["event", "id", "data"]
    return Sse(fields["event"], fields["id"], json.loads(fields["data"]))


def events(chunks: list[bytes]) -> list[Sse]:
    return [parse(chunk) for chunk in chunks if chunk.startswith(b"event:")]


def app_of(message: Message) -> App:
    """A caller who may see the message."""
    number = message.number
    generation = factories.secret(number).row.generation
    return authentication.admit(tokens.read(tokens.issue(number.app_id, generation)[0]), "")


async def collect(
    app: App, message_id: str, last_event_id: str = "", seen: list[Sse] | None = None
) -> list[Sse]:
    """All the events of the stream; those that have come so far are in `seen`."""
    place, seen = Place.parse(last_event_id), [] if seen is None else seen
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for chunk in streams.chunks(app, message_id, place):
            seen += events([chunk])
    return seen


def read(message: Message, last_event_id: str = "") -> list[Sse]:
    return asyncio.run(collect(app_of(message), message.pk, last_event_id))


def read_while(
    message: Message, script: Callable[[], Awaitable[None]], last_event_id: str = ""
) -> list[Sse]:
    """What a reader gets who is there before the script begins."""
    return read_along(message, lambda _seen: script(), last_event_id)


def read_along(
    message: Message, script: Callable[[list[Sse]], Awaitable[None]], last_event_id: str = ""
) -> list[Sse]:
    """The same; the script is given what the reader has seen so far."""
    app = app_of(message)

    async def both() -> list[Sse]:
        seen: list[Sse] = []
        reader = asyncio.create_task(collect(app, message.pk, last_event_id, seen))
        await asyncio.sleep(0.05)
        await script(seen)
        return await reader

    return asyncio.run(both())


async def until_seen(seen: list[Sse], count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(seen) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def text_of(seen: list[Sse]) -> str:
    """The text that a reader who keeps to `reset` has in the end."""
    text = ""
    for event in seen:
        text = "" if event.name == "reset" else text + event.data.get("text", "")
    return text


def names(seen: list[Sse]) -> list[str]:
    return [event.name for event in seen]
