"""What a password must be, and turns at hashing one.

Hashing takes a fifth of a second of a core and one of few threads. So all threads but one may hash
at once, and the last one waits for a turn only briefly before it serves others again.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.http import HttpRequest
from django.utils.translation import gettext as _

from portal.rate_pages import too_many

PATIENCE_SECONDS = 0.5
COME_AGAIN_SECONDS = 1

_turns = threading.BoundedSemaphore(max(1, settings.WEB_THREADS - 1))


class LengthValidator(MinimumLengthValidator):
    """Django's; but its sentence has no Chinese in Django 5.2."""

    def get_error_message(self) -> str:
        return _("This password needs at least %(length)d characters.") % {
            "length": self.min_length
        }


@contextmanager
def turn(request: HttpRequest, refused: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hash within it. Where no turn comes in time the request is answered with 429.

    `refused` is called then: what was counted for this try must not count.
    """
    if not _turns.acquire(timeout=PATIENCE_SECONDS):
        refused()
        raise ImmediateHttpResponse(too_many(request, COME_AGAIN_SECONDS))
    try:
        yield
    finally:
        _turns.release()
