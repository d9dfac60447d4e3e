"""A small Django site of its own for the bridge: URL conf, middleware and views.

It runs in a Granian process, so what happened there is asked for at /events.
"""

import asyncio
import io
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator

import structlog
from django.core.exceptions import RequestDataTooBig
from django.core.signals import request_finished
from django.db import connection
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path, re_path
from django.utils import translation

from portal import bridge, bridge_answer, bridge_body
from portal.ending import stopping
from portal.hold import HeldResponse, HeldStream, Instead, in_thread

bridge.VIEW_SECONDS = float(os.environ.get("BRIDGE_VIEW_SECONDS", "30"))
bridge_body.BODY_SECONDS = float(os.environ.get("BRIDGE_BODY_SECONDS", "1"))
bridge_body.PACE_SECONDS = 2.0
bridge_body.TURN_SECONDS = 1.0
bridge_answer.READER_STALL_SECONDS = 1.0

events: Counter[str] = Counter()


def marking(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable:
    def middleware(request: HttpRequest) -> HttpResponse:
        with structlog.contextvars.bound_contextvars(request_id=request.GET.get("id", "none")):
            response = get_response(request)
        response["X-Marked"] = "yes"
        return response

    return middleware


def count_finished(**_kwargs: object) -> None:
    events["finished"] += 1
    events[f"finished in {threading.current_thread().name.split('_')[0]}"] += 1


request_finished.connect(count_finished)


def show_events(request: HttpRequest) -> JsonResponse:
    events["looks"] += 1
    now = {"threads": threading.active_count(), "descriptors": len(os.listdir("/dev/fd"))}
    return JsonResponse(events | now)


def quick(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ok": True, "items": list(range(20))})


def echo(request: HttpRequest) -> JsonResponse:
    meta = {name: value for name, value in request.META.items() if isinstance(value, str)}
    answer = {"meta": meta, "path": request.path, "cookies": request.COOKIES}
    return JsonResponse(answer | {"get": request.GET, "method": request.method})


def body(request: HttpRequest) -> HttpResponse:
    try:
        content = request.body
    except RequestDataTooBig:
        return JsonResponse({"code": 45002}, status=413)
    events[f"body {request.GET.get('id', '')}"] += 1
    return JsonResponse({"length": len(content), "head": content[:20].decode("latin-1")})


def ignoring(request: HttpRequest) -> HttpResponse:
    return HttpResponse("did not look at the body")


def cookies(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("two")
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return response


def status(request: HttpRequest, code: int) -> HttpResponse:
    return HttpResponse("text", status=code)


def broken(request: HttpRequest) -> HttpResponse:
    raise LookupError("a view that fails")


def held(request: HttpRequest) -> HeldResponse:
    name = request.GET.get("id", "")
    seconds = float(request.GET.get("seconds", "0.05"))

    async def wait(response: HeldResponse) -> None:
        events[f"held {name}"] += 1
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            events[f"cancelled {name}"] += 1
            raise
        response.status_code = 201
        response["X-Waited"] = "yes"
        response.content = structlog.contextvars.get_contextvars()["request_id"]

    return HeldResponse(wait, content_type="text/plain")


def held_until_stop(request: HttpRequest) -> HeldResponse:
    async def wait(response: HeldResponse) -> None:
        events["held until stop"] += 1
        await stopping().wait()
        response.content = "last word"

    return HeldResponse(wait)


def held_broken(request: HttpRequest) -> HeldResponse:
    async def wait(response: HeldResponse) -> None:
        raise LookupError("a wait that fails")

    return HeldResponse(wait)


def _read_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 41 + 1")
        return f"{cursor.fetchone()[0]} {translation.get_language()}"


def held_reading(request: HttpRequest) -> HeldResponse:
    async def wait(response: HeldResponse) -> None:
        response.content = await in_thread(_read_database)

    return HeldResponse(wait)


def stream(request: HttpRequest) -> HeldStream:
    name = request.GET.get("id", "")
    count, pause = int(request.GET.get("count", "3")), float(request.GET.get("pause", "0.05"))
    first = float(request.GET.get("first", "0"))
    piece = b"data: " + b"x" * int(request.GET.get("size", "5")) + b"\n\n"

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            await asyncio.sleep(first)
            for _ in range(count):
                yield piece
                await asyncio.sleep(pause)
        finally:
            events[f"closed {name}"] += 1

    content_type = request.GET.get("type", "text/event-stream")
    return HeldStream(chunks, content_type=content_type, begins_late="late" in request.GET)


def stream_or_refusal(request: HttpRequest) -> HeldStream:
    """A late stream that thinks better of it, after as many pieces as `after` says."""
    after = int(request.GET.get("after", "0"))

    async def chunks() -> AsyncGenerator[bytes, None]:
        for _ in range(after):
            yield b"data: piece\n\n"
        await asyncio.sleep(0.05)
        raise Instead(409, b"no stream", {"Content-Type": "text/plain", "X-Why": "late"})

    return HeldStream(chunks, begins_late=True)


def stream_broken(request: HttpRequest) -> HeldStream:
    late = "late" in request.GET

    async def chunks() -> AsyncGenerator[bytes, None]:
        if not late:
            yield b"data: first\n\n"
        raise LookupError("a stream that fails")

    return HeldStream(chunks, begins_late=late)


class Counted(io.BytesIO):
    name = ""

    def close(self) -> None:
        events[f"closed {self.name}"] += not self.closed
        super().close()


def file(request: HttpRequest) -> FileResponse:
    content = Counted(b"f" * int(request.GET.get("size", "1000")))
    content.name = request.GET.get("id", "")
    return FileResponse(content, filename="f.txt")


def export(request: HttpRequest) -> StreamingHttpResponse:
    name = request.GET.get("id", "")
    rows, fail_at = int(request.GET.get("rows", "10")), int(request.GET.get("fail", "-1"))

    def lines() -> Iterator[bytes]:
        threads = set()
        try:
            for number in range(rows):
                threads.add(threading.get_ident())
                if number == fail_at:
                    raise LookupError("an export that fails")
                yield b"%099d\n" % number
        finally:
            events[f"closed {name}"] += 1
            events[f"threads {name}"] = len(threads)

    return StreamingHttpResponse(lines(), content_type="text/csv")


def slow(request: HttpRequest) -> HttpResponse:
    time.sleep(float(request.GET.get("seconds", "1")))
    return HttpResponse("slow")


def late_export(request: HttpRequest) -> StreamingHttpResponse:
    slow(request)
    return export(request)


urlpatterns = [
    path("events", show_events),
    path("quick", quick),
    re_path("^echo", echo),
    path("body", body),
    path("ignoring", ignoring),
    path("cookies", cookies),
    path("status/<int:code>", status),
    path("broken", broken),
    path("held", held),
    path("held-until-stop", held_until_stop),
    path("held-broken", held_broken),
    path("platform/held-broken", held_broken),
    path("v1/held-broken", held_broken),
    path("held-reading", held_reading),
    path("stream", stream),
    path("stream-or-refusal", stream_or_refusal),
    path("stream-broken", stream_broken),
    path("file", file),
    path("export", export),
    path("platform/export", export),
    path("slow", slow),
    path("platform/slow", slow),
    path("late-export", late_export),
]
