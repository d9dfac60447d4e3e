"""Where the time of a request goes: own time by package, of the handler in this process.

cProfile makes small functions look dearer than they are; so its shares are of a time that was
measured without it. What a built-in function takes is its caller's.
"""

import cProfile
import io
import pstats
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

# The first that fits names the share.
PLACES = {
    "/redis/": "Valkey (redis-py)",
    "portal/valkey.py": "Valkey (redis-py)",
    "portal/counters.py": "Valkey (redis-py)",
    "portal/app_records.py": "app record",
    "/psycopg": "database",
    "django/db/": "database",
    "/rest_framework/": "DRF",
    "/json/": "JSON",
    "ddio_api/parsing.py": "parsing",
    "ddio_api/tokens.py": "signing",
    "hmac.py": "signing",
    "portal/credentials.py": "secret check",
    "ddio_api/": "ddio_api",
    "bots/": "bots",
    "django/urls/": "URL resolving",
    "django/utils/translation/": "language",
    "gettext.py": "language",
    "structlog/": "request id, log context",
    "portal/request_ids.py": "request id, log context",
    "django/middleware/": "middleware",
    "/csp/": "middleware",
    "/allauth/": "middleware",
    "/whitenoise/": "middleware",
    "django_htmx/": "middleware",
    "django/contrib/": "middleware",
    "portal/": "middleware",
    "django/core/handlers/": "Django's handler",
    "django/core/signals.py": "Django's handler",
    "django/dispatch/": "Django's handler",
    "django/http/": "request and response",
    "django/utils/": "request and response",
}
OTHER = "other"
# What takes no time of ours: it is the other end's.
WAITING = ["recv", "sendall", "poll", "wait_c", "acquire"]


def environ_of(path: str, body: bytes = b"", **headers: str) -> dict[str, Any]:
    """A request as the bridge hands it on."""
    path, _, query = path.partition("?")
    return {
        "REQUEST_METHOD": "POST" if body else "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        **headers,
    }


def asking(path: str, body: bytes = b"", **headers: str) -> Callable[[], None]:
    """A function that makes the request once, from the handler's door to the closed response."""
    handler: Callable[..., Any] = WSGIHandler()

    def ask() -> None:
        response = handler(environ_of(path, body, **headers), lambda *_head: None)
        content = b"".join(response)
        response.close()
        if response.status_code != 200:
            raise SystemExit(f"{path}: {response.status_code} {content[:300]!r}")

    return ask


def microseconds(ask: Callable[[], None], seconds: float = 1.5) -> float:
    """The CPU of this process for one call: of the bundle that was the least disturbed."""
    for _ in range(50):
        ask()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.process_time()
        for _ in range(25):
            ask()
        best = min(best, (time.process_time() - began) / 25)
    return best * 1e6


def shares(ask: Callable[[], None], count: int = 1500) -> dict[str, float]:
    """The share of each place, the largest first."""
    ask()
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(count):
        ask()
    profile.disable()
    spent: dict[str, float] = defaultdict(float)
    for (file, _line, function), entry in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        _calls, _primitive, own, _cumulative, callers = entry
        if any(f"'{name}'" in function for name in WAITING):
            continue
        if file == "~":
            for (caller, _l, _n), called in callers.items():
                spent[_place(caller)] += called[2]
        else:
            spent[_place(file)] += own
    whole = sum(spent.values())
    ordered = sorted(spent.items(), key=lambda item: -item[1])
    return {place: seconds / whole for place, seconds in ordered}


def _place(file: str) -> str:
    return next((place for part, place in PLACES.items() if part in file), OTHER)


def show(name: str, ask: Callable[[], None]) -> None:
    whole = microseconds(ask)
    print(f"{name}: {whole:.0f} µs CPU in this process, of which")
    for place, share in shares(ask).items():
        if share >= 0.01:
            print(f"  {share * whole:5.0f} µs  {share:4.0%}  {place}")
