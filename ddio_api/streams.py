"""Server-Sent Events of one answer: `delta`, `reset`, exactly one `done`, comments in between.

Who has had `done` gets 204, which tells a browser to stop.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from bots import sse
from bots.following import Follower, Place
from bots.models import Message
from ddio_api.authentication import App
from ddio_api.errors import DdioError
from ddio_api.items import answer_item
from portal.hold import in_thread


def _load(app: App, message_id: str) -> Message | None:
    """The row, for a caller who may still see it: raises 40001 and 50002.

    Of an answer that is still awaited no more than its status is read, because its readers look
    again and again.
    """
    app.admit_again()
    found = Message.objects.filter(pk=message_id)
    awaited = found.unsettled().only("status").first()
    return awaited or found.select_related("person").first()


async def _item(message: Message) -> dict[str, Any]:
    return answer_item(message)


async def chunks(app: App, message_id: str, place: Place) -> AsyncGenerator[bytes, None]:
    """The stream from the reader's place on. A token that dies meanwhile ends it with `error`."""
    follower = Follower(message_id, place, lambda: in_thread(_load, app, message_id))
    try:
        async with aclosing(sse.chunks(follower, _item)) as pieces:
            async for piece in pieces:
                yield piece
    except DdioError as error:
        yield sse.event("error", {"code": error.code, "msg": str(error.message)})


async def last_word(message: Message, place: Place) -> AsyncGenerator[bytes, None]:
    """Of an erased answer its item alone is left: a journal that outlived it is not read."""
    yield sse.RETRY
    start = Place(message.attempt)
    if place.offset:
        yield sse.event("reset", {"attempt": message.attempt}, start)
    yield sse.event("done", answer_item(message), replace(start, ended=True))
