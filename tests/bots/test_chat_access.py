"""Who comes through the door of a number's chat, and what of it is his."""

import pytest
from django.http import Http404
from django.test import RequestFactory
from django.urls import reverse

from bots import access, people
from bots.models import Channel, Person
from portal.models import State
from tests import factories
from tests.bots import talking

SILENT = [State.SUSPENDED, State.CLOSED]
NOT_PUBLIC = [State.DRAFT, State.IN_REVIEW, State.REJECTED]
ROUTES = [
    ("get", "chat-message"),
    ("get", "chat-stream"),
    ("post", "chat-stop"),
    ("post", "chat-rating"),
]


@pytest.fixture
def theirs(number, charlie):
    """Charlie's question to Alice's number."""
    return talking.asked_by(charlie, number)


def test_whoever_is_signed_in_may_chat_with_an_approved_number(client, number, charlie):
    client.force_login(charlie)
    assert client.get(talking.page(number)).status_code == 200


def test_an_anonymous_is_sent_to_the_login_and_back(client, number):
    answer = client.get(talking.page(number) + "?new=1")
    login = reverse("account_login")
    assert answer.status_code == 302
    assert answer["Location"] == f"{login}?next=/chat/{number.handle}/%3Fnew%3D1"


def test_guests_come_in_where_the_robot_admits_them(client, number):
    talking.open_to_guests(number)
    assert client.get(talking.page(number)).status_code == 200


@pytest.mark.parametrize("state", NOT_PUBLIC)
def test_a_number_that_is_not_public_is_its_owners_alone(client, number, alice, charlie, state):
    talking.open_to_guests(talking.in_state(number, state))
    anonymous = client.get(talking.page(number)).status_code
    client.force_login(charlie)
    other = client.get(talking.page(number)).status_code
    client.force_login(alice)
    assert (anonymous, other) == (404, 404)
    assert client.get(talking.page(number)).status_code == 200


def test_a_moderator_is_no_exception(client, number, moderator):
    talking.in_state(number, State.IN_REVIEW)
    client.force_login(moderator)
    assert client.get(talking.page(number)).status_code == 404


@pytest.mark.parametrize("state", SILENT)
def test_who_talked_with_a_silent_number_may_read_it(client, number, charlie, theirs, state):
    talking.in_state(number, state)
    client.force_login(charlie)
    page = client.get(talking.page(number)).content.decode()
    assert "does not answer at present" in page
    assert "Hello?" in page


@pytest.mark.parametrize("state", SILENT)
def test_a_silent_number_is_not_there_for_newcomers(client, number, charlie, state):
    talking.open_to_guests(talking.in_state(number, state))
    anonymous = client.get(talking.page(number)).status_code
    client.force_login(charlie)
    assert (anonymous, client.get(talking.page(number)).status_code) == (404, 404)


@pytest.mark.parametrize("state", SILENT)
def test_the_owner_may_look_at_a_silent_number(client, number, alice, state):
    talking.in_state(number, state)
    client.force_login(alice)
    assert client.get(talking.page(number)).status_code == 200


def test_a_guest_may_read_a_silent_number_that_answered_before(client, number):
    talking.ask(client, talking.open_to_guests(number), "Am I known?")
    talking.in_state(number, State.SUSPENDED)
    assert "Am I known?" in client.get(talking.page(number)).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("handle", ["nobody", "x" * 41, "%00", "%ED%A0%80", "a b", "é"])
def test_a_number_that_is_not_there_is_not_found(client, handle):
    assert client.get(f"/chat/{handle}/").status_code == 404


@pytest.mark.parametrize(("method", "name"), ROUTES)
def test_anothers_message_is_not_found(client, alice, theirs, method, name):
    client.force_login(alice)
    assert getattr(client, method)(talking.of(name, theirs)).status_code == 404


def test_anothers_conversation_is_not_found(client, alice, theirs):
    client.force_login(alice)
    assert client.get(talking.conversation_page(theirs)).status_code == 404


@pytest.mark.parametrize(("method", "name"), ROUTES)
def test_a_message_of_another_number_is_not_found(
    client, charlies_number, charlie, theirs, method, name
):
    client.force_login(charlie)
    address = reverse(name, args=[charlies_number.handle, theirs.pk])
    assert getattr(client, method)(address).status_code == 404


@pytest.mark.parametrize(("method", "name"), ROUTES)
def test_a_guest_finds_nothing_of_another_guests(client, number, method, name):
    talking.open_to_guests(number)
    talking.ask(client, number)
    theirs = number.messages.get()
    client.cookies.clear()
    talking.ask(client, number, "Mine")
    assert getattr(client, method)(talking.of(name, theirs)).status_code == 404


@pytest.mark.parametrize(("method", "name"), ROUTES)
def test_an_anonymous_is_sent_to_the_login_from_every_route(client, theirs, method, name):
    answer = getattr(client, method)(talking.of(name, theirs))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize(("method", "name"), ROUTES)
@pytest.mark.parametrize("bad", ["nothing", "%00", "x" * 50, "%ED%A0%80"])
def test_ids_that_are_none_are_not_found(client, number, charlie, theirs, method, name, bad):
    client.force_login(charlie)
    address = reverse(name, args=[number.handle, "ID"]).replace("ID", bad)
    assert getattr(client, method)(address).status_code == 404


@pytest.mark.parametrize(("method", "name"), ROUTES)
def test_the_wrong_method_is_refused(client, charlie, theirs, method, name):
    client.force_login(charlie)
    wrong = {"get": "post", "post": "get"}[method]
    assert getattr(client, wrong)(talking.of(name, theirs)).status_code == 405


def test_the_wrong_method_is_refused_on_the_pages(client, number, charlie, theirs):
    client.force_login(charlie)
    asked = client.get(reverse("chat-ask", args=[number.handle])).status_code
    pages = [talking.page(number), talking.conversation_page(theirs)]
    assert [asked, *(client.post(page).status_code for page in pages)] == [405, 405, 405]


def test_looking_makes_nobody(client, number, charlie):
    client.force_login(charlie)
    client.get(talking.page(number))
    assert not Person.objects.exists()


def test_pages_are_kept_by_nobody(client, number, charlie):
    client.force_login(charlie)
    assert "no-store" in client.get(talking.page(number))["Cache-Control"]


# Who stays -----------------------------------------------------------------------------------


def door_of(client, number, user=None) -> access.Door:
    """The door as a request of this client's finds it."""
    request = RequestFactory().get("/")
    request.user = user
    request.session = client.session
    request.COOKIES = {name: cookie.value for name, cookie in client.cookies.items()}
    return access.enter(request, number.handle)


@pytest.fixture
def door(client, number, charlie) -> access.Door:
    client.force_login(charlie)
    return door_of(client, number, charlie)


def test_the_door_stays_open(door):
    assert door.is_still_open()


def test_it_closes_when_the_session_ends(client, door):
    client.logout()
    assert not door.is_still_open()


def test_it_closes_when_the_account_is_disabled(door, charlie):
    charlie.is_active = False
    charlie.save()
    assert not door.is_still_open()


def test_it_closes_when_the_password_changes(door, charlie):
    charlie.set_password("another-horse-9")
    charlie.save()
    assert not door.is_still_open()


def test_it_closes_when_the_number_is_suspended(door, number):
    factories.suspended(number)
    assert not door.is_still_open()


def test_signing_out_makes_no_guest_of_a_reader(client, door, number):
    talking.open_to_guests(number)
    client.logout()
    assert not door.is_still_open()


def test_it_closes_for_guests_when_they_are_not_admitted_any_more(client, number):
    talking.ask(client, talking.open_to_guests(number))
    guest = door_of(client, number)
    assert guest.is_still_open()
    number.robot.guests_allowed = False
    number.robot.save()
    assert not guest.is_still_open()


# Channels ------------------------------------------------------------------------------------


def test_a_trial_of_the_owners_stays_one(client, number, alice):
    talking.in_state(number, State.DRAFT)
    trial = talking.asked_by(alice, number, channel=Channel.SANDBOX).conversation
    talking.in_state(number, State.APPROVED)
    client.force_login(alice)
    door = door_of(client, number, alice)
    assert (door.channel(trial), door.channel(None)) == (Channel.SANDBOX, Channel.WEB)


def test_a_foreign_conversation_raises_not_found(client, number, charlie, alice):
    mine = talking.asked_by(alice, number)
    client.force_login(charlie)
    with pytest.raises(Http404):
        door_of(client, number, charlie).conversation(mine.conversation_id)


def test_a_user_who_was_a_guest_is_somebody_else(client, number, charlie):
    talking.ask(client, talking.open_to_guests(number), "As a guest")
    client.force_login(charlie)
    assert people.known(number, charlie, "") is None
    assert "As a guest" not in client.get(talking.page(number)).content.decode()
