"""Requests that nobody sends by accident: an answer, never a 500."""

import logging

import pytest

from portal import passwords
from portal.account_adapter import AccountAdapter
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("key", ['"\\000\\000abcdefghijkl"', "x" * 10_000, "\x00" * 32, "ABC"])
@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/console/", 302)])
def test_a_session_that_was_never_ours_is_no_session(client, path, status, key):
    client.cookies["sessionid"] = key
    assert client.get(path).status_code == status


@pytest.mark.parametrize("page", ["login", "signup", "logout"])
def test_a_next_that_is_no_url_is_passed_over(client, page):
    answer = client.get(f"/accounts/{page}/", {"next": "http://["}, follow=True)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/console/", "/console/notices/", "/console/numbers/new/"])
def test_private_pages_are_kept_by_nobody(client, alice, path):
    client.force_login(alice)
    assert "no-store" in client.get(path).headers["Cache-Control"]


def test_an_own_network_of_ipv6_is_one_address(rf):
    seen = [rf.get("/", REMOTE_ADDR=f"2001:db8::{last}") for last in (1, 2)]
    assert {AccountAdapter().get_client_ip(request) for request in seen} == {"2001:db8::"}


def test_a_try_for_which_there_was_no_turn_does_not_count(client, monkeypatch):
    factories.user("dora@example.org", password="a right password")
    body = {"login": "dora@example.org", "password": "a right password"}
    monkeypatch.setattr(passwords, "PATIENCE_SECONDS", 0.001)
    taken = [passwords._turns.acquire() for _turn in range(3)]
    refused = [client.post("/accounts/login/", body).status_code for _try in range(12)]
    [passwords._turns.release() for _turn in taken]
    assert set(refused) == {429}
    assert client.post("/accounts/login/", body).status_code == 302


def test_what_is_refused_as_suspicious_is_logged_in_a_line(client, caplog):
    with caplog.at_level(logging.ERROR):
        client.get("/", headers={"Host": "forged.example"})
    assert [record.exc_info for record in caplog.records] == [None] * len(caplog.records)
