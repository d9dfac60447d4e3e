"""Pages of failures: what happened, what is safe, where to go, and the request's id."""

import re

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest
from django.template import loader
from django.test import Client

from ddio_api import fallbacks
from portal.models import State
from portal.request_ids import RequestIdMiddleware
from tests import factories

pytestmark = pytest.mark.django_db

REQUEST_ID = "req_of_this_test"


def asked(path: str = "/", **headers: str) -> HttpRequest:
    """A request that no other middleware has seen: no session, no user, no language."""
    request = HttpRequest()
    request.method, request.path = "GET", path
    request.META["fuwuhao.request_id"] = REQUEST_ID
    request.META |= headers
    return request


def broken(*args, **kwargs):
    raise OperationalError("the database's own words")


# What is not there ------------------------------------------------------------------------------


def test_a_page_that_is_not_there_says_so_and_names_the_request(client):
    response = client.get("/nothing/")
    page = response.content.decode()
    assert response.status_code == 404
    assert "There is nothing here" in page
    assert f"<code>{response['X-Request-ID']}</code>" in page


def test_a_stranger_may_log_in_and_come_back_to_what_may_be_his(client):
    page = client.get("/chat/a-draft/?a=1&b=2").content.decode()
    login = "/accounts/login/?next=/chat/a-draft/%3Fa%3D1%26b%3D2"
    assert f'If it is yours, <a href="{login}">log in</a> first.' in page


def test_a_draft_and_what_does_not_exist_look_the_same_to_a_stranger(client, alice):
    draft = factories.number(owner=alice, state=State.DRAFT)
    pages = [client.get(f"/chat/{handle}/") for handle in (draft.handle, "x" * len(draft.handle))]
    known, unknown = (
        page.content.decode().replace(page["X-Request-ID"], "").replace(page.wsgi_request.path, "")
        for page in pages
    )
    assert re.sub('value="[^"]{64}"', "", known) == re.sub('value="[^"]{64}"', "", unknown)


def test_who_is_logged_in_is_not_asked_to(client, alice):
    client.force_login(alice)
    assert "If it is yours" not in client.get("/nothing/").content.decode()


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [("/console", "/console/"), ("/accounts/login?next=/a", "/accounts/login/?next=/a")],
)
def test_an_address_without_its_last_slash_is_put_right(client, path, leads_to):
    response = client.get(path)
    assert (response.status_code, response["Location"]) == (301, leads_to)


@pytest.mark.parametrize(
    "path", ["/nothing", "/accounts/password/reset/key/0-/", "/platform/api2/token/x"]
)
def test_an_address_that_a_slash_would_not_help_is_not_redirected(client, path):
    assert client.get(path).status_code in (200, 404)


def test_what_is_sent_to_an_address_without_its_slash_is_not_redirected(client):
    assert client.post("/console").status_code == 404


# What is not allowed ----------------------------------------------------------------------------


def test_a_refusal_says_why(rf):
    request = rf.get("/")
    request.META["fuwuhao.request_id"] = REQUEST_ID
    response = fallbacks.forbidden(request, PermissionDenied("Only on <Mondays>."))
    assert response.status_code == 403
    assert "Only on &lt;Mondays&gt;." in response.content.decode()


def test_a_refusal_without_a_reason_says_something_too(rf):
    request = rf.get("/")
    request.META["fuwuhao.request_id"] = REQUEST_ID
    page = fallbacks.forbidden(request, PermissionDenied()).content.decode()
    assert "Your account does not have the right" in page


@pytest.fixture
def strict() -> Client:
    return Client(enforce_csrf_checks=True)


def test_a_form_that_is_not_ours_is_refused_with_what_to_do(strict):
    response = strict.post("/accounts/login/", {"login": "a@example.org", "password": "secret"})
    page = response.content.decode()
    assert response.status_code == 403
    assert "Reload the page." in page
    assert response["X-Request-ID"] in page
    assert "no-store" in response["Cache-Control"]


def test_a_machine_gets_json_for_the_same(rf):
    request = rf.post("/platform/api2/token")
    request.META["fuwuhao.request_id"] = REQUEST_ID
    response = fallbacks.csrf_failure(request, reason="no cookie")
    assert (response.status_code, response["Content-Type"]) == (
        403,
        "application/json; charset=utf-8",
    )


# What is broken ---------------------------------------------------------------------------------


def test_a_failure_is_admitted_without_a_word_of_what_it_was(client, monkeypatch):
    monkeypatch.setattr("portal.views.home.render", broken)
    client.raise_request_exception = False
    response = client.get("/")
    page = response.content.decode()
    assert response.status_code == 500
    assert "Something went wrong here" in page
    assert response["X-Request-ID"] in page
    assert "own words" not in page


def test_its_page_needs_no_database_no_session_and_no_context(monkeypatch, db):
    monkeypatch.setattr("django.db.backends.base.base.BaseDatabaseWrapper.cursor", broken)
    monkeypatch.setattr("portal.context.shell", broken)
    assert fallbacks.server_error(asked()).status_code == 500
    assert fallbacks.bad_request(asked(), ValueError("secret")).status_code == 400


def test_its_page_chooses_the_language_itself():
    page = fallbacks.server_error(asked(HTTP_ACCEPT_LANGUAGE="zh-CN")).content.decode()
    assert '<html lang="zh-hans">' in page


def test_a_forged_host_gets_a_page_that_does_not_repeat_it(client):
    response = client.get("/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert b"This request was not understood" in response.content
    assert b"evil.example" not in response.content


def test_the_id_of_every_failure_is_the_one_in_the_header(client):
    response = client.get("/nothing/", headers={"X-Request-ID": "given-by-the-caller"})
    assert b"<code>given-by-the-caller</code>" in response.content


# All of them ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "429", "500"])
def test_each_has_one_heading_one_way_out_and_nothing_inline(rf, name):
    request = rf.get("/")
    RequestIdMiddleware(lambda _request: {})(request)
    page = loader.render_to_string(f"{name}.html", {"seconds": 5, "minutes": 0}, request)
    assert len(re.findall("<h1", page)) == 1
    assert 'class="btn btn-primary" href="/"' in page
    assert not re.search(r'<script(?![^>]*src=)|style="|onclick', page)


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        ({"seconds": 1, "minutes": 0}, "You can go on in 1 second."),
        ({"seconds": 60, "minutes": 0}, "You can go on in 60 seconds."),
        ({"seconds": 130, "minutes": 3}, "You can go on in 3 minutes."),
    ],
)
def test_who_comes_too_often_is_told_when_to_come_again(rf, shown, sentence):
    request = rf.get("/")
    RequestIdMiddleware(lambda _request: {})(request)
    assert sentence in loader.render_to_string("429.html", shown, request)
