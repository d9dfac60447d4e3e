"""Who guesses is stopped; whoever is guessed at is not."""

import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest
from allauth.account import app_settings
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from portal import login_limits, passwords, valkey
from portal.login_limits import WRONG_FOR_ONE_ACCOUNT, WRONG_FROM_ONE_ADDRESS, Attempt
from portal.models import User
from portal.networks import network_of
from tests import factories

pytestmark = pytest.mark.django_db

LOGIN = "/accounts/login/"
PASSWORD = "a long and winding road"
HERE, ELSEWHERE = "203.0.113.5", "198.51.100.7"


@pytest.fixture(autouse=True)
def one_window(monkeypatch) -> None:
    """A test that straddles two windows would count from nothing again."""
    monkeypatch.setattr(login_limits, "WINDOW_SECONDS", 10_000_000_000)


@pytest.fixture
def victim() -> User:
    user = factories.user("victim@example.org", password=PASSWORD)
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    return user


def log_in(client, email="victim@example.org", password="wrong", address=HERE, **headers):
    entry = {"login": email, "password": password}
    return client.post(LOGIN, entry, REMOTE_ADDR=address, headers=headers)


def use_up(address: str, account: str, tries: int = WRONG_FOR_ONE_ACCOUNT) -> None:
    for _ in range(tries):
        Attempt(account, address).count()


# Passwords --------------------------------------------------------------------------------------


def test_too_many_wrong_passwords_are_answered_429_and_told_when(client, victim):
    for _ in range(WRONG_FOR_ONE_ACCOUNT):
        assert log_in(client).status_code == 200
    refused = log_in(client, password=PASSWORD)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    assert "That was too often" in refused.content.decode()


def test_a_stranger_does_not_lock_the_victim_out(client, victim):
    use_up(ELSEWHERE, victim.email, tries=WRONG_FROM_ONE_ADDRESS)
    assert log_in(client, password=PASSWORD)["Location"] == "/console/"


def test_a_right_password_passes_until_the_own_budget_is_used_up(client, victim):
    use_up(HERE, victim.email, tries=WRONG_FOR_ONE_ACCOUNT - 1)
    assert log_in(client, password=PASSWORD)["Location"] == "/console/"


def test_right_passwords_are_not_counted(victim):
    for _ in range(WRONG_FOR_ONE_ACCOUNT + 1):
        assert log_in(Client(), password=PASSWORD)["Location"] == "/console/"


def test_one_address_that_tries_many_accounts_is_stopped(client, victim):
    for number in range(WRONG_FROM_ONE_ADDRESS):
        Attempt(f"{number}@example.org", HERE).count()
    assert log_in(client).status_code == 429


def test_an_unknown_account_is_counted_like_a_known_one(client, victim):
    use_up(HERE, "nobody@example.org")
    assert log_in(client, email="Nobody@example.org").status_code == 429


def test_a_forged_forwarding_header_gains_nothing(client, victim):
    use_up(HERE, victim.email)
    forged = {
        "X-Forwarded-For": "192.0.2.1",
        "Forwarded": "for=192.0.2.1",
        "X-Real-IP": "192.0.2.1",
    }
    assert log_in(client, **forged).status_code == 429


def test_of_many_tries_at_once_no_more_than_the_limit_pass():
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: Attempt("a@example.org", HERE).count(), range(100)))
    assert waits.count(0) == WRONG_FOR_ONE_ACCOUNT


def test_what_is_refused_for_the_account_does_not_use_up_the_address():
    use_up(HERE, "a@example.org", tries=WRONG_FROM_ONE_ADDRESS * 2)
    assert Attempt("b@example.org", HERE).count() == 0


def test_without_valkey_each_process_counts(client, victim, monkeypatch):
    monkeypatch.setattr(valkey._Pause, "until", float("inf"))
    use_up("192.0.2.99", victim.email)
    assert log_in(client, address="192.0.2.99").status_code == 429


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("", ""),
    ],
)
def test_all_addresses_of_one_ipv6_network_are_one(address, network):
    assert network_of(address) == network


def test_a_client_without_an_address_can_sign_in(client, victim):
    assert log_in(client, password=PASSWORD, address="")["Location"] == "/console/"


def test_reauthentication_is_counted_with_logins(client, victim):
    client.force_login(victim)
    use_up("127.0.0.1", victim.email)
    response = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert (response.status_code, "Retry-After" in response) == (429, True)


# Second factors ---------------------------------------------------------------------------------


def try_codes(client, victim, tries: int) -> str:
    log_in(client, password=PASSWORD)
    for _ in range(tries):
        response = client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    return response.content.decode()


def test_guessing_codes_is_stopped_and_so_is_a_recovery_code_then(client, victim):
    TOTP.activate(victim, generate_totp_secret())
    codes = RecoveryCodes.activate(victim).get_unused_codes()
    assert "too many wrong codes" in try_codes(client, victim, 11)
    response = client.post("/accounts/2fa/authenticate/", {"code": codes[0]})
    assert response.status_code == 200
    assert "_auth_user_id" not in client.session


def test_who_has_no_password_cannot_use_up_the_codes(client, victim):
    TOTP.activate(victim, generate_totp_secret())
    codes = RecoveryCodes.activate(victim).get_unused_codes()
    for _ in range(12):
        assert client.post("/accounts/2fa/authenticate/", {"code": "1"}).status_code == 302
    log_in(client, password=PASSWORD)
    response = client.post("/accounts/2fa/authenticate/", {"code": codes[0]})
    assert response["Location"] == "/console/"


# allauth's own limits ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "entry", "tries"),
    [
        ("/accounts/signup/", {"email": "", "password1": ""}, 20),
        ("/accounts/password/reset/", {"email": "a@example.org"}, 5),
        ("/accounts/login/", {"login": "", "password": ""}, 30),
    ],
)
def test_its_429_says_when_too(client, path, entry, tries):
    for _ in range(tries):
        assert client.post(path, entry).status_code in (200, 302)
    response = client.post(path, entry)
    assert (response.status_code, response["Retry-After"]) == (429, "60")


def test_every_rate_that_answers_429_is_over_within_a_minute():
    silent = {"login_failed", "confirm_email", "verify_phone"}
    rates = {name: rate for name, rate in app_settings.RATE_LIMITS.items() if name not in silent}
    each = [one for rate in rates.values() for one in rate.split(",")]
    assert [one for one in each if one.split("/")[1] != "m"] == []


def test_its_limits_are_counted_where_all_processes_see_them(settings):
    assert settings.CACHES["default"]["BACKEND"] == "portal.cache.ValkeyCache"


def test_it_reads_the_address_that_the_bridge_settled(rf, settings):
    adapter = import_module("portal.account_adapter").AccountAdapter()
    request = rf.get("/", REMOTE_ADDR="fe80::1%eth0", headers={"X-Forwarded-For": "192.0.2.1"})
    assert adapter.get_client_ip(request) == "fe80::"


# Hashing ----------------------------------------------------------------------------------------


@pytest.fixture
def no_turn_left(monkeypatch):
    monkeypatch.setattr(passwords, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(passwords, "_turns", threading.BoundedSemaphore(1))
    passwords._turns.acquire()


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        (LOGIN, {"login": "victim@example.org", "password": PASSWORD}),
        ("/accounts/signup/", {"email": "new@example.org", "password1": PASSWORD}),
        ("/accounts/signup/", {"email": "victim@example.org", "password1": PASSWORD}),
    ],
)
def test_where_no_thread_is_left_for_hashing_it_says_so_at_once(
    client, victim, no_turn_left, path, entry
):
    response = client.post(path, entry)
    assert (response.status_code, response["Retry-After"]) == (429, "1")


def test_a_turn_is_given_back(client, victim, monkeypatch):
    monkeypatch.setattr(passwords, "_turns", threading.BoundedSemaphore(1))
    assert log_in(client).status_code == 200
    assert log_in(client, password=PASSWORD)["Location"] == "/console/"
