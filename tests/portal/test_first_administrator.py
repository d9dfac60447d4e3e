"""The one-time link: it makes the first administrator and then nobody."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import close_old_connections
from django.test import Client
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


def test_it_says_what_one_has_become_and_where_it_is(client, path):
    page = client.post(path, ENTRY, follow=True).content.decode()
    assert "You are administrator and moderator now. Review is in the bar above" in page


def test_it_works_once(client, path):
    client.post(path, ENTRY)
    assert client.get(path).status_code == 404
    assert client.post(path, ENTRY | {"email": "b@example.org"}).status_code == 404
    assert accounts.first_administrator_link() is None


def follow_apart(path: str) -> int:
    try:
        return Client().post(path, ENTRY | {"email": f"{uuid4()}@example.org"}).status_code
    finally:
        close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_of_twenty_who_follow_it_at_once_one_wins(path):
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(follow_apart, [path] * 20))
    assert sorted(answers) == [302] + [404] * 19
    assert User.objects.administrators().count() == 1


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


def test_an_address_that_no_database_holds_is_refused(client, path):
    assert client.post(path, ENTRY | {"email": "A" * 300 + "@x.org"}).status_code == 200
    assert not User.objects.exists()


def test_a_command_prints_the_link_where_up_does_not_run(path, capsys, settings):
    call_command("first_administrator")
    assert capsys.readouterr().out.startswith(settings.SITE_URL + "/accounts/first-administrator/")


def test_an_address_that_is_taken_is_refused(client, path):
    factories.user("root@example.org")
    assert b"already" in client.post(path, ENTRY).content


def test_the_page_forbids_inline_script_and_framing(client, path):
    policy = client.get(path)["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
