"""Sessions: a new one at each login, a list of them, and their end when something is taken away."""

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portal import accounts, sessions
from portal.models import User
from portal.templatetags.accounts import browser
from tests import factories

pytestmark = pytest.mark.django_db

PATH = "/accounts/sessions/"
PASSWORD = "a long and winding road"


@pytest.fixture
def person() -> User:
    user = factories.user("person@example.org", password=PASSWORD)
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    return user


def signed_in(person: User, agent: str = "A browser", **entry: str) -> Client:
    client = Client(headers={"User-Agent": agent})
    client.post("/accounts/login/", {"login": person.email, "password": PASSWORD} | entry)
    assert client.session["_auth_user_id"] == str(person.pk)
    return client


def is_signed_in(client: Client) -> bool:
    return client.get(PATH).status_code == 200


def test_the_session_gets_another_id_at_login(person):
    client = Client()
    session = client.session
    session["before"] = 1
    session.save()
    before = client.cookies["sessionid"].value
    client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    assert client.cookies["sessionid"].value != before
    assert not Session.objects.filter(pk=sessions.key_in(before)).exists()


def test_what_the_database_holds_opens_no_session(person):
    signed_in(person)
    stranger = Client()
    stranger.cookies["sessionid"] = Session.objects.get().session_key
    assert not is_signed_in(stranger)


@pytest.mark.parametrize(
    "change", [lambda cookie: "x" * 32 + cookie[32:], lambda cookie: cookie[:-1]]
)
def test_a_signature_that_is_not_ours_opens_none(person, change):
    client = signed_in(person)
    client.cookies["sessionid"] = change(client.cookies["sessionid"].value)
    assert not is_signed_in(client)


def test_the_cookie_keeps_what_browsers_need_to_know_of_it(person):
    given = signed_in(person).cookies["sessionid"]
    assert (given["httponly"], given["samesite"], given["path"]) == (True, "Lax", "/")


@pytest.mark.parametrize(("entry", "lasts"), [({}, True), ({"remember": "on"}, False)])
def test_it_ends_with_the_browser_unless_asked_to_stay(person, entry, lasts):
    assert signed_in(person, **entry).session.get_expire_at_browser_close() is lasts


def test_the_list_shows_where_one_is_signed_in(person):
    signed_in(person)
    page = signed_in(person).get(PATH).content.decode()
    assert page.count("A browser") == 2
    assert page.count("this browser") == 1
    assert "End all other sessions" in page


LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (f"{LINUX} Chrome/140.0.0.0 Safari/537.36", "Chrome · Linux"),
        (f"{LINUX} Chrome/140.0.0.0 Safari/537.36 Edg/140.0", "Edge · Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/143.0", "Firefox · Windows"),
        ("Mozilla/5.0 (iPhone; like Mac OS X) Version/18.0 Safari/604.1", "Safari · iOS"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X) Version/18.0 Safari/605.1", "Safari · macOS"),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/140.0 MicroMessenger/8.0", "WeChat · Android"),
        ("curl/8.5.0", ""),
        ("", ""),
    ],
)
def test_a_browser_has_a_name_that_people_know(user_agent, words):
    assert browser(user_agent) == words


def test_the_list_names_the_browser_and_has_the_rest_at_hand(person):
    agent = f"{LINUX} Chrome/140.0.0.0 Safari/537.36"
    page = signed_in(person, agent).get(PATH).content.decode()
    assert f'title="{agent}">Chrome · Linux</td>' in page


def test_all_other_sessions_can_be_ended(person):
    other, mine = signed_in(person), signed_in(person)
    assert mine.post(PATH)["Location"] == PATH
    assert (is_signed_in(mine), is_signed_in(other)) == (True, False)


def test_the_list_shows_nobody_elses(client, charlie, person):
    signed_in(person)
    client.force_login(charlie)
    page = client.get(PATH).content.decode()
    assert "A browser" not in page
    assert "nowhere else" in page


def test_ending_ones_own_ends_nobody_elses(client, charlie, person):
    theirs = signed_in(person)
    client.force_login(charlie)
    client.post(PATH)
    assert is_signed_in(theirs)


def test_strangers_are_asked_to_log_in(client):
    assert client.get(PATH)["Location"] == f"/accounts/login/?next={PATH}"
    assert client.delete(PATH)["Location"] == f"/accounts/login/?next={PATH}"


# When something is taken away -------------------------------------------------------------------


def test_all_sessions_of_a_person_end_at_once(person, charlie):
    clients = [signed_in(person), signed_in(person)]
    bystander = Client()
    bystander.force_login(charlie)
    accounts.end_sessions(person)
    assert [is_signed_in(each) for each in clients] == [False, False]
    assert is_signed_in(bystander)
    assert not person.usersession_set.exists()


def test_ending_them_reads_no_sessions_of_others(person):
    signed_in(person)
    with CaptureQueriesContext(connection) as queries:
        accounts.end_sessions(person)
    sessions = [each["sql"] for each in queries if "django_session" in each["sql"]]
    assert [sql.split()[0] for sql in sessions] == ["DELETE"]


def test_a_session_that_is_on_no_list_gives_nothing_that_was_taken_away(client, moderator):
    client.force_login(moderator)
    assert client.get("/review/").status_code == 200
    User.objects.filter(pk=moderator.pk).update(is_moderator=False)
    assert client.get("/review/").status_code == 403
    User.objects.filter(pk=moderator.pk).update(is_active=False)
    assert client.get("/review/").status_code == 302


def test_the_session_that_a_new_password_makes_is_listed(person):
    client = signed_in(person)
    client.post(CHANGE, NEW | {"oldpassword": PASSWORD})
    accounts.end_sessions(person)
    assert not is_signed_in(client)


def test_the_session_of_the_first_administrator_ends_like_any_other(client, settings):
    link = accounts.first_administrator_link().removeprefix(settings.SITE_URL)
    client.post(link, {"email": "root@example.org", "password": PASSWORD})
    administrator = User.objects.get()
    assert administrator.usersession_set.count() == 1
    accounts.end_sessions(administrator)
    assert not is_signed_in(client)


def test_who_is_switched_off_is_out_at_the_next_request(person):
    client = signed_in(person)
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert not is_signed_in(client)


def test_who_is_switched_off_cannot_log_in_and_is_told(person):
    User.objects.filter(pk=person.pk).update(is_active=False)
    entry = {"login": person.email, "password": PASSWORD}
    page = Client().post("/accounts/login/", entry, follow=True).content.decode()
    assert "This account is switched off" in page


# Passwords --------------------------------------------------------------------------------------

CHANGE = "/accounts/password/change/"
NEW = {"password1": "another long and winding road", "password2": "another long and winding road"}


def test_changing_the_password_ends_the_other_sessions(person):
    other, mine = signed_in(person), signed_in(person)
    response = mine.post(CHANGE, NEW | {"oldpassword": PASSWORD})
    assert response.status_code == 302
    assert (is_signed_in(mine), is_signed_in(other)) == (True, False)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"oldpassword": "wrong"}, "This is not your current password."),
        ({"oldpassword": PASSWORD, "password1": "password1234"}, "too common"),
        ({"oldpassword": PASSWORD, "password2": "something else"}, "the same password"),
    ],
)
def test_changing_the_password_is_refused_with_a_reason(person, entry, sentence):
    client = signed_in(person)
    assert sentence in client.post(CHANGE, NEW | entry).content.decode()
    assert User.objects.get().check_password(PASSWORD)


# Logging out ------------------------------------------------------------------------------------


def test_the_top_bar_logs_out_at_once(person):
    client = signed_in(person)
    assert client.post("/accounts/logout/")["Location"] == "/"
    assert not is_signed_in(client)


def test_a_link_to_log_out_asks_first(person):
    client = signed_in(person)
    assert b"Your robots go on answering" in client.get("/accounts/logout/").content
    assert is_signed_in(client)
