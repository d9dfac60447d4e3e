"""Sessions that only whoever was given the cookie can use.

The cookie is the session's key with a signature of this installation's. The key alone stands in the
database, in its backups, and in the list of a person's sessions: whoever reads it there has nothing
that opens anything.
"""

import re

from django.conf import settings
from django.contrib.sessions import middleware
from django.core import signing
from django.http import HttpRequest, HttpResponse

_COOKIE = re.compile(r"[a-z0-9]{32}\.[A-Za-z0-9_-]{43}")


def _signer() -> signing.Signer:
    return signing.Signer(salt="portal.sessions", sep=".")


def cookie_of(session_key: str) -> str:
    """What the browser is given for the session."""
    return _signer().sign(session_key)


def key_in(cookie: str) -> str:
    """The session's key; empty where we never gave that cookie to anybody.

    A cookie may hold anything, also a NUL, which PostgreSQL refuses with an error.
    """
    if not _COOKIE.fullmatch(cookie):
        return ""
    try:
        return _signer().unsign(cookie)
    except signing.BadSignature:
        return ""


class SessionMiddleware(middleware.SessionMiddleware):
    """Django's, with the signature on the way out and without it on the way in."""

    def process_request(self, request: HttpRequest) -> None:
        name = settings.SESSION_COOKIE_NAME
        key = key_in(request.COOKIES.pop(name, ""))
        if key:
            request.COOKIES[name] = key
        super().process_request(request)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response = super().process_response(request, response)
        given = response.cookies.get(settings.SESSION_COOKIE_NAME)
        if given and given.value:  # empty where it is taken back
            signed = cookie_of(given.value)
            given.set(given.key, signed, signed)
        return response
