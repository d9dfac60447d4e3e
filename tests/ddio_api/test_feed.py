"""chat/feedback: every settled item once, in order, to whoever follows next_cursor."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bots.models import FeedCounter, FeedEntry, Message
from tests import factories
from tests.ddio_api.answers import apart, fail, settle, settled, soon

pytestmark = pytest.mark.django_db
WAITING = pytest.mark.django_db(transaction=True)
RFC_3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def page(client, **query):
    return client.get("chat/feedback", query).json()["result"]


def answers(found) -> list[str]:
    return [item["answer"] for item in found["items"]]


def rate(message, rating="like", comment=""):
    """A later rating, as an entry of its own."""
    Message.objects.filter(pk=message.pk).update(rating=rating, comment=comment)
    return FeedEntry.objects.create(
        number=message.number, seq=100, kind="rating", message=message, person=message.person,
        rating=rating, comment=comment,
    )  # fmt: skip


def test_an_empty_feed_has_a_cursor_too(client_of_alice):
    assert page(client_of_alice) == {"items": [], "next_cursor": "0", "has_more": False}


def test_it_shows_the_whole_item(client_of_alice, number):
    message = settled(number, "What?", "That.")
    item = page(client_of_alice)["items"][0]
    assert (item["kind"], item["messageID"], item["seq"]) == ("answer", message.pk, 1)
    assert (item["question"], item["answer"], item["status"]) == ("What?", "That.", "done")
    assert item["usage"] == {"promptTokens": 7, "completionTokens": 3, "totalTokens": 10}
    assert (item["openID"], item["channel"], item["model"]) == ("alice", "ddio", "echo")
    assert (item["error"], item["rating"], item["comment"]) == (None, None, "")


def test_times_are_rfc_3339_in_utc(client_of_alice, number):
    settled(number)
    item = page(client_of_alice)["items"][0]
    assert re.fullmatch(RFC_3339, item["askedAt"])
    assert item["latencyMs"] >= 0


def test_it_shows_settled_items_only(client_of_alice, number):
    factories.message(number, open_id="bob")
    settled(number)
    assert len(page(client_of_alice)["items"]) == 1


def test_it_shows_every_channel_and_every_fate(client_of_alice, number):
    settled(number, channel="web")
    fail(factories.message(number, channel="openai"))
    settle(factories.message(number, channel="sandbox"), "par", status="cancelled")
    items = page(client_of_alice)["items"]
    assert [item["status"] for item in items] == ["done", "failed", "cancelled"]
    assert [item["channel"] for item in items] == ["web", "openai", "sandbox"]
    assert [item["answer"] for item in items] == ["Hi.", None, "par"]


def test_items_come_in_the_order_of_settlement(client_of_alice, number):
    first = factories.message(number, open_id="first")
    settled(number, answer="quick", open_id="second")
    settle(first, "slow")
    assert answers(page(client_of_alice)) == ["quick", "slow"]


def test_following_the_cursor_shows_each_item_once(client_of_alice, number):
    for_all = [settled(number, answer=str(index)).answer for index in range(5)]
    one = page(client_of_alice, limit=2)
    two = page(client_of_alice, limit=2, cursor=one["next_cursor"])
    three = page(client_of_alice, limit=2, cursor=two["next_cursor"])
    assert answers(one) + answers(two) + answers(three) == for_all
    assert [one["has_more"], two["has_more"], three["has_more"]] == [True, True, False]


def test_the_end_keeps_its_cursor_until_something_comes(client_of_alice, number):
    settled(number)
    end = page(client_of_alice)["next_cursor"]
    assert page(client_of_alice, cursor=end)["next_cursor"] == end
    settled(number, answer="new")
    assert answers(page(client_of_alice, cursor=end)) == ["new"]


def test_an_empty_cursor_is_the_start(client_of_alice, number):
    settled(number)
    assert len(page(client_of_alice, cursor="")["items"]) == 1


def test_a_page_has_twenty_items_unless_told_otherwise(client_of_alice, number):
    made = [settled(number) for _ in range(21)]
    assert len(page(client_of_alice)["items"]) == 20
    assert len(page(client_of_alice, limit=200)["items"]) == len(made)


def test_another_numbers_items_are_not_in_it(client_of_alice, charlies_number):
    settled(charlies_number)
    assert page(client_of_alice)["items"] == []


def test_a_later_rating_is_an_entry_of_its_own(client_of_alice, number):
    message = settled(number)
    rate(message, "dislike", "Wrong.")
    rating = page(client_of_alice)["items"][1]
    assert (rating["kind"], rating["messageID"], rating["seq"]) == ("rating", message.pk, 100)
    assert (rating["rating"], rating["comment"]) == ("dislike", "Wrong.")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "done"}, ["a", "b"]),
        ({"status": "failed"}, [None]),
        ({"status": ""}, ["a", "b", None]),
        ({"openID": "bob"}, ["b"]),
        ({"openID": "nobody"}, []),
    ],
)
def test_it_filters(client_of_alice, number, query, found):
    settled(number, answer="a")
    settled(number, answer="b", open_id="bob")
    fail(factories.message(number, open_id="carol"))
    assert answers(page(client_of_alice, **query)) == found


@pytest.mark.parametrize("query", [{"rating": "like"}, {"status": "done"}])
def test_status_and_rating_speak_of_answers_only(client_of_alice, number, query):
    rate(settled(number))
    assert [item["kind"] for item in page(client_of_alice, **query)["items"]] == ["answer"]


def test_begin_and_end_bound_the_time_of_settlement(client_of_alice, number):
    early, late = settled(number, answer="early"), settled(number, answer="late")
    now = timezone.now().replace(microsecond=0)
    FeedEntry.objects.filter(message=early).update(at=now - timedelta(hours=2))
    FeedEntry.objects.filter(message=late).update(at=now)
    border = (now - timedelta(hours=1)).isoformat()
    assert answers(page(client_of_alice, begin=border)) == ["late"]
    assert answers(page(client_of_alice, end=border)) == ["early"]


def test_begin_is_inclusive_and_end_is_not(client_of_alice, number):
    message = settled(number)
    at = FeedEntry.objects.get(message=message).at.isoformat()
    assert len(page(client_of_alice, begin=at)["items"]) == 1
    assert page(client_of_alice, end=at)["items"] == []


def test_a_filtered_page_that_is_not_full_has_no_more(client_of_alice, number):
    settled(number, open_id="bob")
    settled(number)
    found = page(client_of_alice, openID="bob", limit=1)
    assert (len(found["items"]), found["has_more"]) == (1, False)


def test_it_costs_the_same_when_the_rows_double(client_of_alice, number):
    settled(number, open_id="first")
    with CaptureQueriesContext(connection) as few:
        page(client_of_alice)
    _more = [settled(number, open_id=f"person {index}") for index in range(9)]
    with CaptureQueriesContext(connection) as many:
        page(client_of_alice)
    assert len(few) == len(many) == 1
    assert not [query for query in many if "OFFSET" in query["sql"] or "COUNT(" in query["sql"]]


# Waiting ----------------------------------------------------------------------------------------


@WAITING
def test_wait_holds_an_empty_page_until_something_settles(client_of_alice, number):
    message = factories.message(number)
    started = time.monotonic()
    with soon(lambda: settle(message)):
        found = page(client_of_alice, wait=10)
    assert answers(found) == ["Hi."]
    assert time.monotonic() - started < 2


@WAITING
def test_wait_ends_with_an_empty_page(client_of_alice, number):
    settled(number)
    found = page(client_of_alice, cursor=1, wait=0.1)
    assert found == {"items": [], "next_cursor": "1", "has_more": False}


@WAITING
def test_wait_is_not_ended_by_what_the_filter_hides(client_of_alice, number):
    message = factories.message(number, open_id="bob")
    with soon(lambda: settle(message), seconds=0.05):
        found = page(client_of_alice, openID="alice", wait=0.3)
    assert found["items"] == []


@WAITING
def test_a_page_that_is_not_empty_does_not_wait(client_of_alice, number):
    settled(number)
    started = time.monotonic()
    assert len(page(client_of_alice, wait=10)["items"]) == 1
    assert time.monotonic() - started < 2


@WAITING
def test_a_follower_misses_nothing_while_many_settle(client_of_alice, number):
    messages = [factories.message(number, open_id=f"p{index}") for index in range(40)]
    with ThreadPoolExecutor(8) as pool:
        running = pool.map(apart(settle), messages)
        seen = follow(client_of_alice, len(messages))
        list(running)
    assert [item["seq"] for item in seen] == list(range(1, 41))
    assert {item["messageID"] for item in seen} == {message.pk for message in messages}
    assert FeedCounter.objects.get().last == 40


def follow(client, number_of_items):
    """What a consumer sees who follows next_cursor while the feed grows."""
    seen, cursor, deadline = [], "", time.monotonic() + 20
    while len(seen) < number_of_items and time.monotonic() < deadline:
        found = page(client, cursor=cursor, limit=7, wait=0.5)
        seen, cursor = seen + found["items"], found["next_cursor"]
    return seen


# Moments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_the_ends_of_time_are_no_failure(client_of_alice, settings, zone, moment):
    settings.TIME_ZONE = zone
    statuses = [client_of_alice.get("chat/feedback", {name: moment}).status_code
                for name in ("begin", "end")]  # fmt: skip
    assert set(statuses) <= {200, 400}


def test_a_moment_without_an_offset_is_utc(client_of_alice, number, settings):
    settings.TIME_ZONE = "Asia/Shanghai"
    settled(number)
    soon = (timezone.now() + timedelta(minutes=5)).replace(tzinfo=None).isoformat()
    found = client_of_alice.get("chat/feedback", {"begin": soon}).json()["result"]
    assert found["items"] == []
