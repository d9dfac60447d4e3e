"""Machines' paths know neither sessions nor messages; the pages among them do."""

import pytest
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages import get_messages
from django.contrib.messages.middleware import MessageMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from portal import lanes
from portal.lanes import MACHINES_POLICY
from portal.sessions import SessionMiddleware

pytestmark = pytest.mark.django_db
DOCS = "/platform/api2/docs/"
MIDDLEWARE = [
    lanes.MachinesPass,
    SessionMiddleware,
    AuthenticationMiddleware,
    MessageMiddleware,
    lanes.MachinesMeet,
]


def passed(path: str) -> HttpRequest:
    """A request as the view behind the middleware gets it."""
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    chain = view
    for middleware in reversed(MIDDLEWARE):
        chain = middleware(chain)
    chain(RequestFactory().get(path))
    return seen[0]


@pytest.mark.parametrize("path", ["/platform/api2/chat/feedback", "/v1/models", "/oauth2/token"])
def test_machines_paths_have_no_session_and_no_user(path):
    request = passed(path)
    assert not hasattr(request, "session")
    assert not hasattr(request, "user")
    assert not hasattr(request, "_messages")


@pytest.mark.parametrize("path", ["/", "/console/", DOCS, "/platform"])
def test_peoples_pages_have_them(path):
    request = passed(path)
    assert request.user.is_anonymous
    assert list(get_messages(request)) == []


def test_the_page_among_the_machines_paths_knows_who_is_signed_in(as_alice: Client):
    assert "alice@example.org" in as_alice.get(DOCS).content.decode()


def test_a_session_gets_nothing_at_a_machines_path(as_alice: Client):
    response = as_alice.get("/platform/api2/chat/feedback")
    assert (response.status_code, response.json()["code"]) == (401, 41001)
    assert not response.cookies


@pytest.mark.parametrize("path", ["/platform/api2/chat/feedback", "/platform/api2/schema/"])
def test_what_is_no_page_may_load_nothing(client: Client, path):
    assert client.get(path)["Content-Security-Policy"] == MACHINES_POLICY


def test_pages_keep_their_own_policy(client: Client):
    assert "script-src 'self'" in client.get(DOCS)["Content-Security-Policy"]


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_form_without_its_token_is_still_refused_to_people(as_alice: Client, method):
    browser = Client(enforce_csrf_checks=True)
    browser.cookies = as_alice.cookies
    assert getattr(browser, method)("/console/numbers/new/").status_code == 403


def test_lanes_that_part_must_meet():
    with pytest.raises(ImproperlyConfigured):
        lanes.MachinesPass(lambda _request: HttpResponse())


def test_static_files_do_not_depend_on_the_language(client: Client):
    response = client.get("/static/app.css")
    assert "Accept-Language" not in response.get("Vary", "")
    assert "script-src 'self'" in response["Content-Security-Policy"]
