"""Recording calls: every answer under the machines' paths leaves one entry in the call log.

A held answer and a stream are recorded when they end, with the status that the caller got in the
end. What never reaches Django (a body that the bridge refuses) is not recorded.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from types import TracebackType

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from ddio_api import call_facts, call_log
from ddio_api.call_log import Entry
from ddio_api.models import Door, Outcome
from ddio_api.operations import NO_CALLS
from portal.ending import stopping
from portal.hold import HeldResponse, HeldStream, Instead
from portal.request_ids import MACHINE_PATHS, request_id_of

CLIENT_CLOSED_REQUEST = 499  # nginx's word for a caller who left before there was an answer
_DOORS = {"/oauth2/": Door.OAUTH, "/.well-known/": Door.OAUTH, "/cgi-bin/": Door.WECHAT}
_DOORS |= {"/v1/": Door.OPENAI}
_LENGTHS = {"operation": 60, "method": 10, "address": 45, "request_id": 64}


def door_of(path: str) -> Door:
    """By which door a machine came in."""
    found = (door for prefix, door in _DOORS.items() if path.startswith(prefix))
    return next(found, Door.DDIO)


def outcome_of(status: int, code: int) -> Outcome:
    if status >= 500 or code == -1:
        return Outcome.FAILED
    return Outcome.REFUSED if status >= 400 or code else Outcome.OK


class _Ongoing:
    """A call that is being answered."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._began = time.perf_counter()
        self.facts = call_facts.begin(request.META)

    def record(self, status: int, outcome: Outcome | None = None) -> None:
        request, facts = self._request, self.facts
        match = request.resolver_match
        operation = (match.url_name or "") if match else ""
        if operation in NO_CALLS:
            return
        words = {
            "operation": operation,
            "method": request.method or "",
            "address": request.META.get("REMOTE_ADDR", ""),
            "request_id": request_id_of(request),
        }
        entry = Entry(
            number_id=facts.number_id,
            app_id=facts.app_id,
            at=timezone.now(),
            door=door_of(request.path),
            status=status,
            code=facts.code,
            outcome=outcome or outcome_of(status, facts.code),
            duration_ms=round((time.perf_counter() - self._began) * 1000),
            **{name: words[name][:length] for name, length in _LENGTHS.items()},
        )
        call_log.log.add(entry)

    def hold(self, response: HeldResponse) -> None:
        wait = response.wait

        async def timed(held: HeldResponse) -> None:
            with _Ending(self, held):
                await wait(held)

        response.wait = timed

    def stream(self, response: HeldStream) -> None:
        chunks = response.chunks

        async def timed() -> AsyncGenerator[bytes, None]:
            with _Ending(self, response):
                async with aclosing(chunks()) as pieces:
                    async for piece in pieces:
                        yield piece

        response.chunks = timed


class _Ending:
    """Records how a wait or a stream ended, which its exception tells (see `portal.hold`)."""

    def __init__(self, call: _Ongoing, response: HeldResponse | HeldStream) -> None:
        self._call = call
        self._response = response
        self._stopping = stopping()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._call.record(self._response.status_code)
        elif isinstance(error, Instead):
            self._call.record(error.status)
        elif not issubclass(kind, asyncio.CancelledError | GeneratorExit):
            self._fail(500)
        elif self._stopping.is_set():
            self._fail(503)
        else:
            self._call.record(self._status_or(CLIENT_CLOSED_REQUEST), Outcome.LEFT)

    def _fail(self, status: int) -> None:
        self._call.facts.code = -1
        self._call.record(self._status_or(status))

    def _status_or(self, status: int) -> int:
        """A stream has sent its status before it began."""
        is_stream = isinstance(self._response, HeldStream)
        return self._response.status_code if is_stream else status


class CallRecordingMiddleware:
    """Right behind the request's id, so that what other middleware answers is recorded, too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(MACHINE_PATHS):
            return self.get_response(request)
        call = _Ongoing(request)
        response = self.get_response(request)
        if isinstance(response, HeldResponse):
            call.hold(response)
        elif isinstance(response, HeldStream) and request.method != "HEAD":
            call.stream(response)
        else:
            call.record(response.status_code)
        return response
