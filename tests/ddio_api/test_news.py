"""message/send and followers: what a number says unasked, and to whom."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots import followers, news
from bots.models import News, Person
from portal.models import State
from tests import factories
from tests.conftest import ddio_client

pytestmark = pytest.mark.django_db

NO_OPEN_ID = [True, 0, 1.5, [], {}, "a\x00b", "\ud800", " ", "a\nb", "x" * 65]
CURSORS = ["-1", "abc", "1" + "0" * 19, "１２", "1.0", "+1", " 1", "1\x00"]
LIMITS = ["0", "201", "-1", "1.5", "abc", "", "９", "9" * 400, "\x00"]


@pytest.fixture
def follower(number, charlie) -> Person:
    return followers.follow(number, charlie).person


def send(client, key="", **body):
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("message/send", {"message": "Your order."} | body, **headers)


def to_all(client, text="We move house.", **more):
    return send(client, message=text, chatScene="all", **more)


def outcome(answer) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"]


# Sending ----------------------------------------------------------------------------------------


def test_a_message_reaches_the_person_that_is_named(client_of_alice, follower):
    answer = send(client_of_alice, receTargetID=follower.open_id, messageType=2, chatScene="user")
    stored = News.objects.get()
    assert answer.status_code == 200
    assert answer.json()["result"] == {"messageID": stored.pk, "accepted": 1}
    assert (stored.person, stored.text) == (follower, "Your order.")


def test_the_scene_and_the_kind_may_be_left_out(client_of_alice, follower):
    assert send(client_of_alice, receTargetID=follower.open_id).status_code == 200


def test_who_talks_without_following_can_be_addressed_too(client_of_alice, number):
    factories.message(number, open_id="bob")
    assert send(client_of_alice, receTargetID="bob").json()["result"]["accepted"] == 1


@pytest.mark.parametrize("target", [{}, {"receTargetID": None}, {"receTargetID": ""}])
def test_a_message_to_all_names_nobody(client_of_alice, follower, target):
    assert to_all(client_of_alice, **target).json()["result"]["accepted"] == 1
    assert News.objects.get().person is None


def test_a_message_to_nobody_is_accepted_by_nobody(client_of_alice):
    assert to_all(client_of_alice).json()["result"]["accepted"] == 0


def test_it_takes_ddios_own_form_of_a_message(client_of_alice):
    to_all(client_of_alice, {"messageType": 2, "body": "ping"})
    assert News.objects.get().text == "ping"


def test_it_takes_a_form(client_of_alice, follower):
    form = {"content_type": "application/x-www-form-urlencoded"}
    body = f"receTargetID={follower.open_id}&messageType=2&message=%E4%BD%A0%E5%A5%BD"
    assert client_of_alice.post("message/send", body, **form).status_code == 200
    assert News.objects.get().text == "你好"


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("open_id", ["bob", "o_someone"])
def test_an_unknown_person_is_40003(client_of_alice, open_id):
    assert outcome(send(client_of_alice, receTargetID=open_id)) == (404, 40003)
    assert not Person.objects.exists()


def test_another_numbers_follower_is_unknown(client_of_charlie, follower):
    assert outcome(send(client_of_charlie, receTargetID=follower.open_id)) == (404, 40003)


@pytest.mark.parametrize("target", [{}, {"receTargetID": None}, {"receTargetID": ""}])
def test_without_a_target_it_goes_to_nobody(client_of_alice, target):
    answer = send(client_of_alice, **target)
    assert outcome(answer) == (400, 47001)
    assert list(answer.json()["fields"]) == ["receTargetID"]


def test_a_target_beside_all_is_refused(client_of_alice, follower):
    answer = to_all(client_of_alice, receTargetID=follower.open_id)
    assert outcome(answer) == (400, 47001)
    assert list(answer.json()["fields"]) == ["receTargetID"]
    assert not News.objects.exists()


@pytest.mark.parametrize("open_id", NO_OPEN_ID, ids=repr)
def test_a_target_that_is_no_name_is_refused(client_of_alice, open_id):
    answer = send(client_of_alice, receTargetID=open_id)
    assert outcome(answer) == (400, 47001)
    assert list(answer.json()["fields"]) == ["receTargetID"]


@pytest.mark.parametrize("kind", [0, 1, 3, 7, True, None, [], {}, "text", 2.5, "２"], ids=repr)
def test_only_text_is_sent(client_of_alice, kind):
    answer = to_all(client_of_alice, messageType=kind)
    assert outcome(answer) == (400, 47001)
    assert list(answer.json()["fields"]) == ["messageType"]


@pytest.mark.parametrize("scene", ["group", "ALL", "", None, 1, [], {}], ids=repr)
def test_an_unknown_scene_is_refused(client_of_alice, scene):
    answer = send(client_of_alice, chatScene=scene)
    assert outcome(answer) == (400, 47001)
    assert list(answer.json()["fields"]) == ["chatScene"]


@pytest.mark.parametrize("text", [None, 5, [], "a\x00b", "\udfff", {"messageType": 1}], ids=repr)
def test_a_message_that_is_no_text_is_refused(client_of_alice, text):
    answer = to_all(client_of_alice, text)
    assert outcome(answer) == (400, 47001)
    assert list(answer.json()["fields"]) == ["message"]


@pytest.mark.parametrize("text", ["", " \n", {"messageType": 2, "body": ""}])
def test_an_empty_message_is_44004(client_of_alice, text):
    assert outcome(to_all(client_of_alice, text)) == (400, 44004)


def test_a_message_that_is_too_long_is_45002(client_of_alice):
    assert outcome(to_all(client_of_alice, "好" * 16_001)) == (413, 45002)
    assert to_all(client_of_alice, "好" * 16_000).status_code == 200


def test_a_missing_message_is_named(client_of_alice):
    answer = client_of_alice.post("message/send", {"chatScene": "all"})
    assert outcome(answer) == (400, 47001)
    assert list(answer.json()["fields"]) == ["message"]


@pytest.mark.parametrize("state", [State.DRAFT, State.IN_REVIEW, State.REJECTED])
def test_a_number_that_is_not_approved_sends_nothing(alice, state):
    answer = to_all(ddio_client(factories.number(owner=alice, state=state)))
    assert outcome(answer) == (403, 48001)
    assert str(State(state).label) in answer.json()["msg"]


@pytest.mark.parametrize("state", [State.DRAFT, State.IN_REVIEW, State.REJECTED])
def test_a_number_that_is_not_approved_lists_no_followers(alice, state):
    client = ddio_client(factories.number(owner=alice, state=state))
    assert outcome(client.get("followers")) == (403, 48001)


def test_a_number_that_is_suspended_in_this_moment_sends_nothing(
    client_of_alice, number, monkeypatch
):
    """After the call was let in, before the message is written."""
    known = news._replayed

    def suspended_meanwhile(notice):
        factories.ServiceNumber.objects.filter(pk=number.pk).update(state=State.SUSPENDED)
        return known(notice)

    monkeypatch.setattr(news, "_replayed", suspended_meanwhile)
    assert outcome(to_all(client_of_alice)) == (403, 48001)
    assert not News.objects.exists()


def test_a_suspended_number_sends_nothing(client_of_alice, number):
    factories.suspended(number)
    assert outcome(to_all(client_of_alice)) == (403, 50002)


@pytest.mark.parametrize("quota", ["NEWS_PER_NUMBER_AND_DAY", "MESSAGES_PER_NUMBER_AND_DAY"])
def test_the_days_quota_ends(client_of_alice, follower, settings, quota):
    setattr(settings, quota, 1)
    bodies = {
        "NEWS_PER_NUMBER_AND_DAY": {"chatScene": "all"},
        "MESSAGES_PER_NUMBER_AND_DAY": {"receTargetID": follower.open_id},
    }
    answers = [send(client_of_alice, **bodies[quota]) for _ in range(2)]
    assert [outcome(answer) for answer in answers] == [(200, 0), (429, 45009)]
    assert int(answers[1].headers["Retry-After"]) >= 1


# Idempotency-Key ----------------------------------------------------------------------------------


def test_a_repeated_key_is_the_same_message(client_of_alice, follower):
    first, again = (send(client_of_alice, "k1", receTargetID=follower.open_id) for _ in range(2))
    assert first.json()["result"] == again.json()["result"]
    assert News.objects.count() == 1


@pytest.mark.parametrize(
    "other", [{"message": "Other."}, {"chatScene": "all", "receTargetID": None}]
)
def test_a_key_for_another_request_is_a_conflict(client_of_alice, follower, other):
    asked = {"receTargetID": follower.open_id}
    send(client_of_alice, "k1", **asked)
    assert outcome(send(client_of_alice, "k1", **(asked | other))) == (409, 40900)


def test_the_keys_of_asking_and_of_sending_do_not_meet(client_of_alice):
    asked = {"openID": "alice", "message": "Hello?"}
    client_of_alice.post("chat/send", asked, **{"Idempotency-Key": "k1"})
    assert to_all(client_of_alice, key="k1").status_code == 200


@pytest.mark.parametrize("key", ["k" * 256, "schlüssel", "a\tb"])
def test_a_key_that_is_not_printable_ascii_is_refused(client_of_alice, key):
    answer = to_all(client_of_alice, key=key)
    assert outcome(answer) == (400, 47001)
    assert "Idempotency-Key" in answer.json()["fields"]


# The followers ------------------------------------------------------------------------------------


def listed(client, **query):
    return client.get("followers", query).json()["result"]


def test_nobody_follows_at_first(client_of_alice):
    assert listed(client_of_alice) == {"items": [], "next_cursor": "0", "has_more": False}


def test_a_follower_is_named_with_the_time(client_of_alice, follower):
    found = listed(client_of_alice)
    assert [item["openID"] for item in found["items"]] == [follower.open_id]
    assert found["items"][0]["since"].endswith("Z")
    assert found["next_cursor"] == "1"


def test_pages_are_followed_to_the_end(client_of_alice, number):
    made = [followers.follow(number, factories.user()).person.open_id for _ in range(5)]
    read, page = [], listed(client_of_alice, limit=2)
    for _page in range(3):
        read += [item["openID"] for item in page["items"]]
        page = listed(client_of_alice, limit=2, cursor=page["next_cursor"])
    assert (read, page["items"], page["has_more"]) == (made, [], False)


def test_who_follows_while_one_pages_is_neither_missed_nor_doubled(client_of_alice, number):
    for _follower in range(3):
        followers.follow(number, factories.user())
    first = listed(client_of_alice, limit=2)
    late = followers.follow(number, factories.user()).person.open_id
    second = listed(client_of_alice, cursor=first["next_cursor"])
    assert [item["openID"] for item in second["items"]][-1] == late
    assert len(first["items"] + second["items"]) == 4


def test_a_list_of_followers_is_its_owners_only(client_of_charlie, follower):
    assert listed(client_of_charlie)["items"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [*[("cursor", value) for value in CURSORS], *[("limit", value) for value in LIMITS]],
    ids=lambda value: f"{value!r:.20}",
)
def test_a_query_that_makes_no_sense_is_refused_by_name(client_of_alice, name, value):
    answer = client_of_alice.get("followers", {name: value})
    assert outcome(answer) == (400, 47001)
    assert list(answer.json()["fields"]) == [name]


def test_the_cost_of_a_page_does_not_grow_with_the_followers(client_of_alice, number):
    followers.follow(number, factories.user())
    with CaptureQueriesContext(connection) as few:
        listed(client_of_alice)
    for _follower in range(5):
        followers.follow(number, factories.user())
    with CaptureQueriesContext(connection) as more:
        assert len(listed(client_of_alice)["items"]) == 6
    assert len(few) == len(more)
    assert not [query for query in more if "COUNT(" in query["sql"] or "OFFSET" in query["sql"]]
