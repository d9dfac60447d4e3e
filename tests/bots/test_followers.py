"""Following: once each, counted, in an order that a reader of the list can rely on."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bots import followers, people
from bots.models import Audience, Follower, Person
from portal.models import State
from tests import factories
from tests.bots import talking
from tests.ddio_api.answers import MOMENT_SECONDS, PATIENCE_SECONDS, apart

STATES = [state for state in State if state != State.APPROVED]


def listed(number, cursor: int = 0, limit: int = 200) -> list[str]:
    page = followers.read(number, cursor, limit)
    return [follower.person.open_id for follower in page.followers]


def followed_by(number, count: int) -> list[str]:
    made = [followers.follow(number, factories.user()) for _ in range(count)]
    return [follower.person.open_id for follower in made]


def test_a_user_follows_under_the_name_that_the_number_knows(number, charlie):
    followers.follow(number, charlie)
    assert listed(number) == [people.of_user(number, charlie).open_id]
    assert followers.count(number) == 1


def test_following_twice_is_following_once(number, charlie):
    first, again = (followers.follow(number, charlie) for _ in range(2))
    assert (first.seq, first.since) == (again.seq, again.since)
    assert followers.count(number) == 1


def test_who_has_asked_before_stays_the_same_person(number, charlie):
    asked = talking.asked_by(charlie, number).person
    assert followers.follow(number, charlie).person == asked


@pytest.mark.parametrize("state", STATES)
def test_nobody_begins_to_follow_a_number_that_is_not_approved(number, charlie, state):
    with pytest.raises(followers.NotApproved):
        followers.follow(talking.in_state(number, state), charlie)
    assert not Follower.objects.exists()


@pytest.mark.parametrize("state", State)
def test_following_can_be_ended_in_every_state(number, charlie, state):
    person = followers.follow(number, charlie).person
    talking.in_state(number, state)
    assert followers.unfollow(person) is True
    assert (listed(number), followers.count(number)) == ([], 0)


def test_ending_it_twice_counts_once(number, charlie):
    followed_by(number, 1)
    person = followers.follow(number, charlie).person
    assert [followers.unfollow(person), followers.unfollow(person)] == [True, False]
    assert followers.count(number) == 1


def test_a_person_who_is_forgotten_follows_no_more(number, charlie):
    person = followers.follow(number, charlie).person
    followers.forget(person)
    followers.forget(person)
    assert (listed(number), followers.count(number)) == ([], 0)


def test_the_followers_of_two_numbers_are_apart(number, charlies_number, moderator):
    followers.follow(number, moderator)
    assert (listed(charlies_number), followers.count(charlies_number)) == ([], 0)


def test_a_number_that_nobody_ever_followed_has_no_row(number):
    assert followers.count(number) == 0
    assert not Audience.objects.exists()


# The list ---------------------------------------------------------------------------------------


def test_they_are_listed_in_order_of_following(number):
    expected = followed_by(number, 5)
    assert listed(number) == expected


def test_pages_follow_each_other_without_gap_or_repeat(number):
    expected, read, cursor = followed_by(number, 7), [], 0
    for _page in range(4):
        page = followers.read(number, cursor, 2)
        read += [follower.person.open_id for follower in page.followers]
        cursor = page.next_cursor
    assert (read, page.has_more) == (expected, False)


def test_an_empty_page_keeps_its_cursor(number):
    followed_by(number, 2)
    page = followers.read(number, 2, 20)
    assert (page.followers, page.next_cursor, page.has_more) == ([], 2, False)


def test_who_follows_while_one_pages_is_met_once(number):
    first = followed_by(number, 2)
    cursor = followers.read(number, 0, 2).next_cursor
    later = followed_by(number, 2)
    assert first + listed(number, cursor) == first + later


def test_a_place_is_not_given_twice(number, charlie):
    """The reader's cursor is the last follower's place, who then leaves it."""
    person = followers.follow(number, charlie).person
    cursor = followers.read(number, 0, 20).next_cursor
    followers.unfollow(person)
    next_one = followed_by(number, 1)
    assert listed(number, cursor) == next_one


def test_who_follows_again_stands_at_the_end(number, charlie):
    person = followers.follow(number, charlie).person
    others = followed_by(number, 2)
    followers.unfollow(person)
    followers.follow(number, charlie)
    assert listed(number) == [*others, person.open_id]


# At once ----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_user_who_follows_twenty_times_at_once_follows_once(number, charlie):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(apart(lambda _: followers.follow(number, charlie)), range(20)))
    assert Person.objects.count() == Follower.objects.count() == followers.count(number) == 1


@pytest.mark.django_db(transaction=True)
def test_a_reader_misses_nobody_while_many_follow_at_once(number):
    users = [factories.user() for _ in range(30)]
    read, cursor, deadline = [], 0, time.monotonic() + PATIENCE_SECONDS
    with ThreadPoolExecutor(8) as pool:
        following = pool.map(apart(lambda user: followers.follow(number, user)), users)
        while len(read) < len(users) and time.monotonic() < deadline:
            page = followers.read(number, cursor, 3)
            read += [follower.person_id for follower in page.followers]
            cursor = page.next_cursor
            time.sleep(MOMENT_SECONDS)
        list(following)
    assert len(set(read)) == len(read) == followers.count(number) == 30


@pytest.mark.django_db(transaction=True)
def test_the_count_is_right_after_many_came_and_went_at_once(number):
    users = [factories.user() for _ in range(6)]

    def come_and_go(user) -> None:
        for _ in range(3):
            followers.unfollow(followers.follow(number, user).person)
        followers.follow(number, user)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(apart(come_and_go), users))
    assert followers.count(number) == Follower.objects.filter(number=number).count() == 6
