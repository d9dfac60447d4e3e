"""Filters of the feed look at a bounded part of it, and a follower still misses nothing."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots import feed, ratings
from bots.models import FeedCounter, FeedEntry
from tests import factories
from tests.ddio_api.answers import fail, settle, settled, soon

pytestmark = pytest.mark.django_db
WAITING = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def short_walks(monkeypatch) -> None:
    monkeypatch.setattr(feed, "WALK_AT_MOST", 10)
    monkeypatch.setattr(feed, "OUT_OF_ORDER_AT_MOST", 3)


def many(number, count: int, open_id: str = "alice") -> None:
    """So many further entries of one answer, a second apart, quickly."""
    message = settled(number, open_id=open_id)
    above = message.seq
    rows = [
        FeedEntry(number=number, seq=above + step, kind="answer", message=message,
                  person=message.person, at=NOON + timedelta(seconds=above + step))
        for step in range(1, count + 1)
    ]  # fmt: skip
    FeedEntry.objects.bulk_create(rows)
    FeedEntry.objects.filter(seq=above).update(at=NOON + timedelta(seconds=above))
    FeedCounter.objects.filter(pk=number.pk).update(last=above + count)


def page(client, **query):
    return client.get("chat/feedback", query).json()["result"]


def followed(client, **query):
    """Every page up to the end, at most twenty of them."""
    pages = [page(client, **query)]
    while pages[-1]["has_more"] and len(pages) < 20:
        pages.append(page(client, **query | {"cursor": pages[-1]["next_cursor"]}))
    return pages


@pytest.mark.parametrize(
    "query", [{"status": "failed"}, {"rating": "dislike"}, {"status": "failed", "openID": "alice"}]
)
def test_a_filter_that_matches_nothing_ends_its_page_early_and_moves_on(
    client_of_alice, number, query
):
    many(number, 24)
    pages = followed(client_of_alice, **query)
    assert [found["items"] for found in pages] == [[], [], []]
    assert [found["next_cursor"] for found in pages] == ["10", "20", "25"]
    assert [found["has_more"] for found in pages] == [True, True, False]


def test_who_follows_a_filtered_feed_misses_nothing(client_of_alice, number):
    fail(factories.message(number))
    many(number, 24)
    fail(factories.message(number))
    many(number, 14)
    fail(factories.message(number))
    pages = followed(client_of_alice, status="failed", limit=1)
    assert [item["seq"] for found in pages for item in found["items"]] == [1, 27, 43]


def test_a_walk_of_one_person_goes_by_that_persons_entries(client_of_alice, number):
    many(number, 30)
    fail(factories.message(number, open_id="bob"))
    assert [item["seq"] for item in page(client_of_alice, status="failed", openID="bob")["items"]]


def test_an_unknown_openid_is_looked_for_nowhere(client_of_alice, number):
    many(number, 30)
    found = page(client_of_alice, openID="nobody", status="done", cursor=4)
    assert found == {"items": [], "next_cursor": "4", "has_more": False}


def test_a_full_page_ends_with_its_last_item(client_of_alice, number):
    many(number, 8)
    found = page(client_of_alice, status="done", limit=3)
    assert ([item["seq"] for item in found["items"]], found["next_cursor"]) == ([1, 2, 3], "3")
    assert found["has_more"] is True


def test_begin_is_found_without_a_walk(client_of_alice, number):
    many(number, 40)
    begin = (NOON + timedelta(seconds=39)).isoformat()
    found = page(client_of_alice, begin=begin)
    assert (len(found["items"]), found["next_cursor"], found["has_more"]) == (3, "41", False)


def test_an_early_end_is_an_end(client_of_alice, number):
    many(number, 40)
    end = (NOON + timedelta(seconds=3)).isoformat()
    found = page(client_of_alice, end=end)
    assert (len(found["items"]), found["has_more"]) == (2, False)
    assert page(client_of_alice, end=end, cursor=30)["has_more"] is False


def test_times_that_are_a_little_out_of_order_are_all_found(client_of_alice, number):
    many(number, 20)
    FeedEntry.objects.filter(seq=9).update(at=NOON + timedelta(seconds=12, milliseconds=500))
    begin, end = (NOON + timedelta(seconds=second) for second in (12, 14))
    found = page(client_of_alice, begin=begin.isoformat(), end=end.isoformat())
    assert (len(found["items"]), found["has_more"]) == (3, False)


@pytest.mark.parametrize("query", [{"begin": "2030-01-01T00:00:00Z"}, {"end": "2000-01-01T00:00Z"}])
def test_a_time_in_which_nothing_settled_is_empty(client_of_alice, number, query):
    many(number, 20)
    found = page(client_of_alice, **query)
    assert (found["items"], found["has_more"]) == ([], False)


def test_a_cursor_beyond_the_end_stays_where_it_is(client_of_alice, number):
    many(number, 3)
    found = page(client_of_alice, status="done", cursor="9" * 18)
    assert found == {"items": [], "next_cursor": "9" * 18, "has_more": False}


def test_a_rating_of_another_answer_is_not_taken_for_this_one(client_of_alice, number):
    liked = settled(number)
    settled(number)
    ratings.rate(liked, "like", "Good.")
    items = page(client_of_alice)["items"]
    assert [item["rating"] for item in items] == ["like", None, "like"]
    assert [item["comment"] for item in items] == ["Good.", "", "Good."]


def test_a_rating_taken_back_is_an_entry_that_says_so(client_of_alice, number):
    message = settled(number)
    ratings.rate(message, "like")
    ratings.rate(message, "")
    assert [item["rating"] for item in page(client_of_alice)["items"]] == [None, "like", None]


def test_a_filtered_page_costs_as_many_queries_however_much_there_is(client_of_alice, number):
    settled(number)
    with CaptureQueriesContext(connection) as few:
        page(client_of_alice, status="failed", openID="alice", begin="2020-01-01T00:00:00Z")
    many(number, 40)
    with CaptureQueriesContext(connection) as more:
        page(client_of_alice, status="failed", openID="alice", begin="2020-01-01T00:00:00Z")
    assert len(few) == len(more)


@WAITING
def test_a_filtered_page_with_more_to_look_at_does_not_wait(client_of_alice, number):
    many(number, 24)
    started = time.monotonic()
    assert page(client_of_alice, status="failed", wait=10)["has_more"] is True
    assert time.monotonic() - started < 2


@WAITING
def test_a_filtered_page_at_the_end_waits_for_what_it_wants(client_of_alice, number):
    message = factories.message(number)
    settled(number, open_id="bob")
    with soon(lambda: settle(message, None, status="failed", error_code=71006)):
        found = page(client_of_alice, status="failed", wait=10)
    assert ([item["seq"] for item in found["items"]], found["next_cursor"]) == ([2], "2")
