"""Signing in: one door with one set of limits, and second factors that no dump gives away."""

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.utils.html import escape

from portal import logs
from portal.models import ServiceNumber, State, User
from portal.second_factor import Adapter
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator() -> User:
    user = User.objects.create_superuser("root@example.org", "a long and winding road")
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    return user


def test_the_admin_has_no_login_of_its_own(client, administrator):
    TOTP.activate(administrator, generate_totp_secret())
    entry = {"username": administrator.email, "password": "a long and winding road"}
    response = client.post("/admin/login/?next=/admin/", entry)
    assert response["Location"].startswith("/accounts/login/")
    assert "_auth_user_id" not in client.session


def test_the_password_alone_does_not_sign_in_who_has_a_second_factor(client, administrator):
    TOTP.activate(administrator, generate_totp_secret())
    entry = {"login": administrator.email, "password": "a long and winding road"}
    response = client.post("/accounts/login/", entry)
    assert response["Location"] == "/accounts/2fa/authenticate/"
    assert "_auth_user_id" not in client.session


def test_a_second_factor_is_encrypted_at_rest(administrator):
    secret = generate_totp_secret()
    TOTP.activate(administrator, secret)
    stored = Authenticator.objects.get()
    assert secret not in str(stored.data)
    assert Adapter().decrypt(stored.data["secret"]) == secret


def test_signing_up_looks_the_same_for_a_known_address(client):
    factories.user("known@example.org")
    entry = {"password1": "a long and winding road"}
    known = client.post("/accounts/signup/", entry | {"email": "known@example.org"})
    fresh = client.post("/accounts/signup/", entry | {"email": "fresh@example.org"})
    assert (known.status_code, known["Location"]) == (fresh.status_code, fresh["Location"])


def test_signing_up_hashes_a_password_for_a_known_address_too(client, monkeypatch):
    factories.user("known@example.org")
    hashed: list[str] = []
    monkeypatch.setattr("portal.forms.make_password", hashed.append)
    entry = {"email": "known@example.org", "password1": "a long and winding road"}
    client.post("/accounts/signup/", entry)
    assert hashed == ["a long and winding road"]


def test_a_link_that_signs_somebody_in_is_not_logged():
    event = {"event": "Forbidden: /accounts/first-administrator/tok.en:x/"}
    assert logs._hide_links(None, "", event)["event"].endswith("/first-administrator/…/")


# The page ---------------------------------------------------------------------------------------


LOGIN, RESET = "/accounts/login/", "/accounts/password/reset/"
PASSWORD = "a long and winding road"


def test_the_page_has_the_controls_that_it_should(client):
    page = client.get(LOGIN).content.decode()
    assert '<label for="id_login">Email</label>' in page
    assert '<label for="id_password">Password</label>' in page
    assert re.search(r'<button class="btn btn-primary[^"]*">Log in</button>', page)
    assert "<title>Log in · " in page


def test_it_leads_to_the_console(client, administrator):
    entry = {"login": "ROOT@example.org", "password": PASSWORD}
    assert client.post(LOGIN, entry)["Location"] == "/console/"


def test_it_leads_to_where_one_wanted_to_go(client, administrator):
    page = client.get(LOGIN + "?next=/chat/demo/").content.decode()
    assert '<input type="hidden" name="next" value="/chat/demo/">' in page
    entry = {"login": administrator.email, "password": PASSWORD, "next": "/chat/demo/"}
    assert client.post(LOGIN, entry)["Location"] == "/chat/demo/"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
        "http:///evil.example",
        "\0",
    ],
)
def test_it_leads_nowhere_else(client, administrator, elsewhere):
    entry = {"login": administrator.email, "password": PASSWORD, "next": elsewhere}
    assert client.post(LOGIN, entry)["Location"] == "/console/"


def test_a_wrong_password_and_an_unknown_address_look_the_same(client, administrator):
    known = client.post(LOGIN, {"login": administrator.email, "password": "wrong"})
    unknown = client.post(LOGIN, {"login": "else@example.org", "password": "wrong"})
    sentence = b"This email address and this password do not belong together."
    assert [sentence in page.content for page in (known, unknown)] == [True, True]


@pytest.mark.parametrize("email", ["root@example.org", "nobody@example.org"])
def test_a_password_is_hashed_once_whether_the_address_is_known_or_not(
    client, administrator, monkeypatch, email
):
    hashed: list[str] = []
    hasher = "django.contrib.auth.hashers.MD5PasswordHasher"
    monkeypatch.setattr(f"{hasher}.encode", lambda _self, text, _salt: hashed.append(text) or "x")
    client.post(LOGIN, {"login": email, "password": "wrong"})
    assert hashed == ["wrong"]


@pytest.mark.parametrize(
    "entry",
    [{"login": "a\0@x.org"}, {"password": "a\0b"}, {"login": "x" * 100_000}, {"login": ["a", "b"]}],
)
def test_what_is_no_entry_breaks_nothing(client, administrator, entry):
    complete = {"login": administrator.email, "password": "wrong"} | entry
    assert client.post(LOGIN, complete).status_code == 200


# To a robot's chat ------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", ["", "?new=1", "conv_1/"])
def test_it_names_the_robot_that_it_leads_to(client, number, rest):
    page = client.get(LOGIN, {"next": f"/chat/{number.handle}/{rest}"}).content.decode()
    assert f"<strong>{escape(number.name)}</strong> answers people with an account." in page


@pytest.mark.parametrize("state", [state for state in State if state != State.APPROVED])
def test_it_names_no_robot_that_is_not_public(client, number, state):
    ServiceNumber.objects.update(state=state)
    page = client.get(LOGIN, {"next": f"/chat/{number.handle}/"}).content.decode()
    assert escape(number.name) not in page


@pytest.mark.parametrize(
    "next_page",
    ["", "/", "/chat/none/", "/chat/\0/", "/chat/%00/", "//[", "https://x/chat/a/", "/admin/x"],
)
def test_it_names_no_robot_for_any_other_page(client, number, next_page):
    response = client.get(LOGIN, {"next": next_page})
    assert response.status_code == 200
    assert "answers people" not in response.content.decode()


# A forgotten password ---------------------------------------------------------------------------


def link_path(settings) -> str:
    lines = mail.outbox[-1].body.splitlines()
    return next(line for line in lines if "/reset/key/" in line).removeprefix(settings.SITE_URL)


def choose(client, path: str, password: str = "a new and winding road"):
    form = client.get(path, follow=True).request["PATH_INFO"]
    return client.post(form, {"password1": password, "password2": password})


def test_a_reset_link_works_once(client, administrator, settings):
    client.post(RESET, {"email": administrator.email})
    path = link_path(settings)
    assert choose(client, path).status_code == 302
    assert b"does not work any more" in choose(type(client)(), path).content
    assert User.objects.get().check_password("a new and winding road")


def test_a_reset_ends_all_sessions(client, administrator, settings):
    elsewhere = type(client)()
    elsewhere.force_login(administrator)
    client.post(RESET, {"email": administrator.email})
    choose(client, link_path(settings))
    assert elsewhere.get("/accounts/email/").status_code == 302


def test_a_reset_looks_the_same_for_an_unknown_address(client, administrator):
    answers = [client.post(RESET, {"email": e}) for e in ("root@example.org", "else@example.org")]
    assert {answer["Location"] for answer in answers} == {"/accounts/password/reset/done/"}
    assert [len(sent.to) for sent in mail.outbox] == [1, 1]


def test_a_reset_mail_leads_to_the_site_whatever_host_was_asked(client, administrator, settings):
    client.post(RESET, {"email": administrator.email}, headers={"Host": "127.0.0.1"})
    assert f"{settings.SITE_URL}/accounts/password/reset/key/" in mail.outbox[0].body
    assert "127.0.0.1" not in mail.outbox[0].body


def test_a_reset_for_a_forged_host_is_refused(client, administrator):
    forged = {"Host": "evil.example"}
    assert client.post(RESET, {"email": administrator.email}, headers=forged).status_code == 400
    assert mail.outbox == []


@pytest.mark.parametrize("key", ["1-abc", "zzzzzzzzzzzzz-x", "0-", "1-%00", "%E4%BD%A0-1"])
def test_a_reset_link_that_is_none_breaks_nothing(client, key):
    assert client.get(f"/accounts/password/reset/key/{key}/").status_code in (200, 404)


def test_a_mail_server_that_is_away_is_said(client, administrator, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    page = client.post(RESET, {"email": administrator.email}, follow=True).content.decode()
    assert "The mail could not be sent" in page
