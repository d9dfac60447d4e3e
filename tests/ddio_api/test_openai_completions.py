"""POST /v1/chat/completions: one answer, whole, as OpenAI's clients read it."""

import asyncio
import time

import pytest
from django.db import OperationalError

from bots import settlement
from bots.models import Conversation, Message, Person, Prompt, Robot, Status
from portal import credentials
from portal.ending import stopping
from portal.hold import HeldResponse
from tests import factories
from tests.bots.at_work import answer_now
from tests.ddio_api.answers import fail, once_asked, settle
from tests.ddio_api.openai_client import user

pytestmark = pytest.mark.django_db(transaction=True)

TURNS = [
    {"role": "developer", "content": "Rhyme."},
    {"role": "user", "content": "One?", "name": "bob"},
    {"role": "assistant", "content": "1", "refusal": None, "tool_calls": None, "audio": None},
    {"role": "user", "content": [{"type": "text", "text": "Two?"}, {"type": "text", "text": "!"}]},
]


def settled_soon(answer: str = "Hi.", seconds: float = 0.1, **fields):
    return once_asked(lambda message: settle(message, answer, **fields), seconds)


def test_it_answers_in_the_shape_of_openai(openai_of_alice):
    with settled_soon():
        answer = openai_of_alice.ask()
    message = Message.objects.get()
    assert answer.status_code == 200
    assert answer.json() == {
        "id": message.pk,
        "object": "chat.completion",
        "created": int(message.asked_at.timestamp()),
        "model": "echo",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi.", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def test_it_is_woken_when_the_answer_is_there(openai_of_alice, monkeypatch):
    monkeypatch.setattr("ddio_api.waiting.LOOK_SECONDS", 60)
    with settled_soon():
        assert openai_of_alice.ask().status_code == 200  # and not 504, ten seconds later


def test_it_holds_no_thread(openai_of_alice):
    assert isinstance(openai_of_alice.hold(), HeldResponse)


def test_usage_that_nobody_told_is_null(openai_of_alice):
    with settled_soon(prompt_tokens=None, completion_tokens=None):
        assert openai_of_alice.ask().json()["usage"] is None


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_it_tells_why_an_answer_is_not_whole(openai_of_alice, reason):
    with settled_soon(finish_reason=reason):
        answer = openai_of_alice.ask().json()
    assert answer["choices"][0]["finish_reason"] == reason


def test_an_answer_that_was_stopped_is_not_whole(openai_of_alice):
    with settled_soon("Half an", status=Status.CANCELLED):
        found = openai_of_alice.ask().json()["choices"][0]
    assert (found["message"]["content"], found["finish_reason"]) == ("Half an", "length")


def test_its_result_is_in_the_feed(openai_of_alice, client_of_alice):
    with settled_soon():
        answer = openai_of_alice.ask("What is your name?", user="bob").json()
    [item] = client_of_alice.get("chat/feedback").json()["result"]["items"]
    assert (item["messageID"], item["channel"], item["openID"]) == (answer["id"], "openai", "bob")
    assert (item["question"], item["answer"]) == ("What is your name?", "Hi.")


def test_whoever_is_not_named_is_called_openai(openai_of_alice):
    openai_of_alice.hold()
    assert Person.objects.get().open_id == "openai"


def test_each_call_is_a_conversation_of_its_own(openai_of_alice, client_of_alice):
    openai_of_alice.hold(user="bob")
    openai_of_alice.hold(user="bob")
    client_of_alice.post("chat/send", {"openID": "bob", "message": "Hello?"})
    assert Conversation.objects.count() == 3


def test_the_whole_list_of_messages_is_kept(openai_of_alice):
    openai_of_alice.hold(messages=TURNS, temperature=1, top_p=0.5, max_tokens=9, stop="END")
    prompt = Prompt.objects.get()
    assert [(turn["role"], turn["content"]) for turn in prompt.turns] == [
        ("system", "Rhyme."),
        ("user", "One?"),
        ("assistant", "1"),
        ("user", "Two?\n!"),
    ]
    assert prompt.params == {"temperature": 1, "top_p": 0.5, "max_tokens": 9, "stop": ["END"]}
    assert prompt.message.question == "Two?\n!"


def test_a_real_worker_answers_it(openai_of_alice, number, upstream, worker):
    factories.key(number, upstream.url)
    Robot.objects.update(answer_tokens=100)

    with once_asked(lambda message: answer_now(worker, message.pk)):
        answer = openai_of_alice.ask(messages=TURNS, max_completion_tokens=9, max_tokens=20)
    sent = upstream.calls()["last"]["body"]
    assert answer.json()["choices"][0]["message"]["content"] == "You said: Two?\n!"
    contents = [turn["content"] for turn in sent["messages"]]
    assert contents == ["Be brief.", "Rhyme.", "One?", "1", "Two?\n!"]
    assert sent["max_tokens"] == 9


def test_the_limits_of_the_interface_are_told(openai_of_alice):
    with settled_soon():
        answer = openai_of_alice.ask()
    assert answer.headers["RateLimit"].startswith('"app";r=')
    assert answer.headers["Cache-Control"] == "no-store"


# Who goes away ----------------------------------------------------------------------------------


async def left_alone(held: HeldResponse) -> None:
    waiting = asyncio.create_task(held.resolve())
    await asyncio.sleep(0.1)
    waiting.cancel()
    await asyncio.wait([waiting])


def test_a_client_that_goes_away_cancels_its_question(openai_of_alice):
    asyncio.run(left_alone(openai_of_alice.hold()))
    assert Message.objects.get().status == Status.CANCELLED


def test_a_client_with_a_key_may_come_back(openai_of_alice):
    asyncio.run(left_alone(openai_of_alice.hold(key="k1")))
    assert Message.objects.get().status == Status.QUEUED
    settle(Message.objects.get())
    again = openai_of_alice.ask(key="k1").json()
    assert again["choices"][0]["message"]["content"] == "Hi."


def test_a_client_that_goes_away_twice_over_cancels_it_all_the_same(openai_of_alice, monkeypatch):
    cancel = settlement.cancel

    def slowly(message: Message) -> bool:
        time.sleep(0.2)
        return cancel(message)

    monkeypatch.setattr("bots.settlement.cancel", slowly)

    async def cancelled_twice(held: HeldResponse) -> None:
        waiting = asyncio.create_task(held.resolve())
        for _ in range(2):
            await asyncio.sleep(0.1)
            waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.sleep(0.3)

    asyncio.run(cancelled_twice(openai_of_alice.hold()))
    assert Message.objects.get().status == Status.CANCELLED


def test_a_database_that_is_away_then_spoils_nothing(openai_of_alice, monkeypatch, caplog):
    def away(_message: Message) -> bool:
        raise OperationalError("away")

    monkeypatch.setattr("bots.settlement.cancel", away)
    asyncio.run(left_alone(openai_of_alice.hold()))
    assert "abandoned_not_cancelled" in caplog.text
    assert Message.objects.get().status == Status.QUEUED


def test_an_answer_that_is_there_already_stays(openai_of_alice):
    held = openai_of_alice.hold()
    settle(Message.objects.get())
    asyncio.run(left_alone(held))
    assert Message.objects.get().status == Status.DONE


@pytest.mark.parametrize(("key", "status"), [("", Status.CANCELLED), ("k1", Status.QUEUED)])
def test_a_stopping_process_sends_its_client_back(openai_of_alice, key, status):
    held = openai_of_alice.hold(key=key)

    async def stopped() -> None:
        waiting = asyncio.create_task(held.resolve())
        await asyncio.sleep(0.1)
        stopping().set()
        await waiting

    asyncio.run(stopped())
    assert (held.status_code, held.headers["Retry-After"]) == (503, "1")
    assert Message.objects.get().status == status


@pytest.mark.parametrize(
    ("key", "status", "retry"), [("", Status.CANCELLED, "false"), ("k1", Status.QUEUED, "true")]
)
def test_it_does_not_wait_for_ever(openai_of_alice, settings, key, status, retry):
    settings.OPENAI_MAX_WAIT = 0.1
    answer = openai_of_alice.ask(key=key)
    assert (answer.status_code, answer.json()["error"]["type"]) == (504, "server_error")
    assert answer.headers["x-should-retry"] == retry
    assert Message.objects.get().status == status


def test_a_message_that_is_erased_meanwhile_is_a_503(openai_of_alice):
    with once_asked(Message.delete):
        answer = openai_of_alice.ask()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "robot_unavailable")


def test_a_token_that_dies_meanwhile_gets_nothing(openai_of_alice, number):
    def revoke_and_settle(message: Message) -> None:
        credentials.revoke(number.secrets.get(), actor=None)
        settle(message, "secret")

    with once_asked(revoke_and_settle):
        answer = openai_of_alice.ask()
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


# Idempotency-Key --------------------------------------------------------------------------------


def test_a_repeated_key_gets_the_same_answer(openai_of_alice):
    with settled_soon():
        first = openai_of_alice.ask(key="k1").json()
    assert openai_of_alice.ask(key="k1").json() == first
    assert Message.objects.count() == 1


def test_a_replay_streams_what_was_streamed(openai_of_alice):
    with settled_soon():
        openai_of_alice.stream(key="k1")
    again = openai_of_alice.stream(key="k1")
    assert (again.text, again.is_done) == ("Hi.", True)


def test_a_replay_of_a_failure_is_the_failure(openai_of_alice):
    with once_asked(lambda message: fail(message, 71001)):
        openai_of_alice.ask(key="k1")
    assert openai_of_alice.ask(key="k1").status_code == 503


@pytest.mark.parametrize(
    "other",
    [
        {"model": "other"},
        {"temperature": 1},
        {"user": "bob"},
        {"stream": True},
        {"seed": 1},
        {"messages": [{"role": "system", "content": "Rhyme."}, user("Hello?")]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_whole_body_is_compared(openai_of_alice, other):
    openai_of_alice.hold(key="k1")
    answer = openai_of_alice.ask(key="k1", **other)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "idempotency_conflict"
    assert answer.headers["x-should-retry"] == "false"


def test_the_order_of_the_fields_is_not_compared(openai_of_alice):
    openai_of_alice.hold(key="k1")
    settle(Message.objects.get())
    body = b'{ "messages": [{"content": "Hello?", "role": "user"}],  "model": "gpt-4o" }'
    answer = openai_of_alice.post("chat/completions", body, **{"Idempotency-Key": "k1"})
    assert answer.status_code == 200


def test_a_key_of_chat_send_is_another_request(openai_of_alice, client_of_alice):
    body = {"openID": "openai", "message": "Hello?"}
    client_of_alice.post("chat/send", body, **{"Idempotency-Key": "k1"})
    assert openai_of_alice.ask(key="k1").status_code == 409
