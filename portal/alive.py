"""Is the process alive? Answered without a thread, and without whatever a thread may wait for."""

from portal.bridge import Bridge, Send
from portal.bridge_body import Receive, Scope


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
