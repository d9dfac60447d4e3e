"""Who gets in, who sees what, and how soon a token dies."""

import asyncio
import json
import time
from datetime import timedelta

import pytest

from bots import settlement
from ddio_api import tokens
from portal import credentials, moderation, valkey
from portal.models import ServiceNumber, State
from tests import factories
from tests.conftest import DdioClient, ddio_client
from tests.ddio_api.answers import settled

pytestmark = pytest.mark.django_db

QUESTION = {"openID": "alice", "message": "Hello?"}
CALLS = {
    "send": lambda client: client.post("chat/send", QUESTION),
    "feed": lambda client: client.get("chat/feedback"),
    "item": lambda client: client.get("chat/feedback/msg_0"),
    "stream": lambda client: client.get("chat/feedback/msg_0/stream"),
    "news": lambda client: client.post("message/send", {"message": "x", "chatScene": "all"}),
    "followers": lambda client: client.get("followers"),
    "cancel": lambda client: client.post("chat/cancel", {"messageID": "msg_0"}),
    "rating": lambda client: client.post("chat/feedback/msg_0/rating", {"rating": "like"}),
    "conversations": lambda client: client.get("chat/conversations"),
    "messages": lambda client: client.get("chat/conversations/conv_0/messages"),
    "person": lambda client: client.call("DELETE", "people/alice"),
    "quota": lambda client: client.get("quota"),
    "usage": lambda client: client.get("usage"),
}
EACH_CALL = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def outcome(answer) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def secret(number):
    return factories.secret(number)


@pytest.fixture
def client_with_secret(number, secret) -> DdioClient:
    return DdioClient(tokens.issue(number.app_id, secret.row.generation)[0])


# Without a token -----------------------------------------------------------------------------


@EACH_CALL
def test_it_refuses_anonymous_callers(anonymous, call):
    answer = call(anonymous)
    assert outcome(answer) == (401, 41001)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@EACH_CALL
def test_a_session_is_no_token(client, alice, call, anonymous):
    client.force_login(alice)
    anonymous._client.cookies = client.cookies
    assert outcome(call(anonymous)) == (401, 41001)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": "Basic YTpi"}, 41001),
        ({"Authorization": "Bearer"}, 41001),
        ({"Authorization": "Bearer "}, 41001),
        ({"Authorization": " "}, 41001),
        ({"access-token": ""}, 41001),
        ({"Authorization": "Bearer x"}, 40001),
        ({"Authorization": "Bearer fwat_"}, 40001),
        ({"Authorization": "Bearer fwat_" + "A" * 66}, 40001),
        ({"Authorization": "Bearer fwat_" + "A" * 100_000}, 40001),
        ({"Authorization": "Bearer fwat_ünïcödé"}, 40001),
        ({"access-token": "nonsense"}, 40001),
    ],
)
def test_what_is_no_token_is_refused(anonymous, headers, code):
    assert outcome(anonymous.get("chat/feedback", **headers)) == (401, code)


def test_a_token_may_come_in_ddios_own_header(anonymous, number, secret):
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    assert anonymous.get("chat/feedback", **{"access-token": token}).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_may_be_written_in_any_way(anonymous, number, secret, scheme):
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    headers = {"Authorization": f"{scheme} {token}"}
    assert anonymous.get("chat/feedback", **headers).status_code == 200


@pytest.mark.parametrize("name", ["access_token", "accessToken", "access-token", "token"])
def test_a_token_in_the_query_opens_nothing(anonymous, number, secret, name):
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    assert outcome(anonymous.get("chat/feedback", {name: token})) == (401, 41001)


# Tampered and expired tokens -----------------------------------------------------------------


def test_a_token_with_any_letter_changed_is_refused(number, secret):
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    changed = [token[:at] + other(token[at]) + token[at + 1 :] for at in range(5, len(token))]
    assert {outcome(DdioClient(one).get("chat/feedback")) for one in changed} == {(401, 40001)}


def other(letter: str) -> str:
    return "B" if letter == "A" else "A"


def test_a_token_has_one_spelling_only(number, secret):
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    answers = [DdioClient(token[:-1] + last).get("chat/feedback") for last in alphabet]
    assert sum(answer.status_code == 200 for answer in answers) == 1


@pytest.mark.parametrize(
    "change",
    [str.lower, lambda token: token[:-1], lambda token: token + "A", lambda token: token + "="],
)
def test_a_token_of_another_shape_is_refused(number, secret, change):
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    assert outcome(DdioClient(change(token)).get("chat/feedback")) == (401, 40001)


def test_a_token_signed_by_another_installation_is_refused(number, secret, settings):
    ours = settings.TOKEN_SIGNING_KEYS
    settings.TOKEN_SIGNING_KEYS = ["theirs"]
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    settings.TOKEN_SIGNING_KEYS = ours
    assert outcome(DdioClient(token).get("chat/feedback")) == (401, 40001)


@EACH_CALL
def test_an_expired_token_is_refused(number, secret, call, monkeypatch):
    token, seconds = tokens.issue(number.app_id, secret.row.generation)
    later = time.time() + seconds
    monkeypatch.setattr("ddio_api.tokens.time.time", lambda: later)
    assert outcome(call(DdioClient(token))) == (401, 42001)


def test_a_tampered_token_that_is_expired_too_is_invalid(number, secret, settings):
    settings.ACCESS_TOKEN_SECONDS = -5
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    assert outcome(DdioClient(token[:-3] + "AAA").get("chat/feedback")) == (401, 40001)


# Whose message -------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "?wait=1", "/stream"])
def test_another_apps_message_and_an_absent_one_are_answered_alike(client_of_charlie, number, end):
    alices = settled(number).pk
    absent = alices[:-1] + other(alices[-1])
    same_id = {"X-Request-ID": "the-same-request"}
    answers = [
        client_of_charlie.call("GET", f"chat/feedback/{pk}{end}", **same_id)
        for pk in (alices, absent)
    ]
    assert outcome(answers[0]) == (404, 40404)
    assert answers[0].content == answers[1].content
    assert set(answers[0].headers) == set(answers[1].headers)


def test_another_apps_conversation_and_an_absent_one_are_answered_alike(client_of_charlie, number):
    alices = settled(number).conversation_id
    same_id = {"X-Request-ID": "the-same-request"}
    bodies = [
        client_of_charlie.post("chat/send", QUESTION | {"conversationID": one}, **same_id).content
        for one in (alices, "conv_0")
    ]
    assert bodies[0] == bodies[1]
    assert b"40404" in bodies[0]


def test_a_feed_is_its_owners_only(client_of_charlie, number):
    settled(number)
    found = client_of_charlie.get("chat/feedback", {"openID": "alice"}).json()["result"]
    assert found["items"] == []


def test_the_same_person_at_two_numbers_is_two_people(client_of_alice, client_of_charlie):
    ours, theirs = (
        one.post("chat/send", QUESTION).json()["result"]
        for one in (client_of_alice, client_of_charlie)
    )
    assert ours["conversationID"] != theirs["conversationID"]


# States of the number ------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.DRAFT, State.IN_REVIEW, State.REJECTED])
def test_a_number_that_is_not_approved_may_not_ask_and_is_told_why(alice, state):
    client = ddio_client(factories.number(owner=alice, state=state))
    answer = client.post("chat/send", QUESTION)
    assert outcome(answer) == (403, 48001)
    assert str(State(state).label) in answer.json()["msg"]


@pytest.mark.parametrize("state", [State.DRAFT, State.IN_REVIEW, State.REJECTED])
def test_a_number_that_is_not_approved_may_read_its_feed(alice, state):
    client = ddio_client(factories.number(owner=alice, state=state))
    assert client.get("chat/feedback").status_code == 200


@EACH_CALL
@pytest.mark.parametrize("state", [State.SUSPENDED, State.CLOSED])
def test_a_suspended_or_closed_number_is_refused_everywhere(alice, state, call):
    client = ddio_client(factories.number(owner=alice, state=state))
    assert outcome(call(client)) == (403, 50002)


@EACH_CALL
def test_a_suspension_holds_from_the_next_request_on(client_of_alice, number, call):
    assert client_of_alice.get("chat/feedback").status_code == 200
    factories.suspended(number)
    assert outcome(call(client_of_alice)) == (403, 50002)


def test_a_reinstated_number_goes_on_with_its_tokens(client_of_alice, number):
    factories.suspended(number)
    moderation.move(number, moderation.REINSTATE, actor=None)
    assert client_of_alice.get("chat/feedback").status_code == 200


def test_a_closed_number_stays_closed(client_of_alice, number):
    moderation.move(number, moderation.CLOSE, actor=None)
    assert outcome(client_of_alice.get("chat/feedback")) == (403, 50002)


def test_a_deleted_number_takes_its_tokens_along(client_of_alice, number):
    ServiceNumber.objects.filter(pk=number.pk).delete()
    valkey.ask(lambda client: client.flushdb())  # or wait for app_records.RECORD_SECONDS
    assert outcome(client_of_alice.get("chat/feedback")) == (401, 40001)


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_settles_after_the_suspension_is_withheld(client_of_alice, number):
    message = factories.message(number)
    settlement.cancel(message, 50002)
    item = client_of_alice.get(f"chat/feedback/{message.pk}").json()["result"]
    assert (item["status"], item["answer"], item["error"]["code"]) == ("cancelled", "", 50002)


# Secrets of the number -----------------------------------------------------------------------


@EACH_CALL
@pytest.mark.parametrize("end", [credentials.revoke, credentials.freeze])
def test_a_token_dies_with_its_secret_on_the_next_request(client_with_secret, secret, end, call):
    assert client_with_secret.get("chat/feedback").status_code == 200
    end(secret.row, actor=None)
    assert outcome(call(client_with_secret)) == (401, 40001)


def test_a_thawed_secret_brings_its_tokens_back(client_with_secret, secret):
    credentials.freeze(secret.row, actor=None)
    credentials.freeze(secret.row, actor=None, frozen=False)
    assert client_with_secret.get("chat/feedback").status_code == 200


def test_a_reset_without_overlap_kills_tokens_now(client_with_secret, number):
    credentials.reset(number, actor=None)
    assert outcome(client_with_secret.get("chat/feedback")) == (401, 40001)


def test_a_token_lives_through_the_overlap_and_not_longer(client_with_secret, number, monkeypatch):
    credentials.reset(number, actor=None, overlap=timedelta(hours=1))
    assert client_with_secret.get("chat/feedback").status_code == 200
    later = time.time() + 3601
    monkeypatch.setattr("portal.app_records.time.time", lambda: later)
    assert outcome(client_with_secret.get("chat/feedback")) == (401, 40001)


def test_another_secrets_end_harms_no_token(client_with_secret, number):
    credentials.revoke(factories.secret(number).row, actor=None)
    assert client_with_secret.get("chat/feedback").status_code == 200


def test_a_token_of_one_number_opens_no_other(number, charlies_number, secret):
    factories.secret(charlies_number)
    message = settled(charlies_number)
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    assert outcome(DdioClient(token).get(f"chat/feedback/{message.pk}")) == (404, 40404)


def test_of_a_hundred_calls_after_a_revocation_none_slips_through(number, secret):
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    credentials.revoke(secret.row, actor=None)
    answers = {DdioClient(token).get("chat/feedback").status_code for _ in range(100)}
    assert answers == {401}


def test_a_call_costs_no_query_to_authenticate(client_of_alice, django_assert_num_queries):
    client_of_alice.get("chat/feedback/msg_0")
    with django_assert_num_queries(1):
        client_of_alice.get("chat/feedback/msg_0")


# While a call waits ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_token_that_dies_while_its_call_waits_gets_nothing(number, secret, monkeypatch):
    token = tokens.issue(number.app_id, secret.row.generation)[0]
    client = DdioClient(token)
    held = client._client.get(
        "/platform/api2/chat/feedback?wait=5", headers={"Authorization": f"Bearer {token}"}
    )
    credentials.reset(number, actor=None)
    settled(number)
    asyncio.run(held.resolve())
    assert outcome(held_json(held)) == (401, 40001)


def held_json(held):
    """A held response as the client reads it."""
    held.json = lambda: json.loads(held.content)
    return held
