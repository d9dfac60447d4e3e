"""chat/feedback/{messageID}/rating: what a person says of an answer."""

import pytest

from bots.models import FeedEntry, Message, Status
from bots.ratings import COMMENT_LENGTH_AT_MOST
from tests import factories
from tests.ddio_api.answers import fail, settle, settled
from tests.ddio_api.test_bad_input import UNSTORABLE

pytestmark = pytest.mark.django_db


@pytest.fixture
def message(number) -> Message:
    return settled(number)


def rate(client, message, rating="like", **more):
    return client.post(f"chat/feedback/{message.pk}/rating", {"rating": rating} | more)


def feed(client, **query):
    return client.get("chat/feedback", query).json()["result"]["items"]


@pytest.mark.parametrize("rating", ["like", "dislike"])
def test_it_answers_the_rated_item(client_of_alice, message, rating):
    answer = rate(client_of_alice, message, rating, comment="So\nso. 好")
    assert answer.status_code == 200
    item = answer.json()["result"]
    assert (item["messageID"], item["rating"]) == (message.pk, rating)
    assert item["comment"] == "So\nso. 好"


def test_a_later_rating_is_an_entry_of_the_feed_once_and_in_order(client_of_alice, message, number):
    rate(client_of_alice, message, "dislike", comment="Wrong.")
    settled(number)
    entries = feed(client_of_alice)
    assert [(one["seq"], one["kind"]) for one in entries] == [
        (1, "answer"),
        (2, "rating"),
        (3, "answer"),
    ]
    told = {name: entries[1][name] for name in ("messageID", "openID", "rating", "comment")}
    assert told == {
        "messageID": message.pk,
        "openID": "alice",
        "rating": "dislike",
        "comment": "Wrong.",
    }
    assert "erased" not in entries[1]


def test_a_reader_who_was_up_to_date_gets_the_rating_alone(client_of_alice, message):
    rate(client_of_alice, message)
    assert [one["kind"] for one in feed(client_of_alice, cursor=1)] == ["rating"]


def test_null_takes_the_rating_back(client_of_alice, message):
    rate(client_of_alice, message, "dislike", comment="Wrong.")
    item = rate(client_of_alice, message, None, comment="Sorry.").json()["result"]
    assert (item["rating"], item["comment"]) == (None, "")
    assert [one["rating"] for one in feed(client_of_alice, cursor=1)] == ["dislike", None]


def test_the_same_rating_again_changes_nothing(client_of_alice, message):
    answers = [rate(client_of_alice, message, comment="Good.") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert FeedEntry.objects.filter(kind="rating").count() == 1


@pytest.mark.parametrize("comment", ["", None])
def test_no_comment_may_be_said_in_two_ways(client_of_alice, message, comment):
    assert rate(client_of_alice, message, comment=comment).json()["result"]["comment"] == ""


UNRATEABLE = {
    "not settled": (lambda message: message, "not settled yet"),
    "failed": (fail, "has failed"),
    "empty": (lambda message: settle(message, "", status=Status.CANCELLED), "is empty"),
}


@pytest.mark.parametrize(("fate", "why"), UNRATEABLE.values(), ids=UNRATEABLE)
def test_what_cannot_be_rated_is_refused_with_the_reason(client_of_alice, number, fate, why):
    answer = rate(client_of_alice, fate(factories.message(number)))
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert why in answer.json()["fields"]["rating"][0]
    assert not FeedEntry.objects.filter(kind="rating").exists()


@pytest.mark.parametrize("rating", ["", "love", "LIKE", True, 1, [], {}, "\x00"], ids=repr)
def test_a_rating_that_is_none_is_refused_by_name(client_of_alice, message, rating):
    answer = rate(client_of_alice, message, rating)
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert list(answer.json()["fields"]) == ["rating"]


def test_a_missing_rating_is_not_taken_back(client_of_alice, message):
    answer = client_of_alice.post(f"chat/feedback/{message.pk}/rating", {"comment": "Good."})
    assert list(answer.json()["fields"]) == ["rating"]


TOO_MUCH = "好" * (COMMENT_LENGTH_AT_MOST + 1)


@pytest.mark.parametrize("comment", [True, 1, [], {}, *UNSTORABLE, TOO_MUCH], ids=repr)
def test_a_comment_that_cannot_be_kept_is_refused_by_name(client_of_alice, message, comment):
    answer = rate(client_of_alice, message, comment=comment)
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert list(answer.json()["fields"]) == ["comment"]


def test_a_comment_may_have_500_characters(client_of_alice, message):
    item = rate(client_of_alice, message, comment="好" * 500).json()["result"]
    assert item["comment"] == "好" * 500


def test_another_apps_message_and_an_absent_one_are_answered_alike(client_of_charlie, message):
    same_id = {"X-Request-ID": "the-same-request"}
    foreign, absent = (
        client_of_charlie.post(f"chat/feedback/{pk}/rating", {"rating": "like"}, **same_id)
        for pk in (message.pk, "msg_0")
    )
    assert (foreign.status_code, foreign.json()["code"]) == (404, 40404)
    assert foreign.content == absent.content
    assert Message.objects.get().rating == ""


def test_it_takes_nothing_but_a_post(client_of_alice, message):
    answer = client_of_alice.call("GET", f"chat/feedback/{message.pk}/rating")
    assert (answer.status_code, answer.json()["code"]) == (405, 43002)
