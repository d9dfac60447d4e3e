"""A completion in chunks, while it is written.

The response begins with the first words, so that whatever fails before has its own HTTP status. If
there are none for a while, it begins with a comment; what fails then comes as an `error` event.
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from rest_framework.response import Response

from bots import sse
from bots.following import Delta, Done, Event, Follower, Place, Quiet, Reset
from bots.models import Message
from ddio_api.authentication import App
from ddio_api.errors import DdioError
from ddio_api.openai_door.calls import Call
from ddio_api.openai_door.completions import DONE, Head, choice, event, finish_reason, usage
from ddio_api.openai_door.errors import began_anew
from ddio_api.rendering import JsonRenderer
from portal.ending import stopping
from portal.hold import Instead, in_thread

TROUBLE = (DdioError, OperationalError, InterfaceError)


class Stream:
    """`answer_to` makes an ordinary answer of an error, in the shape that the caller reads."""

    def __init__(
        self,
        call: Call,
        head: Head,
        app: App,
        *,
        include_usage: bool,
        answer_to: Callable[[Exception], Response],
    ) -> None:
        self._call = call
        self._head = head
        self._app = app
        self._uncounted = {"usage": None} if include_usage else {}
        self._include_usage = include_usage
        self._answer_to = answer_to
        self._ends_by = time.monotonic() + settings.OPENAI_MAX_WAIT
        self._has_spoken = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Raises Instead where it fails before anything was sent."""
        has_begun = False
        try:
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    has_begun = True
                    yield piece
        except TROUBLE as error:
            answer = self._answer_to(error)
            if not has_begun:
                raise instead(answer) from error
            yield event(answer.data)

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        follower = Follower(self._call.message_id, Place(), self._load)
        events = follower.events(ended=lambda: stopping().is_set())
        async with self._call.attended(), aclosing(events):
            async for happened in events:
                for piece in await self._rendered(happened):
                    yield piece
            if self._call.settled is None:
                raise self._call.ended_early()

    async def _load(self) -> Message | None:
        return await in_thread(self._admitted)

    def _admitted(self) -> Message | None:
        """The row, for a caller who may still see it: raises 40001 and 50002."""
        self._app.admit_again()
        return Message.objects.filter(pk=self._call.message_id).first()

    async def _rendered(self, happened: Event) -> list[bytes]:
        if isinstance(happened, Delta):
            return [*self._opening(), self._chunk({"content": happened.text})]
        if isinstance(happened, Done):
            self._call.settled = happened.message
            return self._end(self._call.answer())
        if isinstance(happened, Reset) and self._has_spoken:
            raise await self._why_reset()
        if isinstance(happened, Quiet):
            if not self._has_spoken and time.monotonic() > self._ends_by:
                raise self._call.timed_out()
            return [sse.HEARTBEAT]
        return []

    async def _why_reset(self) -> DdioError:
        """The answer failed, if that is it; otherwise that it began anew."""
        message = await self._load()
        if message is None or not message.is_settled:
            return began_anew()
        self._call.settled = message
        try:
            self._call.answer()
        except DdioError as error:
            return error
        return began_anew()

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return self._head.chunk(choice(delta, finish), self._uncounted)

    def _opening(self) -> list[bytes]:
        """Before the first words, whose they are."""
        if self._has_spoken:
            return []
        self._has_spoken = True
        return [self._chunk({"role": "assistant", "content": "", "refusal": None})]

    def _end(self, message: Message) -> list[bytes]:
        pieces = [*self._opening(), self._chunk({}, finish_reason(message))]
        counted = usage(message) if self._include_usage else None
        if counted:
            pieces.append(self._head.chunk([], {"usage": counted}))
        return [*pieces, DONE]


def instead(answer: Response) -> Instead:
    headers = dict(answer.headers) | {"Content-Type": "application/json; charset=utf-8"}
    return Instead(answer.status_code, JsonRenderer().render(answer.data), headers)
