"""chat/conversations and their messages: listed by keyset, whole and in order."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots.models import Conversation, Message, Person
from tests import factories
from tests.ddio_api.answers import settle, settled

pytestmark = pytest.mark.django_db


def listed(client, **query):
    return client.get("chat/conversations", query).json()["result"]


def ids(page) -> list[str]:
    return [item["conversationID"] for item in page["items"]]


def read(client, conversation_id, **query):
    return client.get(f"chat/conversations/{conversation_id}/messages", query).json()["result"]


def begin(number, count=1, open_id="alice") -> list[str]:
    """Conversations with a question each; ids in the order in which they began."""
    asked = [
        factories.message(number, open_id=open_id, new_conversation=True) for _ in range(count)
    ]
    return sorted(message.conversation_id for message in asked)


def queries_of(call) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        call()
    return len(captured)


# The list ---------------------------------------------------------------------------------------


def test_an_item_says_whose_and_when(client_of_alice, number):
    message = settled(number, "What  is\nthis?")
    item = listed(client_of_alice)["items"][0]
    asked = client_of_alice.get(f"chat/feedback/{message.pk}").json()["result"]["askedAt"]
    assert item.pop("startedAt") <= item.pop("lastAt") == asked
    assert item == {
        "conversationID": message.conversation_id,
        "openID": "alice",
        "title": "What is this?",
    }


def test_those_that_began_last_come_first(client_of_alice, number):
    begun = begin(number, 3)
    factories.message(number, conversation_id=begun[0])
    assert ids(listed(client_of_alice)) == begun[::-1]


def test_without_a_name_everybodys_are_listed(client_of_alice, number):
    both = begin(number) + begin(number, open_id="bob")
    assert set(ids(listed(client_of_alice))) == set(both)


def test_with_a_name_that_persons_are_listed(client_of_alice, number):
    begin(number)
    bobs = begin(number, open_id="bob")
    assert ids(listed(client_of_alice, openID="bob")) == bobs


@pytest.mark.parametrize("query", [{}, {"openID": "alice"}], ids=["all", "one person's"])
def test_following_the_cursor_shows_each_once(client_of_alice, number, query):
    begun = begin(number, 5)
    pages = [listed(client_of_alice, limit=2, **query)]
    while pages[-1]["has_more"]:
        cursor = pages[-1]["next_cursor"]
        pages.append(listed(client_of_alice, limit=2, cursor=cursor, **query))
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert [pk for page in pages for pk in ids(page)] == begun[::-1]


def test_one_that_begins_meanwhile_moves_no_other(client_of_alice, number):
    begun = begin(number, 3)
    first = listed(client_of_alice, limit=1)
    begin(number)
    assert ids(listed(client_of_alice, cursor=first["next_cursor"])) == begun[1::-1]


def test_an_empty_page_has_a_cursor_too(client_of_alice, number):
    empty = listed(client_of_alice)
    assert empty == {"items": [], "next_cursor": "", "has_more": False}
    last = begin(number)[0]
    assert listed(client_of_alice, cursor=last)["next_cursor"] == last


def test_a_page_is_its_owners_only(client_of_charlie, client_of_alice, number):
    begin(number)
    assert listed(client_of_charlie)["items"] == []


def test_nobodys_name_is_said_to_be(client_of_alice, charlies_number):
    begin(charlies_number, open_id="carl")
    answer = client_of_alice.get("chat/conversations", {"openID": "carl"})
    assert (answer.status_code, answer.json()["code"]) == (404, 40003)


CURSORS = ["0", "conv_0", "-1", "conv_" + "u" * 26, "CONV_" + "0" * 26, "1" * 41, "\x00", "％"]
ODD = [
    *[("cursor", value) for value in CURSORS],
    *[("limit", value) for value in ["0", "201", "-1", "x", ""]],
    *[("openID", value) for value in ["", " ", "a\x00b", "x" * 65]],
]


@pytest.mark.parametrize(("name", "value"), ODD, ids=[f"{name}={value!r}" for name, value in ODD])
def test_a_query_that_makes_no_sense_is_refused_by_name(client_of_alice, name, value):
    answer = client_of_alice.get("chat/conversations", {name: value})
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert list(answer.json()["fields"]) == [name]


def test_a_forged_cursor_of_the_right_shape_shows_no_more_than_ones_own(
    client_of_charlie, number, charlies_number
):
    begin(number, 2)
    own = begin(charlies_number)
    assert ids(listed(client_of_charlie, cursor="conv_" + "z" * 26)) == own
    assert ids(listed(client_of_charlie, cursor="conv_" + "0" * 26)) == []


@pytest.mark.parametrize("query", [{}, {"openID": "alice"}], ids=["all", "one person's"])
def test_twice_as_many_take_no_more_queries(client_of_alice, number, query):
    begin(number, 5)
    before = queries_of(lambda: listed(client_of_alice, **query))
    begin(number, 5)
    assert queries_of(lambda: listed(client_of_alice, **query)) == before


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL scans what is that small")
@pytest.mark.parametrize(("query", "index"), [({}, "number"), ({"openID": "alice"}, "person")])
def test_a_page_walks_an_index_to_its_place(client_of_alice, number, query, index):
    begin(number)
    with CaptureQueriesContext(connection) as captured:
        listed(client_of_alice, cursor="conv_" + "z" * 26, **query)
    page = captured[-1]["sql"]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {page}")
        plan = str(cursor.fetchall())
    assert f"conversation_of_{index}_kept ({index}_id=? AND id<?)" in plan
    assert "TEMP B-TREE" not in plan


# The messages of one ------------------------------------------------------------------------------


def test_messages_are_items_in_order_unanswered_ones_included(client_of_alice, number):
    first = settle(factories.message(number, "One?"))
    second = factories.message(number, "Two?")
    items = read(client_of_alice, first.conversation_id)["items"]
    assert [item["messageID"] for item in items] == [first.pk, second.pk]
    assert items[0] == client_of_alice.get(f"chat/feedback/{first.pk}").json()["result"]
    assert (items[1]["status"], items[1]["answer"], items[1]["seq"]) == ("queued", None, None)


def test_following_the_messages_cursor_shows_each_once(client_of_alice, number):
    asked = [factories.message(number, f"{n}?") for n in range(5)]
    conversation, seen, cursor = asked[0].conversation_id, [], ""
    for _page in range(3):
        page = read(client_of_alice, conversation, limit=2, cursor=cursor)
        seen, cursor = seen + [item["question"] for item in page["items"]], page["next_cursor"]
    assert (seen, page["has_more"], cursor) == (["0?", "1?", "2?", "3?", "4?"], False, "5")


def test_a_kept_cursor_leads_to_what_was_asked_since(client_of_alice, number):
    conversation = factories.message(number).conversation_id
    cursor = read(client_of_alice, conversation)["next_cursor"]
    assert read(client_of_alice, conversation, cursor=cursor)["next_cursor"] == cursor
    later = factories.message(number, "Later?")
    items = read(client_of_alice, conversation, cursor=cursor)["items"]
    assert [item["messageID"] for item in items] == [later.pk]


def test_a_conversation_without_messages_is_an_empty_page(client_of_alice, number):
    person = Person.objects.create(number=number, open_id="alice")
    empty = Conversation.objects.create(number=number, person=person, channel="ddio")
    page = read(client_of_alice, empty.pk)
    assert page == {"items": [], "next_cursor": "0", "has_more": False}


def test_another_apps_conversation_and_an_absent_one_are_answered_alike(client_of_charlie, number):
    alices, same_id = begin(number)[0], {"X-Request-ID": "the-same-request"}
    foreign, absent = (
        client_of_charlie.get(f"chat/conversations/{pk}/messages", **same_id)
        for pk in (alices, "conv_0")
    )
    assert (foreign.status_code, foreign.json()["code"]) == (404, 40404)
    assert foreign.content == absent.content


@pytest.mark.parametrize("absent", ["%00", "a%00b", "%EF%BF%BD", "％", "x" * 500, ".."])
def test_an_id_that_is_none_is_not_found(client_of_alice, absent):
    answer = client_of_alice.get(f"chat/conversations/{absent}/messages")
    assert (answer.status_code, answer.json()["code"]) == (404, 40404)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("cursor", value) for value in ["-1", "abc", "1" * 10, "１２", "1.0", "\x00"]],
        *[("limit", value) for value in ["0", "201", "x"]],
    ],
)
def test_a_query_of_messages_that_makes_no_sense_is_refused(client_of_alice, number, name, value):
    path = f"chat/conversations/{begin(number)[0]}/messages"
    answer = client_of_alice.get(path, {name: value})
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert list(answer.json()["fields"]) == [name]


def test_twice_as_many_messages_take_no_more_queries(client_of_alice, number):
    conversation = factories.message(number).conversation_id
    before = queries_of(lambda: read(client_of_alice, conversation))
    _more = [factories.message(number) for _ in range(5)]
    assert queries_of(lambda: read(client_of_alice, conversation)) == before
    assert Message.objects.count() == 6


@pytest.mark.parametrize("path", ["chat/conversations", "chat/conversations/conv_0/messages"])
def test_they_are_for_reading_only(client_of_alice, path):
    answer = client_of_alice.post(path, {})
    assert (answer.status_code, answer.json()["code"]) == (405, 43002)
