"""Wake-ups for readers that wait: one Valkey connection per process fans out to all of them.

A channel is published after a commit (a message settled, text arrived) or not at all: a wake-up is
a hint, readers look again by themselves every few seconds. Publish and subscribe serve better here
than a blocking XREAD: a reader can join a connection that already waits.
"""

import asyncio
import math
import time
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

import redis
import structlog
from redis.asyncio.client import PubSub

from portal import valkey
from portal.ending import until_stopping

logger = structlog.get_logger(__name__)

CONFIRM_SECONDS = 0.5
RECONNECT_SECONDS = 1.0
SETTLED = b"settled"  # the word of a wake-up that is the last one


def text_channel(message_id: str) -> str:
    """Woken whenever an answer grows, and when it is settled."""
    return f"fw:wake:text:{message_id}"


# One channel for all that is settled: its words are the messages' ids, and who waits for one
# subscribes to nothing. One message tells of all that was settled together.
SETTLEMENTS = "fw:wake:settled"
SETTLED_REMEMBERED = 4096


def number_channel(number_id: int) -> str:
    """Woken when the number's feed grows."""
    return f"fw:wake:number:{number_id}"


class Woken(asyncio.Event):
    """Set at each wake-up; `heard` are the words of those since it was cleared."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: set[bytes] = set()

    def hear(self, word: bytes) -> None:
        self.heard.add(word)
        self.set()

    def clear(self) -> None:
        self.heard = set()
        super().clear()


class Hub:
    """The waiting readers of one event loop, by channel."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[Woken]] = defaultdict(set)
        self._confirmed: dict[str, asyncio.Event] = {}
        self._pubsub: PubSub | None = None
        self._connected_at = math.inf
        # What was settled lately, the newest last.
        self._settled: OrderedDict[str, None] = OrderedDict()
        self._commands = asyncio.Lock()
        self._listener: asyncio.Task[None] | None = None
        self._last_call: asyncio.Task[None] | None = None

    @property
    def is_listening(self) -> bool:
        """Whether the one connection stands, as far as it is known."""
        return self._pubsub is not None

    @asynccontextmanager
    async def listening(self, channel: str) -> AsyncIterator[Woken]:
        """An event that is set at each wake-up of the channel; clear it before looking again."""
        event = Woken()
        self._waiting[channel].add(event)
        self._see_to_listener()
        try:
            await self._subscribe(channel)
            yield event
        finally:
            await self._leave(channel, event)

    @asynccontextmanager
    async def settling(self, message_id: str) -> AsyncIterator[Woken]:
        """An event that is set when the message is settled, or was a moment ago."""
        event, name = Woken(), _name(message_id)
        self._waiting[name].add(event)
        self._see_to_listener()
        if message_id in self._settled:
            event.hear(SETTLED)
        try:
            yield event
        finally:
            self._forget(name, event)

    def has_listened_since(self, moment: float) -> bool:
        """Whether nothing that was settled after it (time.monotonic) can have been missed."""
        return self.is_listening and self._connected_at < moment

    def _see_to_listener(self) -> None:
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen())
        if self._last_call is None:
            self._last_call = asyncio.create_task(self._wake_all_at_the_end())

    async def _subscribe(self, channel: str) -> None:
        """Wait until the server has the subscription, so that nothing falls between."""
        is_first = channel not in self._confirmed
        confirmed = self._confirmed.setdefault(channel, asyncio.Event())
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                if is_first:
                    await self._command("subscribe", channel)
                await confirmed.wait()
        except TimeoutError:
            logger.debug("wakeup_subscription_unconfirmed", channel=channel)

    async def _leave(self, channel: str, event: Woken) -> None:
        if self._forget(channel, event):
            self._confirmed.pop(channel, None)
            await self._command("unsubscribe", channel)

    def _forget(self, channel: str, event: Woken) -> bool:
        """Whether nobody waits for the channel any more."""
        self._waiting[channel].discard(event)
        if self._waiting[channel]:
            return False
        del self._waiting[channel]
        return True

    async def _command(self, name: str, channel: str) -> None:
        async with self._commands:
            if self._pubsub is None:
                return
            try:
                await getattr(self._pubsub, name)(channel)
            except (redis.RedisError, OSError):
                logger.debug("wakeup_command_failed", command=name)

    async def _wake_all_at_the_end(self) -> None:
        """A process that is told to stop lets its readers say a last word."""
        await until_stopping()
        for event in [event for events in self._waiting.values() for event in events]:
            event.set()

    async def _listen(self) -> None:
        """Hold the one connection, for good: each new one costs more than it has to tell. After a
        loss, take it up again with every channel.
        """
        while True:
            client = valkey.listening_client()
            pubsub = client.pubsub()
            try:
                async with asyncio.timeout(CONFIRM_SECONDS), self._commands:
                    channels = [each for each in self._waiting if not each.startswith(SETTLEMENTS)]
                    await pubsub.subscribe(SETTLEMENTS, *channels)
                    self._pubsub = pubsub
                await self._hand_out(pubsub)
            except (redis.RedisError, OSError) as error:
                logger.info("wakeups_away", error=type(error).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)
            finally:
                self._pubsub, self._connected_at = None, math.inf
                self._settled.clear()
                await client.aclose()

    async def _hand_out(self, pubsub: PubSub) -> None:
        async for message in pubsub.listen():
            channel = message["channel"].decode()
            if message["type"] == "subscribe":
                self._confirm(channel)
            if message["type"] == "message":
                self._tell(channel, message["data"])

    def _confirm(self, channel: str) -> None:
        if channel == SETTLEMENTS:
            self._connected_at = time.monotonic()
        if channel in self._confirmed:
            self._confirmed[channel].set()

    def _tell(self, channel: str, word: bytes) -> None:
        if channel == SETTLEMENTS:
            self._tell_settled(word.decode().split())
        for event in self._waiting.get(channel, ()):
            event.hear(word)

    def _tell_settled(self, message_ids: list[str]) -> None:
        self._settled.update(dict.fromkeys(message_ids))
        while len(self._settled) > SETTLED_REMEMBERED:
            self._settled.popitem(last=False)
        for message_id in message_ids:
            for event in self._waiting.get(_name(message_id), ()):
                event.hear(SETTLED)


def _name(message_id: str) -> str:
    """Under which the hub keeps who waits for the one message."""
    return f"{SETTLEMENTS}:{message_id}"


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())


def publish(*channels: str) -> None:
    """Wake the channels' readers from a thread; silent where Valkey is away."""
    try:
        valkey.ask(lambda client: [client.publish(channel, "1") for channel in channels])
    except valkey.Unavailable:
        logger.debug("wakeup_unpublished")
