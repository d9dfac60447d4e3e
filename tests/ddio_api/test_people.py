"""people/{openID}: erasing a person's conversations."""

import asyncio
from urllib.parse import quote

import pytest

from bots import erasing
from bots.models import Message, Person
from portal.models import AuditEntry, State
from tests import factories
from tests.conftest import ddio_client
from tests.ddio_api.answers import events, fail, settled
from tests.ddio_api.test_stream import everything

pytestmark = pytest.mark.django_db


def erase(client, open_id="alice"):
    return client.call("DELETE", f"people/{quote(open_id, safe='')}")


def feed(client, **query):
    return client.get("chat/feedback", query).json()["result"]["items"]


def rate(client, message, **rating):
    return client.post(f"chat/feedback/{message.pk}/rating", rating)


def test_it_tells_what_it_has_erased(client_of_alice, number):
    settled(number)
    factories.message(number)
    factories.message(number, new_conversation=True)
    answer = erase(client_of_alice)
    assert answer.status_code == 200
    assert answer.json()["result"] == {"openID": "alice", "conversations": 2, "messages": 3}


def test_a_second_time_there_is_nothing_left(client_of_alice, number):
    settled(number)
    answers = [erase(client_of_alice) for _ in range(2)]
    assert answers[1].json()["result"] == {"openID": "alice", "conversations": 0, "messages": 0}
    assert AuditEntry.objects.filter(action="person.erased").count() == 1


def test_the_audit_trail_names_the_app_and_the_request(client_of_alice, number):
    settled(number)
    answer = erase(client_of_alice)
    entry = AuditEntry.objects.get(action="person.erased")
    assert (entry.actor_name, entry.number) == ("app", number)
    assert entry.request_id == answer.headers["X-Request-ID"]


# What is left ------------------------------------------------------------------------------------


def test_an_entry_of_the_feed_stays_as_a_tombstone(client_of_alice, number):
    message = settled(number)
    before = feed(client_of_alice)[0]
    erase(client_of_alice)
    changed = {"question": None, "answer": None, "erased": True}
    assert feed(client_of_alice) == [before | changed]
    one = client_of_alice.get(f"chat/feedback/{message.pk}").json()["result"]
    assert one == before | changed


def test_only_a_tombstone_says_that_it_is_erased(client_of_alice, number):
    settled(number, open_id="bob")
    assert "erased" not in feed(client_of_alice)[0]


def test_comments_are_gone_from_answers_and_from_ratings(client_of_alice, number):
    message = settled(number)
    rate(client_of_alice, message, rating="dislike", comment="I, Alice, say so.")
    rate(client_of_alice, message, rating="like", comment="Or else.")
    erase(client_of_alice)
    items = feed(client_of_alice)
    assert [item["comment"] for item in items] == ["", "", ""]
    assert [item["rating"] for item in items] == ["like", "dislike", "like"]
    assert [item["erased"] for item in items] == [True] * 3


def test_what_waited_is_cancelled_and_a_failure_stays_one(client_of_alice, number):
    fail(factories.message(number))
    factories.message(number)
    erase(client_of_alice)
    items = feed(client_of_alice)
    assert [item["status"] for item in items] == ["failed", "cancelled"]
    assert {item["erased"] for item in items} == {True}


def test_the_feed_keeps_its_order_and_its_places(client_of_alice, number):
    for open_id in ("alice", "bob", "alice"):
        settled(number, open_id=open_id)
    erase(client_of_alice)
    settled(number)
    items = feed(client_of_alice)
    assert [item["seq"] for item in items] == [1, 2, 3, 4]
    assert [item.get("erased", False) for item in items] == [True, False, True, False]


def test_the_conversations_are_no_longer_listed_or_read(client_of_alice, number):
    conversation = settled(number).conversation_id
    erase(client_of_alice)
    for query in ({}, {"openID": "alice"}):
        assert client_of_alice.get("chat/conversations", query).json()["result"]["items"] == []
    messages = client_of_alice.get(f"chat/conversations/{conversation}/messages")
    assert messages.json()["code"] == 40404


def test_an_erased_answer_is_neither_rated_nor_cancelled_any_more(client_of_alice, number):
    message = settled(number)
    erase(client_of_alice)
    refused = rate(client_of_alice, message, rating="like")
    assert (refused.json()["code"], refused.json()["fields"]["rating"]) == (
        47001,
        ["The answer was erased."],
    )
    told = client_of_alice.post("chat/cancel", {"messageID": message.pk}).json()["result"]
    assert told["status"] == "done"


@pytest.mark.parametrize(("place", "names"), [("", ["done"]), ("1-3", ["reset", "done"])])
def test_the_stream_of_an_erased_answer_says_no_word_of_it(client_of_alice, number, place, names):
    message = settled(number)
    erase(client_of_alice)
    path, headers = f"chat/feedback/{message.pk}/stream", {"Last-Event-ID": place}
    stream = client_of_alice.get(path, **headers)
    seen = events(asyncio.run(everything(stream)))
    assert [event.name for event in seen] == names
    assert (seen[-1].data["answer"], seen[-1].data["erased"]) == (None, True)


# What comes afterwards ----------------------------------------------------------------------------


def ask(client, **more):
    return client.post("chat/send", {"openID": "alice", "message": "Hello?"} | more)


def test_the_next_question_begins_a_new_conversation(client_of_alice):
    old = ask(client_of_alice).json()["result"]["conversationID"]
    erase(client_of_alice)
    assert ask(client_of_alice, conversationID=old).json()["code"] == 40404
    assert ask(client_of_alice).json()["result"]["conversationID"] != old


def test_a_key_of_what_was_erased_asks_anew(client_of_alice):
    body, key = {"openID": "alice", "message": "Hello?"}, {"Idempotency-Key": "k1"}
    first = client_of_alice.post("chat/send", body, **key).json()["result"]
    erase(client_of_alice)
    second = client_of_alice.post("chat/send", body, **key).json()["result"]
    assert first["messageID"] != second["messageID"]


# Whose name --------------------------------------------------------------------------------------


NAMES = [
    "a/b",
    "/a",
    "a/",
    "a//b",
    "../x",
    "张三",
    "a b",
    "100%",
    "a?b#c",
    "a%2Fb",
    "🙂",
    "o_x",
    ".",
]


@pytest.mark.parametrize("open_id", NAMES)
def test_a_name_of_any_visible_characters_is_understood(client_of_alice, number, open_id):
    person = Person.objects.create(number=number, open_id=open_id)
    factories.message(number, open_id=open_id)
    answer = erase(client_of_alice, open_id)
    assert answer.json()["result"]["openID"] == open_id
    assert Message.objects.get().person == person


def test_a_slash_may_stay_as_it_is(client_of_alice, number):
    settled(number, open_id="org/alice")
    assert client_of_alice.call("DELETE", "people/org/alice").status_code == 200


def test_another_apps_person_and_nobody_are_answered_alike(client_of_charlie, number):
    settled(number)
    same_id = {"X-Request-ID": "the-same-request"}
    foreign, absent = (
        client_of_charlie.call("DELETE", f"people/{one}", **same_id) for one in ("alice", "nobody")
    )
    assert (foreign.status_code, foreign.json()["code"]) == (404, 40003)
    assert foreign.content == absent.content
    assert Message.objects.get().question == "Hello?"


@pytest.mark.parametrize("raw", ["%00", "a%00b", "%FF", "%ED%A0%80", "x" * 500, "%20", "%C2%85"])
def test_what_is_nobodys_name_is_said_to_be(client_of_alice, raw):
    answer = client_of_alice.call("DELETE", f"people/{raw}")
    assert (answer.status_code, answer.json()["code"]) == (404, 40003)


@pytest.mark.parametrize("path", ["people", "people/"])
def test_everybody_is_not_erased_at_once(client_of_alice, number, path):
    settled(number)
    assert client_of_alice.call("DELETE", path).json()["code"] == 40404
    assert Message.objects.get().question == "Hello?"


@pytest.mark.parametrize("state", [State.DRAFT, State.IN_REVIEW, State.REJECTED])
def test_a_number_that_is_not_approved_has_no_people_to_erase(alice, state):
    answer = erase(ddio_client(factories.number(owner=alice, state=state)), "sandbox")
    assert (answer.status_code, answer.json()["code"]) == (403, 48001)
    assert str(State(state).label) in answer.json()["msg"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_it_takes_nothing_but_a_delete(client_of_alice, number, method):
    settled(number)
    answer = client_of_alice.call(method, "people/alice")
    assert (answer.status_code, answer.json()["code"]) == (405, 43002)


def test_batches_are_no_concern_of_the_callers(client_of_alice, number, monkeypatch):
    monkeypatch.setattr(erasing, "MESSAGES_AT_ONCE", 2)
    _five = [settled(number) for _ in range(5)]
    assert erase(client_of_alice).json()["result"]["messages"] == 5
