"""Two lanes through the middleware: machines bring no cookies, forms or messages and pass by them.

All that stands between `MachinesPass` and `MachinesMeet` in the settings is for people's pages. For
machines' paths it is as if it were not there, which saves half of what the whole middleware costs;
and a cookie that a browser sends there means nothing to anybody.
"""

import threading
from collections.abc import Callable

from csp import middleware as csp
from csp.constants import HEADER
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from portal.request_ids import MACHINE_PATHS

# Pages among the machines' paths, with the shell that knows who is signed in.
PAGES = ("/platform/api2/docs/",)
# What is no page may load nothing and be framed nowhere, should a browser show it.
MACHINES_POLICY = "default-src 'none'; frame-ancestors 'none'"

Answering = Callable[[HttpRequest], HttpResponseBase]


def is_machines(request: HttpRequest) -> bool:
    return request.path.startswith(MACHINE_PATHS) and not request.path.startswith(PAGES)


class _Building(threading.local):
    """Django builds the middleware from the inside out: the lanes meet before they part."""

    meeting: Answering | None = None


_building = _Building()


class MachinesMeet:
    """Where the lanes are one again: the views are behind it."""

    def __init__(self, get_response: Answering) -> None:
        self._get_response = get_response
        _building.meeting = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)


class MachinesPass:
    """Where they part."""

    def __init__(self, get_response: Answering) -> None:
        if _building.meeting is None:
            raise ImproperlyConfigured("MachinesPass needs MachinesMeet further down")
        self._peoples, self._machines = get_response, _building.meeting
        _building.meeting = None

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._machines(request) if is_machines(request) else self._peoples(request)


class CSPMiddleware(csp.CSPMiddleware):
    """Composes the policy for people's pages, where it can depend on the page.

    It stands in front of both lanes, because static files need a policy, too.
    """

    def process_request(self, request: HttpRequest) -> None:
        if not is_machines(request):
            super().process_request(request)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if is_machines(request):
            response.headers.setdefault(HEADER, MACHINES_POLICY)
            return response
        return super().process_response(request, response)
