"""Server-Sent Events of one answer: `delta`, `reset`, exactly one `done`, comments in between.

Source: WHATWG HTML, "Server-sent events". Each event's id is the reader's place, so `Last-Event-ID`
resumes anywhere, on any web process. Who has had `done` gets 204, which tells a browser to stop.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from bots.following import Delta, Done, Event, Follower, Place, Reset
from bots.models import Message
from ddio_api.authentication import App
from ddio_api.errors import DdioError
from ddio_api.items import answer_item
from portal.hold import in_thread, stopping

HEARTBEAT = b": still here\n\n"
RETRY_MILLISECONDS = 1000


def _load(app: App, message_id: str) -> Message | None:
    """The row, for a caller who may still see it: raises 40001 and 50002."""
    app.admit_again()
    return Message.objects.select_related("person").filter(pk=message_id).first()


def _event(name: str, place: Place, data: dict[str, Any]) -> bytes:
    text = json.dumps(data, ensure_ascii=False)
    return f"event: {name}\nid: {place}\ndata: {text}\n\n".encode()


def _rendered(event: Event) -> bytes:
    if isinstance(event, Delta):
        return _event("delta", event.place, {"text": event.text})
    if isinstance(event, Reset):
        return _event("reset", event.place, {"attempt": event.attempt})
    if isinstance(event, Done):
        return _event("done", event.place, answer_item(event.message))
    return HEARTBEAT


def _failure(error: DdioError) -> bytes:
    data = {"code": error.code, "msg": str(error.message)}
    return f"event: error\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


async def chunks(app: App, message_id: str, place: Place) -> AsyncGenerator[bytes, None]:
    """The stream from the reader's place on; a stopping process ends it, the client reconnects.

    A token that dies meanwhile ends it with `error`.
    """
    yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
    follower = Follower(message_id, place, lambda: in_thread(_load, app, message_id))
    try:
        async with aclosing(follower.events(ended=lambda: stopping().is_set())) as events:
            async for event in events:
                yield _rendered(event)
    except DdioError as error:
        yield _failure(error)
