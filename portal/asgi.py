"""What the web server serves: `granian --interface asgi portal.asgi:application`."""

import os
import sys

import django
from django.core import checks
from django.core.handlers.wsgi import WSGIHandler

from portal.bridge import Bridge, Send
from portal.bridge_body import Receive, Scope


def refuse_to_start_misconfigured() -> None:
    """Exit with one line for each system check error, before a request could meet it."""
    found = [message for message in checks.run_checks() if message.is_serious(checks.ERROR)]
    errors = [message for message in found if not message.is_silenced()]
    for error in errors:
        hint = f" ({error.hint})" if error.hint else ""
        sys.stderr.write(f"{error.id or 'error'}: {error.msg}{hint}\n")
    if errors:
        sys.stderr.write("The web process does not start until this is mended.\n")
        sys.exit(1)


class AliveFirst:
    """Answers `/health/live` on the event loop, in front of everything else.

    The process is alive while its threads wait for a database that is away; whoever restarted it
    then would only make things worse.
    """

    PATH = "/health/live"
    BODY = b'{"status": "ok"}'

    def __init__(self, application: Bridge) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != self.PATH or scope.get("method") != "GET":
            await self._application(scope, receive, send)
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"content-length", str(len(self.BODY)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.BODY})


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()
refuse_to_start_misconfigured()
application = AliveFirst(Bridge(WSGIHandler()))
