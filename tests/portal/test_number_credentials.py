"""The credentials page: appSecrets shown once, frozen, thawed, revoked, reset."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import close_old_connections
from django.utils import timezone

from portal import credentials
from portal.models import AppSecret, AuditEntry, ServiceNumber, State
from tests import factories

SECRET = re.compile(r"fwsk_[0-9A-Za-z]{38}")


@pytest.fixture
def page(client, alice, number) -> str:
    client.force_login(alice)
    return f"/console/numbers/{number.app_id}/credentials/"


def shown(response) -> list[str]:
    return SECRET.findall(response.content.decode())


def create(client, page, after: object = 0, **entry: object):
    return client.post(page + "new/", {"after": after} | entry)


# Making one -------------------------------------------------------------------------------------


def test_a_new_secret_is_shown_and_works(client, page, number):
    response = create(client, page)
    [secret] = shown(response)
    _app, known = credentials.verify(number.app_id, secret)
    assert known.generation == AppSecret.objects.get().generation
    assert "never shown again" in response.content.decode()


def test_the_answer_is_kept_nowhere(client, page):
    response = create(client, page)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert not SECRET.search(str(dict(client.session)) + str(response.headers))


def test_afterwards_the_page_shows_its_end_alone(client, page):
    [secret] = shown(create(client, page))
    response = client.get(page)
    assert shown(response) == []
    assert f"…{secret[-4:]}" in response.content.decode()


def test_a_form_that_is_sent_twice_makes_one_secret(client, page):
    create(client, page)
    response = create(client, page)
    assert AppSecret.objects.count() == 1
    assert shown(response) == []
    assert "No second appSecret" in client.get(response["Location"]).content.decode()


@pytest.mark.parametrize("after", ["", "x", "-1", "1e3", "9" * 5000, "\x00", "7"])
def test_a_form_that_is_not_the_pages_makes_none(client, page, after):
    assert create(client, page, after)["Location"] == page
    assert not AppSecret.objects.exists()


def issue_apart(number) -> bool:
    try:
        credentials.issue(number, actor=number.owner, after=0)
    except credentials.SecretRefused:
        return False
    finally:
        close_old_connections()
    return True


@pytest.mark.django_db(transaction=True)
def test_of_clicks_at_once_one_makes_a_secret(number):
    with ThreadPoolExecutor(5) as pool:
        made = list(pool.map(issue_apart, [number] * 5))
    assert (made.count(True), AppSecret.objects.count()) == (1, 1)


def test_there_are_five_live_ones_at_most(client, page, number):
    for _position in range(5):
        factories.secret(number)
    response = create(client, page, 5)
    assert AppSecret.objects.count() == 5
    assert "5 live appSecrets" in client.get(response["Location"]).content.decode()


def test_dead_ones_do_not_count(client, page, number):
    for _position in range(5):
        credentials.revoke(factories.secret(number).row, actor=None)
    assert len(shown(create(client, page, 5))) == 1


def test_a_closed_number_gets_none(client, page, number):
    ServiceNumber.objects.filter(pk=number.pk).update(state=State.CLOSED)
    create(client, page)
    assert not AppSecret.objects.exists()
    assert "Create appSecret" not in client.get(page).content.decode()


# Resetting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [1, 24, 72])
def test_a_reset_lets_the_old_one_work_for_a_while(client, page, number, hours):
    old = factories.secret(number)
    [new] = shown(create(client, page, 1, reset="yes", overlap=hours))
    _app, secret = credentials.verify(number.app_id, old.clear)
    assert credentials.verify(number.app_id, new)
    later = timezone.now() + timedelta(hours=hours, seconds=1)
    assert not secret.is_live(later.timestamp())


def test_a_reset_may_end_the_old_one_now(client, page, number):
    old = factories.secret(number)
    create(client, page, 1, reset="yes", overlap="0")
    assert credentials.verify(number.app_id, old.clear) is None


@pytest.mark.parametrize("overlap", ["", "2", "-1", "73", "x"])
def test_a_reset_without_a_sound_overlap_changes_nothing(client, page, number, overlap):
    old = factories.secret(number)
    create(client, page, 1, reset="yes", overlap=overlap)
    assert credentials.verify(number.app_id, old.clear)
    assert AppSecret.objects.count() == 1


def test_a_reset_that_is_sent_twice_ends_nothing_twice(client, page, number):
    factories.secret(number)
    [new] = shown(create(client, page, 1, reset="yes", overlap="0"))
    create(client, page, 1, reset="yes", overlap="0")
    assert credentials.verify(number.app_id, new)


def test_a_reset_of_five_live_ones_must_end_them_now(client, page, number):
    for _position in range(5):
        factories.secret(number)
    assert shown(create(client, page, 5, reset="yes", overlap="24")) == []
    assert not AppSecret.objects.exclude(expires_at=None).exists()
    assert len(shown(create(client, page, 5, reset="yes", overlap="0"))) == 1


# Changing one -----------------------------------------------------------------------------------


def test_it_is_frozen_and_thawed(client, page, number):
    issued = factories.secret(number)
    client.post(page + "1/freeze/")
    with pytest.raises(credentials.SecretFrozen):
        credentials.verify(number.app_id, issued.clear)
    client.post(page + "1/thaw/")
    assert credentials.verify(number.app_id, issued.clear)


def test_it_is_revoked(client, page, number):
    issued = factories.secret(number)
    response = client.post(page + "1/revoke/", follow=True)
    assert credentials.verify(number.app_id, issued.clear) is None
    assert f"…{issued.clear[-4:]}" in response.content.decode()


@pytest.mark.parametrize("deed", ["freeze", "revoke"])
def test_what_was_done_before_is_not_done_again(client, page, number, deed):
    factories.secret(number)
    for _position in range(2):
        response = client.post(f"{page}1/{deed}/", follow=True)
    assert "Nothing changed" in response.content.decode()
    assert AuditEntry.objects.filter(action__startswith="secret").count() == 2


@pytest.mark.parametrize(
    "tail", ["2/revoke/", "1/delete/", "0/freeze/", f"{'9' * 30}/freeze/", f"{'9' * 5000}/thaw/"]
)
def test_an_unknown_secret_or_deed_is_not_found(client, page, number, tail):
    factories.secret(number)
    assert client.post(page + tail).status_code == 404


def test_another_numbers_generation_is_not_found(client, page, charlies_number):
    factories.secret(charlies_number)
    assert client.post(page + "1/revoke/").status_code == 404
    assert AppSecret.objects.live().count() == 1


# The page ---------------------------------------------------------------------------------------


def test_it_says_what_became_of_each(client, page, number):
    rows = [factories.secret(number).row for _position in range(4)]
    credentials.revoke(rows[0], actor=None)
    credentials.freeze(rows[1], actor=None)
    AppSecret.objects.filter(pk=rows[2].pk).update(expires_at=timezone.now())
    content = client.get(page).content.decode()
    assert all(word in content for word in ("revoked", "frozen", "expired", "live", "never"))


def test_it_shows_a_call_that_names_no_secret(client, page, number):
    content = client.get(page).content.decode()
    assert number.app_id in content
    assert "$APP_SECRET" in content


def test_its_queries_stay_when_secrets_double(client, page, number, django_assert_max_num_queries):
    for _position in range(2):
        factories.secret(number)
    with django_assert_max_num_queries(12) as few:
        client.get(page)
    for _position in range(20):
        factories.secret(number)
    with django_assert_max_num_queries(len(few)):
        client.get(page)


# Doors ------------------------------------------------------------------------------------------

TAILS = ["new/", "1/freeze/", "1/thaw/", "1/revoke/"]


@pytest.mark.parametrize("tail", TAILS)
def test_charlie_gets_nothing(client, page, number, charlie, tail):
    factories.secret(number)
    client.force_login(charlie)
    assert client.post(page + tail, {"after": 1}).status_code == 404
    assert client.get(page).status_code == 404
    assert AppSecret.objects.filter(frozen_at=None, revoked_at=None).count() == 1


@pytest.mark.parametrize("tail", TAILS)
def test_a_stranger_logs_in_first(client, page, tail):
    client.logout()
    assert client.post(page + tail, {"after": 0})["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("tail", TAILS)
def test_nothing_changes_by_get(client, page, number, tail):
    factories.secret(number)
    assert client.get(page + tail).status_code == 405
    assert client.post(page).status_code == 405
    assert AppSecret.objects.live().filter(frozen_at=None).count() == 1
