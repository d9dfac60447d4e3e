"""Django's test client, with session cookies as the platform gives them: signed."""

from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.test.client import ClientMixin

from portal import sessions

_set_login_cookies = ClientMixin._set_login_cookies


def _session(client: Any) -> SessionBase:
    """The client's session, or a new one that it has from now on."""
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    if cookie:
        return store(sessions.key_in(cookie.value) or None)
    session = store()
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = sessions.cookie_of(str(session.session_key))
    return session


def _sign_login_cookies(client: Any, request: HttpRequest) -> None:
    _set_login_cookies(client, request)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    signed = sessions.cookie_of(cookie.value)
    cookie.set(cookie.key, signed, signed)


def sign(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ClientMixin, "session", property(_session))
    patch.setattr(ClientMixin, "_set_login_cookies", _sign_login_cookies)
