"""Signing up: an address, a password, a mail with a link; then the console."""

import re
import smtplib

import pytest
from allauth.account.models import EmailConfirmationHMAC
from django.core import mail

from portal.models import User
from tests import factories

pytestmark = pytest.mark.django_db

PATH = "/accounts/signup/"
PASSWORD = "a long and winding road"
ENTRY = {"email": "New@example.org", "password1": PASSWORD}
LINK = re.compile(r"^http\S+/accounts/confirm-email/\S+$", re.MULTILINE)


def refuse(*args, **kwargs):
    raise smtplib.SMTPServerDisconnected


@pytest.fixture
def broken_mail(monkeypatch) -> None:
    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)


def link_path(settings) -> str:
    return LINK.search(mail.outbox[-1].body)[0].removeprefix(settings.SITE_URL)


def test_the_page_has_the_controls_that_it_should(client):
    page = client.get(PATH).content.decode()
    assert re.search(r'<label for="id_email">Email</label>', page)
    assert re.search(r'<label for="id_password1">Password</label>', page)
    assert re.search(r'<button class="btn btn-primary[^"]*">Sign up</button>', page)
    assert "<title>Sign up · " in page


def test_it_makes_an_account_that_is_to_be_confirmed(client):
    response = client.post(PATH, ENTRY)
    user = User.objects.get()
    assert response["Location"] == "/accounts/confirm-email/"
    assert user.email == "new@example.org"
    assert not user.emailaddress_set.get().verified
    assert "_auth_user_id" not in client.session


def test_the_link_in_the_mail_leads_to_the_site_and_signs_in(client, settings):
    client.post(PATH + "?next=/accounts/sessions/", ENTRY, headers={"Host": "127.0.0.1"})
    response = client.post(link_path(settings))
    assert response["Location"] == "/accounts/sessions/"
    assert client.session["_auth_user_id"] == str(User.objects.get().pk)


def test_without_a_page_to_go_to_the_link_leads_to_the_console(client, settings):
    client.post(PATH, ENTRY)
    assert client.post(link_path(settings))["Location"] == "/console/"


def test_the_link_signs_in_no_other_browser(client, settings, django_user_model):
    client.post(PATH, ENTRY)
    stranger = type(client)()
    stranger.post(link_path(settings))
    assert "_auth_user_id" not in stranger.session
    assert django_user_model.objects.get().emailaddress_set.get().verified


def test_a_link_that_was_used_says_to_who_is_logged_in_that_all_is_well(client, settings):
    client.post(PATH, ENTRY)
    client.post(link_path(settings))
    page = client.get(link_path(settings)).content.decode()
    assert "Your address is confirmed already." in page
    assert "Log in:" not in page


def test_a_link_that_is_too_old_says_where_a_new_one_is_to_be_had(client, alice):
    alice.emailaddress_set.create(email="new@example.org")
    client.force_login(alice)
    page = client.get("/accounts/confirm-email/old/").content.decode()
    assert "Your new address still waits for its confirmation" in page
    assert "confirmed already" not in page


def test_looking_at_the_link_changes_nothing(client, settings):
    client.post(PATH, ENTRY)
    assert b"new@example.org" in client.get(link_path(settings)).content
    assert not User.objects.get().emailaddress_set.get().verified


def test_a_link_that_is_damaged_says_what_to_do(client):
    page = client.get("/accounts/confirm-email/damaged/").content.decode()
    assert "This link is too old" in page


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_it_remembers_the_language(client, language):
    client.post(PATH, ENTRY, headers={"Accept-Language": language})
    assert User.objects.get().language == language


def test_the_form_keeps_where_to_go_on(client):
    page = client.get(PATH + "?next=/chat/demo/").content.decode()
    assert '<input type="hidden" name="next" value="/chat/demo/">' in page
    assert "/accounts/login/?next=%2Fchat%2Fdemo%2F" in page


@pytest.mark.parametrize("password", ["x" * 64, "密码" * 50, "p w" * 300])
def test_it_takes_long_passwords(client, password):
    client.post(PATH, ENTRY | {"password1": password})
    assert User.objects.get().check_password(password)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "not an address"),
        ("email", "x" * 250 + "@example.org"),
        ("email", "a\0b@example.org"),
        ("email", ""),
        ("password1", "password"),
        ("password1", "short"),
        ("password1", "a\0long and winding road"),
        ("password1", ""),
    ],
)
def test_what_it_cannot_take_is_said_beside_the_field(client, field, value):
    response = client.post(PATH, ENTRY | {field: value})
    assert response.status_code == 200
    assert f'id="id_{field}_error"' in response.content.decode()
    assert not User.objects.exists()


def test_what_was_typed_survives_an_error(client):
    assert b'value="New@example.org"' in client.post(PATH, ENTRY | {"password1": "x"}).content


def test_a_known_address_gets_a_mail_that_says_so(client, settings):
    factories.user("new@example.org")
    client.post(PATH, ENTRY)
    assert mail.outbox[0].subject == "You have an account already"
    assert f"{settings.SITE_URL}/accounts/password/reset/" in mail.outbox[0].body
    assert User.objects.count() == 1


def test_of_two_who_sign_up_at_once_the_second_sees_the_same(client, monkeypatch):
    factories.user("new@example.org")
    unseen = ("new@example.org", False)
    flow = "allauth.account.internal.flows.manage_email.email_already_exists"
    monkeypatch.setattr(flow, lambda *args, **kwargs: unseen)
    assert client.post(PATH, ENTRY)["Location"] == "/accounts/confirm-email/"
    assert User.objects.count() == 1


def test_confirming_an_address_that_somebody_else_has_by_now_changes_nothing(client, alice):
    address = alice.emailaddress_set.create(email="taken@example.org")
    key = EmailConfirmationHMAC.create(address).key
    factories.user("taken@example.org")
    client.force_login(alice)
    page = client.post(f"/accounts/confirm-email/{key}/", follow=True).content.decode()
    address.refresh_from_db()
    assert "belongs to another account by now" in page
    assert (address.verified, User.objects.get(pk=alice.pk).email) == (False, alice.email)


def test_a_mail_server_that_is_away_loses_no_account(client, broken_mail):
    response = client.post(PATH, ENTRY, follow=True)
    assert "The mail could not be sent" in response.content.decode()
    assert User.objects.filter(email="new@example.org").exists()


def test_a_mail_server_that_is_away_tells_nobody_who_has_an_account(client, broken_mail):
    factories.user("new@example.org")
    response = client.post(PATH, ENTRY, follow=True)
    assert "The mail could not be sent" in response.content.decode()


def test_the_next_mail_that_is_sent_ends_the_warning(client, monkeypatch):
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("django.core.mail.EmailMessage.send", refuse)
        client.post(PATH, ENTRY)
    client.post(PATH, ENTRY | {"email": "other@example.org"})
    assert "mail_unsent" not in client.session


def test_the_page_after_it_says_where_the_mail_is(client, settings):
    settings.EMAIL_BACKEND = "portal.mail.FileBackend"
    page = client.get("/accounts/confirm-email/").content.decode()
    assert "shown in the terminal of <code>make up</code>" in page
    assert "<code>var/mail/</code> unless DATA_DIR says otherwise" in page
    assert str(settings.DATA_DIR) not in page


def test_with_a_mail_server_the_page_says_nothing_of_files(client):
    assert b"DATA_DIR" not in client.get("/accounts/confirm-email/").content


def test_its_pages_are_not_stored(client):
    assert client.get(PATH)["Cache-Control"] == "private, no-store"


def test_another_method_is_refused(client):
    assert client.delete(PATH).status_code == 405
