"""Middleware that only people's pages need. Machines bring no cookies and read no messages.

For machines' paths these are as if they were not there, which saves two fifths of what the whole
middleware costs; and a cookie that a browser sends there means nothing to anybody.
"""

from typing import Any

from csp import middleware as csp
from csp.constants import HEADER
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from portal import sessions
from portal.request_ids import MACHINE_PATHS

# Pages among the machines' paths, with the shell that knows who is signed in.
PAGES = ("/platform/api2/docs/",)
# What is no page may load nothing and be framed nowhere, should a browser show it.
MACHINES_POLICY = "default-src 'none'; frame-ancestors 'none'"


def is_machines(request: HttpRequest) -> bool:
    return request.path.startswith(MACHINE_PATHS) and not request.path.startswith(PAGES)


class _ForPeople(MiddlewareMixin):
    """To be put before a middleware class of Django's."""

    def __call__(self, request: HttpRequest) -> Any:
        if is_machines(request):
            return self.get_response(request)
        return super().__call__(request)


class SessionMiddleware(_ForPeople, sessions.SessionMiddleware):
    pass


class AuthenticationMiddleware(_ForPeople, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(_ForPeople, messages.MessageMiddleware):
    pass


class CSPMiddleware(csp.CSPMiddleware):
    """Composes the policy for people's pages, where it can depend on the page."""

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
