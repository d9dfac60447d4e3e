"""Sessions that only a key of their own shape can name."""

import re

from django.conf import settings
from django.contrib.sessions import middleware
from django.http import HttpRequest

_KEY = re.compile("[a-z0-9]{32}")


class SessionMiddleware(middleware.SessionMiddleware):
    """Django's, deaf to cookies that it never set.

    A cookie may hold anything, also a NUL, which PostgreSQL refuses with an error.
    """

    def process_request(self, request: HttpRequest) -> None:
        if not _KEY.fullmatch(request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")):
            request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
        super().process_request(request)
