"""Ratings: on the row, and in the feed in commit order."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import close_old_connections

from bots import feed, ratings
from bots.models import FeedEntry, Kind, Message, Status
from portal import wakeups
from tests import factories
from tests.ddio_api.answers import fail, settle, settled


@pytest.fixture
def message(number) -> Message:
    return settled(number)


def entries(number) -> list[tuple[int, str, str]]:
    found = FeedEntry.objects.filter(number=number, kind=Kind.RATING).order_by("seq")
    return list(found.values_list("seq", "rating", "comment"))


def test_a_rating_stands_on_the_row_and_in_the_feed(number, message):
    assert ratings.rate(message, "dislike", "Wrong.") is True
    row = Message.objects.get()
    assert (row.rating, row.comment) == ("dislike", "Wrong.")
    assert entries(number) == [(2, "dislike", "Wrong.")]


def test_the_same_rating_again_writes_nothing(number, message):
    ratings.rate(message, "like")
    assert ratings.rate(message, "like") is False
    assert len(entries(number)) == 1


def test_a_rating_taken_back_is_an_entry_too(number, message):
    ratings.rate(message, "like")
    ratings.rate(message, "")
    assert entries(number) == [(2, "like", ""), (3, "", "")]


def test_a_comment_alone_is_a_change(number, message):
    ratings.rate(message, "dislike")
    ratings.rate(message, "dislike", "Too long.")
    assert entries(number) == [(2, "dislike", ""), (3, "dislike", "Too long.")]


def test_a_comment_counts_with_a_rating_only(number, message):
    assert ratings.rate(message, "", "Just so.") is False
    ratings.rate(message, "like", "Good.")
    ratings.rate(message, "", "Taken back.")
    assert entries(number) == [(2, "like", "Good."), (3, "", "")]
    assert Message.objects.get().comment == ""


def test_a_pending_answer_cannot_be_rated(number):
    with pytest.raises(ratings.NotRateable):
        ratings.rate(factories.message(number), "like")


def test_a_failed_answer_cannot_be_rated(number):
    with pytest.raises(ratings.NotRateable):
        ratings.rate(fail(factories.message(number)), "like")


@pytest.mark.parametrize(("text", "rateable"), [("Half an ans", True), ("", False)])
def test_a_stopped_answer_can_be_rated_where_it_said_something(number, text, rateable):
    stopped = settle(factories.message(number), text, status=Status.CANCELLED)
    assert ratings.is_rateable(stopped) is rateable


@pytest.mark.django_db(transaction=True)
def test_it_wakes_the_readers_of_the_feed_after_the_commit(message, monkeypatch):
    woken = []
    monkeypatch.setattr(wakeups, "publish", lambda *channels: woken.extend(channels))
    ratings.rate(message, "like")
    assert woken == [wakeups.number_channel(message.number_id)]


def rate_apart(message: Message, rating: str) -> bool:
    try:
        return ratings.rate(message, rating)
    finally:
        close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_parallel_ratings_and_settlements_are_numbered_without_a_gap(number):
    rated = [settled(number, open_id=f"p{index}") for index in range(10)]
    pending = [factories.message(number, open_id=f"q{index}") for index in range(10)]
    with ThreadPoolExecutor(8) as pool:
        ratings_given = pool.map(rate_apart, rated, ["like"] * 10)
        list(pool.map(settle_apart, pending))
        assert list(ratings_given) == [True] * 10
    read = [entry.seq for entry in feed.read(feed.Query(number.pk, limit=200)).entries]
    assert read == list(range(1, 31))


def settle_apart(message: Message) -> None:
    try:
        settle(message)
    finally:
        close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_the_same_rating_twenty_times_at_once_is_one_entry(number, message):
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: rate_apart(message, "like"), range(20)))
    assert told.count(True) == 1
    assert len(entries(number)) == 1
