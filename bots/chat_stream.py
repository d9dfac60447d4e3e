"""The chat page's stream of one answer: `delta`, `reset`, `state`, and `done` with its fragment.

`quiet` says every 15 s that the connection lives, so that the page notices one that does not.
`gone` ends it where the reader is not let in any more: signed out, disabled, the number suspended.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from bots import chat_page, pending, sse
from bots.access import Door
from bots.following import Follower, Place
from bots.models import Message
from portal.hold import in_thread

QUIET = sse.event("quiet", {})  # a page's script does not see comments


class Gone(Exception):
    """The reader may not see this any more."""


def _load(door: Door, message_id: str) -> Message | None:
    if not door.is_still_open():
        raise Gone
    return Message.objects.filter(pk=message_id).first()


def _fragment(door: Door, message: Message) -> dict[str, Any]:
    context = {"door": door, "number": door.number, "each": chat_page.show(message)}
    return {"html": render_to_string("bots/chat_message.html", context, door.request)}


def _state(message: Message) -> dict[str, Any]:
    now = pending.waiting(message, pending.ahead_of(message))
    return {"state": now.kind, "words": now.words}


async def chunks(door: Door, message_id: str, place: Place) -> AsyncGenerator[bytes, None]:
    """The stream from the reader's place on; the door is asked again at each look."""

    async def done(message: Message) -> dict[str, Any]:
        return await in_thread(_fragment, door, message)

    async def waiting(message: Message) -> dict[str, Any]:
        return await in_thread(_state, message)

    follower = Follower(
        message_id, place, lambda: in_thread(_load, door, message_id), tells_waiting=True
    )
    try:
        async with aclosing(sse.chunks(follower, done, waiting)) as pieces:
            async for piece in pieces:
                yield QUIET if piece == sse.HEARTBEAT else piece
    except Gone:
        sentence = _("You cannot follow this answer any more. Reload the page to see why.")
        yield sse.event("gone", {"words": sentence})
