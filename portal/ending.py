"""How a web process ends: nobody is let in any more, who waits is told, then it is tidied up.

When the process is told to stop, `stopping()` is set: whoever holds (`portal.hold`) may then say a
last word within `STOP_GRACE_SECONDS`; after that the bridge closes what is still open. When nothing
is open any more, what was left with `at_the_end` is called.
"""

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from weakref import WeakKeyDictionary

from portal import listeners

STOP_GRACE_SECONDS = 2.0  # must leave room inside the server's --workers-kill-timeout of 5
LAST_ARRIVALS_SECONDS = 0.1  # for the server to read from those that connected just before the end

_stopping: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Event] = WeakKeyDictionary()


def stopping() -> asyncio.Event:
    """Of the running loop: set once the process was told to stop. For others to wait on, only."""
    return _stopping.setdefault(asyncio.get_running_loop(), asyncio.Event())


async def until_stopping() -> None:
    """Return when the process was told to stop."""
    await stopping().wait()


def hear_stop_signals() -> None:
    """Set `stopping()` of the running loop on SIGTERM and SIGINT, then do what was done before.

    Granian tells the application of its end (lifespan.shutdown) only after the last connection
    is closed, and a held connection closes only when it hears of the end. So we listen
    ourselves, in front of the server's own handler, which a signal still reaches: once nobody
    is left whom it has let in and not yet read from. It would close on them.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        _chain(number, asyncio.get_running_loop(), stopping())


_last_deeds: list[Callable[[], None]] = []


def at_the_end(deed: Callable[[], None]) -> None:
    """Have it called when the web process ends, after the last answer. It must take a second or
    two at most, whatever is away: the server kills what does not end."""
    _last_deeds.append(deed)


def end() -> None:
    """Do what was left for the end; blocking, and for the bridge alone."""
    while _last_deeds:
        _last_deeds.pop()()


def _chain(number: signal.Signals, loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    previous = signal.getsignal(number)

    def heard(signum: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(event.set)
        _let_nobody_in()
        if callable(previous):
            previous(signum, frame)

    signal.signal(number, heard)


def _let_nobody_in() -> None:
    """And wait a moment, on the loop's own thread, for the loop runs the server's handler next.

    The server's threads take and read connections meanwhile.
    """
    for listener in listeners.listeners():
        with contextlib.suppress(OSError):
            listeners.leave_newcomers_out(listener)
    time.sleep(LAST_ARRIVALS_SECONDS)
