"""Server-Sent Events of an answer that is being written, for every door that streams one.

Source: WHATWG HTML, "Server-sent events". Each event's id is the reader's place, so `Last-Event-ID`
resumes anywhere, on any web process.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from bots.following import Delta, Done, Event, Follower, Place, Reset, Waiting
from bots.models import Message
from portal.ending import stopping

HEARTBEAT = b": still here\n\n"
RETRY = b"retry: 1000\n\n"

Rendering = Callable[[Message], Awaitable[dict[str, Any]]]


def event(name: str, data: dict[str, Any], place: Place | None = None) -> bytes:
    """One event; without a place it leaves the reader's `Last-Event-ID` as it is."""
    at = f"id: {place}\n" if place else ""
    text = json.dumps(data, ensure_ascii=False)
    return f"event: {name}\n{at}data: {text}\n\n".encode()


async def chunks(
    follower: Follower, done: Rendering, waiting: Rendering | None = None
) -> AsyncGenerator[bytes, None]:
    """The stream from the follower's place on; a stopping process ends it, the client reconnects.

    `done` makes the data of the last event, `waiting` those of `state`, told when they change.
    """
    yield RETRY
    told: dict[str, Any] = {}
    async with aclosing(follower.events(ended=lambda: stopping().is_set())) as events:
        async for happened in events:
            if isinstance(happened, Done):
                yield event("done", await done(happened.message), happened.place)
                continue
            if not isinstance(happened, Waiting):
                yield _rendered(happened)
                continue
            state = await waiting(happened.message) if waiting else told
            if state != told:
                told = state
                yield event("state", state)


def _rendered(happened: Event) -> bytes:
    if isinstance(happened, Delta):
        return event("delta", {"text": happened.text}, happened.place)
    if isinstance(happened, Reset):
        return event("reset", {"attempt": happened.attempt}, happened.place)
    return HEARTBEAT
