"""chat/send: asking the robot on behalf of a person."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bots import backlog
from bots.models import Conversation, Message, Person
from portal.hold import HeldResponse
from tests import factories
from tests.bots.at_work import answer_now
from tests.conftest import DdioClient, ddio_client
from tests.ddio_api.answers import apart, fail, settle, soon

pytestmark = pytest.mark.django_db
WAITING = pytest.mark.django_db(transaction=True)


def send(client: DdioClient, text="Hello?", open_id="alice", key="", **more):
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("chat/send", {"openID": open_id, "message": text} | more, **headers)


def settle_the_only_message() -> Message:
    return settle(Message.objects.get())


def test_it_accepts_a_question_at_once(client_of_alice):
    answer = send(client_of_alice, "What is your name?")
    stored = Message.objects.get()
    assert answer.status_code == 202
    assert answer.json()["result"] == {
        "messageID": stored.pk,
        "conversationID": stored.conversation_id,
        "status": "queued",
    }
    assert (stored.question, stored.channel) == ("What is your name?", "ddio")


@WAITING
def test_it_nudges_a_worker(client_of_alice, number, nudged):
    message_id = send(client_of_alice).json()["result"]["messageID"]
    assert nudged == [("bots.tasks.answer", (message_id, number.pk))]


def test_it_takes_ddios_own_form_of_a_message(client_of_alice):
    send(client_of_alice, {"messageType": 2, "body": "ping"})
    assert Message.objects.get().question == "ping"


@pytest.mark.parametrize("kind", [0, 1, 3, 7, "2", True, None, [], 2.5])
def test_it_answers_text_only(client_of_alice, kind):
    answer = send(client_of_alice, {"messageType": kind, "body": "ping"})
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert "message" in answer.json()["fields"]


def test_it_keeps_the_text_as_it_came(client_of_alice):
    text = "  你好，🙂\r\n\tworld\u202e  "
    send(client_of_alice, text)
    assert Message.objects.get().question == text


def test_it_goes_on_with_the_persons_latest_conversation(client_of_alice):
    first, second = (send(client_of_alice).json()["result"] for _ in range(2))
    assert first["conversationID"] == second["conversationID"]
    assert first["messageID"] != second["messageID"]


@pytest.mark.parametrize("given", [None, ""])
def test_no_conversation_may_be_said_in_two_ways(client_of_alice, given):
    assert send(client_of_alice, conversationID=given).status_code == 202


def test_it_goes_on_with_the_conversation_that_is_named(client_of_alice):
    named = send(client_of_alice).json()["result"]["conversationID"]
    Conversation.objects.create(
        number=Message.objects.get().number, person=Person.objects.get(), channel="ddio"
    )
    answer = send(client_of_alice, conversationID=named)
    assert answer.json()["result"]["conversationID"] == named


def test_it_refuses_another_persons_conversation(client_of_alice):
    theirs = send(client_of_alice, open_id="bob").json()["result"]["conversationID"]
    answer = send(client_of_alice, conversationID=theirs)
    assert (answer.status_code, answer.json()["code"]) == (404, 40404)


def test_callers_cannot_invent_the_platforms_names(client_of_alice):
    answer = send(client_of_alice, open_id="o_someone")
    assert (answer.status_code, answer.json()["code"]) == (404, 40003)
    assert not Person.objects.exists()


def test_callers_may_address_the_platforms_names(client_of_alice, number):
    Person.objects.create(number=number, open_id="o_someone")
    assert send(client_of_alice, open_id="o_someone").status_code == 202


def test_it_refuses_too_many_pending_questions(client_of_alice, settings):
    settings.PENDING_PER_PERSON = 2
    answers = [send(client_of_alice) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[-1].json()["code"] == 45011
    assert int(answers[-1].headers["Retry-After"]) >= 1


# Waiting ----------------------------------------------------------------------------------------


@WAITING
def test_wait_gives_the_whole_item_as_soon_as_it_is_settled(client_of_alice):
    with soon(settle_the_only_message):
        started = time.monotonic()
        answer = send(client_of_alice, wait=10)
    assert answer.status_code == 200
    assert answer.json()["result"]["answer"] == "Hi."
    assert time.monotonic() - started < 2


@WAITING
def test_wait_gives_a_failed_item_too(client_of_alice):
    with soon(lambda: fail(Message.objects.get(), 71001)):
        answer = send(client_of_alice, wait=10)
    assert answer.status_code == 200
    assert answer.json()["result"]["error"]["code"] == 71001


@WAITING
def test_wait_ends_with_202_when_the_time_runs_out(client_of_alice):
    answer = send(client_of_alice, wait=0.1)
    assert (answer.status_code, answer.json()["result"]["status"]) == (202, "queued")


@WAITING
def test_wait_is_cut_to_the_servers_maximum(client_of_alice, settings):
    settings.DDIO_MAX_WAIT = 0.1
    started = time.monotonic()
    assert send(client_of_alice, wait=86400).status_code == 202
    assert time.monotonic() - started < 2


@WAITING
def test_wait_works_without_valkey(client_of_alice, without_valkey, monkeypatch):
    monkeypatch.setattr("ddio_api.waiting.LOOK_SECONDS_WITHOUT_WAKEUPS", 0.1)
    with soon(settle_the_only_message):
        answer = send(client_of_alice, wait=10)
    assert answer.status_code == 200


@WAITING
def test_a_lost_wake_up_is_made_good_by_a_look(client_of_alice, monkeypatch):
    monkeypatch.setattr("ddio_api.waiting.LOOK_SECONDS", 0.1)
    monkeypatch.setattr("portal.wakeups.publish", lambda *channels: None)
    monkeypatch.setattr("bots.journal.end", lambda *message: None)
    with soon(settle_the_only_message):
        answer = send(client_of_alice, wait=10)
    assert answer.status_code == 200


@WAITING
def test_a_stopping_process_lets_waiting_callers_go(client_of_alice, monkeypatch):
    monkeypatch.setattr("ddio_api.waiting.LOOK_SECONDS", 0.1)
    stopped = asyncio.Event()
    stopped.set()
    monkeypatch.setattr("ddio_api.waiting.stopping", lambda: stopped)
    started = time.monotonic()
    assert send(client_of_alice, wait=10).status_code == 202
    assert time.monotonic() - started < 2


@WAITING
def test_waiting_holds_no_thread(client_of_alice):
    held = client_of_alice._client.post(
        "/platform/api2/chat/send",
        {"openID": "alice", "message": "Hello?", "wait": 10},
        content_type="application/json",
        headers=client_of_alice._headers,
    )
    assert isinstance(held, HeldResponse)
    assert Message.objects.count() == 1


# Idempotency-Key ----------------------------------------------------------------------------------


def test_a_repeated_key_is_the_same_message(client_of_alice):
    first, again = (send(client_of_alice, key="k1") for _ in range(2))
    assert first.json()["result"] == again.json()["result"]
    assert Message.objects.count() == 1


def test_a_replay_returns_the_present_state(client_of_alice):
    send(client_of_alice, key="k1")
    settle_the_only_message()
    again = send(client_of_alice, key="k1")
    assert (again.status_code, again.json()["result"]["answer"]) == (200, "Hi.")


def test_wait_is_not_compared(client_of_alice):
    send(client_of_alice, key="k1")
    settle_the_only_message()
    assert send(client_of_alice, key="k1", wait=5).status_code == 200


@pytest.mark.parametrize("other", [{"text": "Other"}, {"open_id": "bob"}])
def test_a_key_for_another_request_is_a_conflict(client_of_alice, other):
    send(client_of_alice, key="k1")
    answer = send(client_of_alice, key="k1", **other)
    assert (answer.status_code, answer.json()["code"]) == (409, 40900)


def test_a_key_with_another_conversation_is_a_conflict(client_of_alice):
    named = send(client_of_alice, key="k1").json()["result"]["conversationID"]
    assert send(client_of_alice, key="k1", conversationID=named).status_code == 409


def test_two_apps_keys_do_not_meet(client_of_alice, client_of_charlie):
    ours = send(client_of_alice, key="k1").json()["result"]["messageID"]
    assert send(client_of_charlie, key="k1").json()["result"]["messageID"] != ours


def test_a_refused_request_keeps_no_key(client_of_alice):
    assert send(client_of_alice, open_id="o_someone", key="k1").status_code == 404
    assert send(client_of_alice, key="k1").status_code == 202


@pytest.mark.parametrize("key", ["k" * 256, "schlüssel", "a\tb", "a\x7f"])
def test_it_refuses_a_key_that_is_not_printable_ascii(client_of_alice, key):
    answer = send(client_of_alice, key=key)
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["fields"]


@WAITING
def test_fifty_parallel_requests_with_one_key_are_one_message(number):
    client = ddio_client(number)

    def post(_index: int) -> str:
        return send(client, key="k1").json()["result"]["messageID"]

    with ThreadPoolExecutor(10) as pool:
        messages = set(pool.map(apart(post), range(50)))
    assert len(messages) == Message.objects.count() == 1


@WAITING
def test_a_real_worker_answers_it(client_of_alice, number, upstream, worker):
    factories.key(number, upstream.url)
    asked = send(client_of_alice, "ping").json()["result"]["messageID"]
    answer_now(worker, asked)
    item = client_of_alice.get(f"chat/feedback/{asked}").json()["result"]
    assert (item["answer"], item["model"]) == ("You said: ping", "echo")


def test_a_replay_is_answered_after_the_quota_is_used_up(client_of_alice, settings):
    settings.ASKS_PER_PERSON_AND_DAY = 1
    body, key = {"openID": "alice", "message": "Hello?"}, {"Idempotency-Key": "k1"}
    first = client_of_alice.post("chat/send", body, **key)
    again = client_of_alice.post("chat/send", body, **key)
    other = client_of_alice.post("chat/send", body)
    assert [answer.status_code for answer in (first, again, other)] == [202, 202, 429]


def test_it_refuses_what_would_wait_too_long(client_of_alice, number, monkeypatch):
    monkeypatch.setattr(backlog, "wait_of", lambda _number_id: 150.0)
    backlog._known.clear()
    response = send(client_of_alice, "Hello?")
    assert (response.status_code, response.json()["code"]) == (503, -1)
    assert response["Retry-After"] == "30"
    assert not Message.objects.exists()
