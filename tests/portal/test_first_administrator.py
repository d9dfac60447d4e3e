"""The one-time link: it makes the first administrator and then nobody."""

import pytest
from django.urls import reverse

from portal import accounts
from portal.models import User
from tests import factories

ENTRY = {"email": "Root@Example.org", "password": "a long and winding road"}


@pytest.fixture
def path(db, settings) -> str:
    return accounts.first_administrator_link().removeprefix(settings.SITE_URL)


def test_it_makes_an_administrator_who_is_signed_in(client, path):
    response = client.post(path, ENTRY)
    user = User.objects.get()
    assert (response.status_code, response["Location"]) == (302, "/")
    assert (user.email, user.is_superuser, user.is_moderator) == ("root@example.org", True, True)
    assert client.session["_auth_user_id"] == str(user.pk)


def test_it_works_once(client, path):
    client.post(path, ENTRY)
    assert client.get(path).status_code == 404
    assert client.post(path, ENTRY | {"email": "b@example.org"}).status_code == 404
    assert accounts.first_administrator_link() is None


def test_a_forged_link_is_not_found(client, db):
    assert client.get(reverse("first-administrator", args=["forged:x:y"])).status_code == 404


def test_a_link_that_is_too_old_is_not_found(client, path, monkeypatch):
    monkeypatch.setattr(accounts, "LINK_SECONDS", -1)
    assert client.get(path).status_code == 404


def test_a_common_password_is_refused_and_the_address_kept(client, path):
    response = client.post(path, ENTRY | {"password": "password123"})
    assert b"too common" in response.content
    assert b"Root@Example.org" in response.content
    assert not User.objects.exists()


def test_an_address_that_is_taken_is_refused(client, path):
    factories.user("root@example.org")
    assert b"already" in client.post(path, ENTRY).content


def test_the_page_forbids_inline_script_and_framing(client, path):
    policy = client.get(path)["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
