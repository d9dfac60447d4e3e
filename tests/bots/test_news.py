"""News: sent once, to those whom they are for, and read until they are seen."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bots import chat, followers, news, people, quotas
from bots.models import News, Person
from portal.models import State
from tests import factories
from tests.bots import talking
from tests.ddio_api.answers import apart


@pytest.fixture
def follower(number, charlie) -> Person:
    return followers.follow(number, charlie).person


def tell_all(number, text: str = "We move house.", key: str = "") -> News:
    return news.send(news.Notice(number, text, idempotency_key=key))


def tell(person: Person, text: str = "Your order.", key: str = "") -> News:
    return news.send(news.Notice(person.number, text, person.open_id, key))


def read_by(person: Person) -> list[str]:
    return [each.text for each in news.Inbox(person).page().news]


def unread_by(person: Person) -> int:
    person.refresh_from_db()
    return news.Inbox(person).unread().count


# Sending ----------------------------------------------------------------------------------------


def test_a_message_to_all_is_one_row_and_counts_who_follows(number, follower):
    followers.follow(number, factories.user())
    assert tell_all(number).accepted == 2
    assert News.objects.count() == 1


def test_nobody_may_follow_and_it_is_sent_all_the_same(number):
    assert tell_all(number).accepted == 0


def test_a_message_to_a_person_is_for_one(number):
    person = Person.objects.create(number=number, open_id="bob")
    assert tell(person).accepted == 1
    assert read_by(person) == ["Your order."]


def test_a_person_whom_only_another_number_knows_is_unknown(number, charlies_number):
    Person.objects.create(number=charlies_number, open_id="bob")
    with pytest.raises(chat.UnknownPerson):
        news.send(news.Notice(number, "Hello.", "bob"))
    assert not News.objects.exists()


@pytest.mark.parametrize("state", [state for state in State if state != State.APPROVED])
def test_a_number_that_is_not_approved_sends_nothing(number, follower, state):
    talking.in_state(number, state)
    with pytest.raises(followers.NotApproved):
        tell_all(number)
    assert not News.objects.exists()


def test_the_state_counts_that_holds_at_the_writing(number, follower):
    """The caller's copy of the number still says approved."""
    talking.in_state(factories.ServiceNumber.objects.get(pk=number.pk), State.SUSPENDED)
    with pytest.raises(followers.NotApproved):
        tell_all(number)


# A repeated key -----------------------------------------------------------------------------------


def test_a_repeated_key_sends_nothing_more_and_says_the_same(number, follower):
    first = tell_all(number, key="k1")
    followers.follow(number, factories.user())
    again = tell_all(number, key="k1")
    assert (again.pk, again.accepted) == (first.pk, 1)
    assert News.objects.count() == 1


def test_a_key_for_another_text_or_receiver_is_a_conflict(number, follower):
    tell(follower, "Your order.", key="k1")
    with pytest.raises(chat.IdempotencyConflict):
        tell(follower, "Other.", key="k1")
    with pytest.raises(chat.IdempotencyConflict):
        tell_all(number, "Your order.", key="k1")


def test_a_key_is_free_again_after_a_day(number, follower):
    old = tell_all(number, "Old.", key="k1")
    News.objects.update(at=timezone.now() - timedelta(hours=24, seconds=1))
    assert tell_all(number, "New.", key="k1").pk != old.pk
    assert read_by(follower) == ["Old.", "New."]


def test_the_keys_of_two_numbers_do_not_meet(number, charlies_number):
    assert tell_all(number, key="k1").pk != tell_all(charlies_number, "Other.", key="k1").pk


def test_what_was_refused_keeps_no_key(number):
    with pytest.raises(chat.UnknownPerson):
        news.send(news.Notice(number, "Hello.", "bob", "k1"))
    assert tell_all(number, key="k1").accepted == 0


@pytest.mark.django_db(transaction=True)
def test_one_key_fifty_times_at_once_is_one_message(number):
    def send(_index: int) -> str:
        return tell_all(number, key="k1").pk

    with ThreadPoolExecutor(10) as pool:
        sent = set(pool.map(apart(send), range(50)))
    assert len(sent) == News.objects.count() == 1


# Quotas -----------------------------------------------------------------------------------------


def test_broadcasts_of_a_day_are_counted(number, follower, settings):
    settings.NEWS_PER_NUMBER_AND_DAY = 2
    tell_all(number)
    tell_all(number)
    with pytest.raises(quotas.QuotaUsedUp) as refused:
        tell_all(number)
    assert 0 < refused.value.retry_after <= 86_400
    assert tell(follower).accepted == 1


def test_messages_to_people_are_counted_for_themselves(number, follower, settings):
    settings.MESSAGES_PER_NUMBER_AND_DAY = 1
    tell(follower)
    with pytest.raises(quotas.QuotaUsedUp):
        tell(follower)
    assert tell_all(number).accepted == 1


def test_what_was_refused_or_repeated_takes_nothing(number, settings):
    settings.MESSAGES_PER_NUMBER_AND_DAY = 1
    with pytest.raises(chat.UnknownPerson):
        news.send(news.Notice(number, "Hello.", "bob"))
    bob = Person.objects.create(number=number, open_id="bob")
    assert tell(bob, key="k1").pk == tell(bob, key="k1").pk


# Reading ----------------------------------------------------------------------------------------


def test_one_reads_what_was_sent_to_all_since_one_follows(number, charlie):
    tell_all(number, "before")
    person = followers.follow(number, charlie).person
    tell_all(number, "after")
    assert read_by(person) == ["after"]


def test_one_reads_what_was_sent_to_oneself_in_any_case(number, charlie, moderator):
    person = people.of_user(number, charlie)
    tell(person, "to you")
    tell(people.of_user(number, moderator), "to another")
    tell_all(number, "to all")
    assert read_by(person) == ["to you"]


def test_what_went_to_all_goes_with_the_following(number, follower):
    tell_all(number, "to all")
    tell(follower, "to you")
    followers.unfollow(follower)
    assert read_by(follower) == ["to you"]


def test_both_kinds_stand_in_the_order_of_sending(number, follower):
    for text in "abcd":
        tell_all(number, text)
        tell(follower, text.upper())
    assert read_by(follower) == list("aAbBcCdD")


def test_pages_go_back_to_the_first_message(number, follower, monkeypatch):
    monkeypatch.setattr(news, "PAGE", 3)
    for text in "abcdefg":
        news.send(news.Notice(number, text, {"b": follower.open_id}.get(text)))
    inbox = news.Inbox(follower)
    pages = [inbox.page()]
    while pages[-1].earlier:
        pages.append(inbox.page(pages[-1].earlier))
    assert ["".join(each.text for each in page.news) for page in pages] == ["efg", "bcd", "a"]


def test_another_numbers_news_are_not_ones_own(number, charlies_number, follower):
    tell_all(charlies_number)
    assert read_by(follower) == []


def test_unread_is_what_came_since_one_looked(number, follower):
    tell_all(number, "one")
    sent = tell(follower, "two")
    assert unread_by(follower) == 2
    news.see(follower, sent.seq)
    tell_all(number, "three")
    assert unread_by(follower) == 1
    assert news.Inbox(follower).unread().newest.text == "three"


def test_what_was_seen_is_never_unseen(number, follower):
    first, second = tell_all(number), tell_all(number)
    news.see(follower, second.seq)
    news.see(follower, first.seq)
    assert unread_by(follower) == 0


def test_nobody_sees_what_is_still_to_come(number, follower):
    tell_all(number)
    news.see(follower, 10**18 - 1)
    assert unread_by(follower) == 1


def test_more_than_a_hundred_unread_are_not_counted_on(number, follower):
    rows = [News(number=number, seq=seq, text="x", accepted=1) for seq in range(10, 130)]
    News.objects.bulk_create(rows)
    assert news.Inbox(follower).unread().words == "99+"


def test_the_cost_does_not_grow_with_the_news(number, follower):
    tell_all(number)
    few = queries_of(follower)
    for _ in range(30):
        tell_all(number)
        tell(follower)
    assert queries_of(follower) == few


def queries_of(person: Person) -> int:
    with CaptureQueriesContext(connection) as captured:
        inbox = news.Inbox(person)
        inbox.page()
        inbox.unread()
    return len(captured)


def test_what_was_sent_to_a_forgotten_person_is_gone(number, follower):
    tell(follower, "to you")
    tell_all(number, "to all")
    news.forget(follower)
    assert list(News.objects.values_list("text", flat=True)) == ["to all"]
