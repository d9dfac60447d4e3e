"""The hold pattern: a view that has to wait says so in its return value and gives its thread back.

The view runs like any other (thread pool, middleware, authentication, limits). Then it returns a
`HeldResponse` (one answer, later) or a `HeldStream` (an answer in pieces), and `portal.bridge`
waits on the event loop without a thread and without a database connection. What such a wait has
to read from the database it reads with `in_thread`.

When the process is told to stop (`portal.ending`), whoever holds may say a last word.
"""

import asyncio
import contextvars
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections
from django.http import HttpResponse
from django.utils import translation

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class HeldResponse(HttpResponse):
    """A response whose status and content are known later.

    `wait` gets this response, runs on the event loop and sets `status_code`, `content` and
    headers. Headers that middleware put on the response when the view returned stay. If `wait`
    raises, the client gets a plain 500; if the client goes away, `wait` is cancelled; if the
    process stops and `wait` does not end in time, the client gets a plain 503.
    """

    def __init__(self, wait: Callable[["HeldResponse"], Awaitable[None]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wait = wait
        # The context of the view, before any middleware tidies it up: the wait keeps the
        # request's id in its log lines.
        self.context = contextvars.copy_context()
        self.language = translation.get_language()

    async def resolve(self) -> None:
        """Wait until status and content are final; raises whatever `wait` raises."""
        speak(self.language)
        await self.wait(self)


class Instead(Exception):
    """Raised by the generator of a `HeldStream` before its first piece: send this, no stream.

    Only where nothing was sent yet, so the stream must be one that `begins_late`.
    """

    def __init__(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.content = content
        self.headers = headers


class HeldStream(HttpResponse):
    """A response in pieces: headers go out at once, then each yield of the generator as it comes.

    With `begins_late` the headers wait for the first piece, and until then the generator may raise
    `Instead`; if the process stops before, the client gets a plain 503.

    The generator is closed when the client goes away, when it stops reading for
    `portal.bridge.READER_STALL_SECONDS`, or when the process stops.
    """

    def __init__(
        self,
        chunks: Callable[[], AsyncGenerator[bytes, None]],
        content_type: str = "text/event-stream",
        *,
        begins_late: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(content_type=content_type, **kwargs)
        self.chunks = chunks
        self.begins_late = begins_late
        self.context = contextvars.copy_context()
        self.language = translation.get_language()
        self["Cache-Control"] = "no-store"
        self["X-Accel-Buffering"] = "no"

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """What is to be sent; to be called in the task that sends it."""
        speak(self.language)
        return self.chunks()

    def become(self, instead: Instead) -> None:
        """An ordinary answer; what middleware put on the response stays."""
        del self["X-Accel-Buffering"]
        self.status_code = instead.status
        self.content = instead.content
        for name, value in instead.headers.items():
            self[name] = value


def speak(language: str | None) -> None:
    """In this task. What Django activates belongs to a thread: no context carries it to another."""
    if language:
        translation.activate(language)


@functools.cache
def thread_pool() -> ThreadPoolExecutor:
    """The bounded pool in which everything blocking of a web process runs."""
    return ThreadPoolExecutor(max_workers=settings.WEB_THREADS, thread_name_prefix="web")


async def in_thread(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Run a blocking function, database reads for one, in the bounded pool; raises what it raises.

    The caller's context variables and language are seen inside. Afterwards the thread keeps no
    database connection, except where the settings say that connections live on (SQLite).
    """
    run = contextvars.copy_context().run
    speaking = translation.override(translation.get_language())
    call = functools.partial(run, _then_release, speaking, function, *args, **kwargs)
    result: Result = await asyncio.get_running_loop().run_in_executor(thread_pool(), call)
    return result


def _then_release(
    speaking: translation.override, function: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    try:
        with speaking:
            return function(*args, **kwargs)
    finally:
        close_old_connections()
