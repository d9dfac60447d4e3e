"""One accepted request, for as long as somebody waits for its answer.

Whoever named an Idempotency-Key can come back for it. From anybody else, a client that goes away is
a client that wants no answer: it is cancelled, and the connection to the provider closed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _

from bots import faults, settlement
from bots.models import Message
from ddio_api import waiting
from ddio_api.errors import DdioError
from ddio_api.openai_door.errors import SHOULD_RETRY, failure, interrupted
from portal.ending import stopping
from portal.hold import in_thread

logger = structlog.get_logger(__name__)


@dataclass
class Call:
    """`can_come_back`: the answer is wanted even if nobody waits for it now."""

    message_id: str
    can_come_back: bool
    settled: Message | None = None

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Inside, somebody waits for the answer."""
        try:
            yield
        finally:
            if self.settled is None and not self.can_come_back:
                await asyncio.shield(in_thread(_cancel, self.message_id))

    async def until_settled(self) -> None:
        """Raises 71007 where that takes longer than OPENAI_MAX_WAIT, and −1 where we must stop."""
        async with self.attended():
            await waiting.settled(self.message_id, settings.OPENAI_MAX_WAIT)()
            message = await in_thread(Message.objects.filter(pk=self.message_id).first)
            if message is None or (stopping().is_set() and not message.is_settled):
                raise self.ended_early()
            if not message.is_settled:
                raise self.timed_out()
            self.settled = message

    def answer(self) -> Message:
        """The settled message; raises what its answer failed of, or was withheld for."""
        if self.settled is None:
            raise DdioError(-1)
        if self.settled.error_code is not None:
            raise failure(self.settled.error_code)
        return self.settled

    @staticmethod
    def ended_early() -> DdioError:
        """Nobody can wait here any longer: the process stops, or somebody erased the message."""
        return interrupted() if stopping().is_set() else DdioError(-1)

    def timed_out(self) -> DdioError:
        if not self.can_come_back:
            return failure(faults.TIMED_OUT, _("There was no answer in time. Ask again."))
        sentence = _("There is no answer yet. Send the same request again to get it.")
        late = failure(faults.TIMED_OUT, sentence)
        late.headers[SHOULD_RETRY] = "true"
        return late


def _cancel(message_id: str) -> None:
    """In a thread. A database that is away has worse to worry about than an answer too many."""
    try:
        message = Message.objects.filter(pk=message_id).first()
        if message:
            settlement.cancel(message)
    except (OperationalError, InterfaceError) as error:
        logger.warning("abandoned_not_cancelled", message=message_id, error=repr(error))
