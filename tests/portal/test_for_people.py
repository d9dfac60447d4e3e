"""Machines' paths know neither sessions nor messages; the pages among them do."""

import pytest
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from portal import for_people
from portal.for_people import MACHINES_POLICY

pytestmark = pytest.mark.django_db
DOCS = "/platform/api2/docs/"
MIDDLEWARE = [
    for_people.SessionMiddleware,
    for_people.AuthenticationMiddleware,
    for_people.MessageMiddleware,
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
