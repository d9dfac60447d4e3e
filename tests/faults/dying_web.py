"""A web process that is killed where the nudge would leave it: after the commit, before the hint.

    granian … tests.faults.dying_web:application

It is the real application; what dies is put below it, in the library that talks to the broker.
"""

import os
import signal
from typing import Any, NoReturn

import kombu.pools

from portal.asgi import application

__all__ = ["application"]


def die(*_args: Any, **_options: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


kombu.pools.ProducerPool.acquire = die
