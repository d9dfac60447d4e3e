"""The pages of the second factor, and of the e-mail address: both ask for the password first."""

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core import mail

from portal.models import User
from tests import factories

pytestmark = pytest.mark.django_db

PASSWORD = "a long and winding road"
INDEX, ACTIVATE = "/accounts/2fa/", "/accounts/2fa/totp/activate/"
DEACTIVATE, CODES = "/accounts/2fa/totp/deactivate/", "/accounts/2fa/recovery-codes/"
EMAIL = "/accounts/email/"


@pytest.fixture
def person() -> User:
    user = factories.user("person@example.org", password=PASSWORD)
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def sure(client, person):
    """The client of a person who has just confirmed the password."""
    client.force_login(person)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


@pytest.fixture
def protected(sure, person):
    TOTP.activate(person, generate_totp_secret())
    RecoveryCodes.activate(person)
    return sure


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


@pytest.mark.parametrize("path", [ACTIVATE, CODES + "generate/"])
def test_the_password_is_asked_for_first(client, person, path):
    client.force_login(person)
    assert client.get(path)["Location"].startswith("/accounts/reauthenticate/?next=")


@pytest.mark.parametrize("path", [INDEX, ACTIVATE, DEACTIVATE, CODES, CODES + "download/", EMAIL])
def test_strangers_are_asked_to_log_in(client, path):
    assert client.get(path)["Location"].startswith("/accounts/login/?next=")


def test_a_wrong_password_is_said_beside_the_field(client, person):
    client.force_login(person)
    page = client.post("/accounts/reauthenticate/", {"password": "wrong"}).content.decode()
    assert "This is not your password." in page


def test_the_app_is_set_up_with_a_picture_and_a_code(sure):
    page = sure.get(ACTIVATE).content.decode()
    assert 'src="data:image/svg+xml;base64,' in page
    code = code_of(sure.session["mfa.totp.secret"])
    assert sure.post(ACTIVATE, {"code": code})["Location"] == CODES
    assert Authenticator.objects.count() == 2


@pytest.mark.parametrize("code", ["000000", "", "x" * 1000, "1\0", "１２３４５６"])
def test_a_wrong_code_sets_up_nothing(sure, code):
    response = sure.post(ACTIVATE, {"code": code})
    assert (response.status_code, Authenticator.objects.count()) == (200, 0)


def test_the_index_says_what_is_on(sure, person):
    assert "Set up authenticator app" in sure.get(INDEX).content.decode()
    TOTP.activate(person, generate_totp_secret())
    assert "Switch off" in sure.get(INDEX).content.decode()


def test_it_is_switched_off_by_a_form_alone(protected):
    protected.get(DEACTIVATE)
    assert Authenticator.objects.count() == 2
    assert protected.post(DEACTIVATE)["Location"] == INDEX
    assert Authenticator.objects.count() == 0


def test_the_recovery_codes_are_shown_but_not_stored_by_anybody(protected, person):
    codes = person.authenticator_set.get(type="recovery_codes").wrap().get_unused_codes()
    response = protected.get(CODES)
    assert [code for code in codes if code not in response.content.decode()] == []
    assert response["Cache-Control"] == "private, no-store"


def test_the_recovery_codes_can_be_downloaded(protected, person):
    codes = person.authenticator_set.get(type="recovery_codes").wrap().get_unused_codes()
    response = protected.get(CODES + "download/")
    assert response["Content-Type"].startswith("text/plain")
    assert response.content.decode().split() == codes


def test_new_recovery_codes_replace_the_old_ones(protected, person):
    before = person.authenticator_set.get(type="recovery_codes").wrap().get_unused_codes()
    assert "10 codes that are left" in protected.get(CODES + "generate/").content.decode()
    protected.post(CODES + "generate/")
    after = person.authenticator_set.get(type="recovery_codes").wrap().get_unused_codes()
    assert set(before).isdisjoint(after)


def test_a_recovery_code_works_once(client, person):
    TOTP.activate(person, generate_totp_secret())
    code = RecoveryCodes.activate(person).get_unused_codes()[0]
    answers = []
    for _ in range(2):
        client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
        answers.append(client.post("/accounts/2fa/authenticate/", {"code": code}).status_code)
        client.post("/accounts/logout/")
    assert answers == [302, 200]


# The address ------------------------------------------------------------------------------------


def test_the_address_changes_when_the_new_one_is_confirmed(sure, person, settings):
    sure.post(EMAIL, {"email": "New@example.org", "action_add": ""})
    assert User.objects.get().email == "person@example.org"
    link = next(line for line in mail.outbox[-1].body.splitlines() if "confirm-email" in line)
    sure.post(link.removeprefix(settings.SITE_URL))
    assert User.objects.get().email == "new@example.org"
    assert [each.email for each in person.emailaddress_set.all()] == ["new@example.org"]


def test_changing_the_address_asks_for_the_password_and_then_goes_on(client, person):
    client.force_login(person)
    asked = client.post(EMAIL, {"email": "new@example.org", "action_add": ""})
    assert asked["Location"] == f"/accounts/reauthenticate/?next={EMAIL.replace('/', '%2F')}"
    client.post(asked["Location"], {"password": PASSWORD})
    assert person.emailaddress_set.filter(email="new@example.org").exists()


def test_a_change_of_the_address_can_be_taken_back(sure, person):
    sure.post(EMAIL, {"email": "new@example.org", "action_add": ""})
    assert "Keep the old address" in sure.get(EMAIL).content.decode()
    sure.post(EMAIL, {"email": "new@example.org", "action_remove": ""})
    assert person.emailaddress_set.get().email == "person@example.org"


@pytest.mark.parametrize("action", ["action_add", "action_send", "action_remove", "action_primary"])
@pytest.mark.parametrize("email", ["a\0@example.org", "x" * 300 + "@example.org", "", "charlie"])
def test_no_address_that_is_none_breaks_it(sure, person, action, email):
    assert sure.post(EMAIL, {"email": email, action: ""}).status_code in (200, 302)
    assert person.emailaddress_set.get().email == "person@example.org"


@pytest.mark.parametrize("action", ["action_send", "action_remove", "action_primary"])
def test_nobody_elses_address_can_be_touched(sure, charlie, action):
    theirs = charlie.emailaddress_set.create(email=charlie.email, verified=False)
    sure.post(EMAIL, {"email": charlie.email, action: ""})
    theirs.refresh_from_db()
    assert (theirs.verified, theirs.primary, mail.outbox) == (False, False, [])


def test_a_mail_server_that_is_away_is_said(sure, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    entry = {"email": "new@example.org", "action_add": ""}
    assert "The mail could not be sent" in sure.post(EMAIL, entry, follow=True).content.decode()
