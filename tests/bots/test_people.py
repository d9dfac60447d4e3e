"""Who talks on the web, and under which name a number knows them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import close_old_connections
from django.http import HttpResponse
from django.test import RequestFactory

from bots import people
from bots.models import Person
from tests import factories


def test_a_user_is_one_person_with_a_number(number, charlie):
    first = people.of_user(number, charlie)
    assert people.of_user(number, charlie).pk == first.pk
    assert first.open_id.startswith("o_")
    assert first.user == charlie


def test_two_numbers_know_a_user_by_two_names(number, charlies_number, charlie):
    here = people.of_user(number, charlie).open_id
    assert here != people.of_user(charlies_number, charlie).open_id


def of_user_apart(number, user) -> int:
    try:
        return people.of_user(number, user).pk
    finally:
        close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_a_user_who_comes_twenty_times_at_once_is_one_person(number, charlie):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: of_user_apart(number, charlie), range(20)))
    assert len(found) == 1
    assert Person.objects.count() == 1


def test_looking_makes_nobody(number, charlie):
    assert people.known(number, charlie, "") is None
    assert people.known(number, None, "guest") is None
    assert people.known(number, None, "") is None
    assert not Person.objects.exists()


def test_a_guest_is_known_by_what_the_cookie_holds(number):
    known = Person.objects.create(number=number, open_id=people.guest_open_id(number, "a"))
    assert people.known(number, None, "a") == known
    assert people.known(number, None, "b") is None


def test_two_numbers_know_a_guest_by_two_names(number, charlies_number):
    here = people.guest_open_id(number, "a")
    assert here.startswith("o_g")
    assert here != people.guest_open_id(charlies_number, "a")


def test_a_name_of_a_guest_never_looks_like_one_of_a_user(number):
    names = {people.of_user(number, factories.user()).open_id[:3] for _ in range(10)}
    assert "o_g" not in names


def test_the_cookie_is_signed_and_kept_from_scripts():
    response = HttpResponse()
    people.remember(response, "a" * 32)
    cookie = response.cookies["guest"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["max-age"] == 30 * 24 * 3600
    request = RequestFactory().get("/")
    request.COOKIES["guest"] = cookie.value
    assert people.guest_of(request) == "a" * 32


@pytest.mark.parametrize("forged", ["", "x", "a" * 32, "a:b:c", "\x00", "a" * 5000])
def test_a_forged_cookie_is_nobody(forged):
    request = RequestFactory().get("/")
    request.COOKIES["guest"] = forged
    assert people.guest_of(request) == ""


def test_the_cookie_is_for_https_alone_where_the_site_is(settings):
    settings.SESSION_COOKIE_SECURE = True
    response = HttpResponse()
    people.remember(response, "a")
    assert response.cookies["guest"]["secure"]


def test_a_seed_makes_the_same_guest_each_time():
    seed = people.new_seed()
    assert people.guest_from(seed) == people.guest_from(seed)
    assert len(people.guest_from(seed)) == 32


@pytest.mark.parametrize("forged", ["", "chosen", "chosen:1:x", "\x00"])
def test_nobody_chooses_a_guests_id(forged):
    assert people.guest_from(forged) != people.guest_from(forged)
    assert "chosen" not in people.guest_from(forged)


def test_an_old_seed_is_worth_nothing(monkeypatch):
    seed = people.new_seed()
    monkeypatch.setattr(people, "SEED_SECONDS", -1)
    assert people.guest_from(seed) != people.guest_from(seed)
