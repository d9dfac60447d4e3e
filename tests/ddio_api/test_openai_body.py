"""What clients of the OpenAI door may send, and what they may not: always 400, with `param`."""

import json

import pytest

from bots.models import Message, Prompt
from portal.models import State
from tests import factories
from tests.ddio_api.openai_client import OpenAiClient, user
from tests.ddio_api.test_bad_input import BODIES

pytestmark = pytest.mark.django_db

HUGE = int("9" * 400)


def refusal(client: OpenAiClient, **asked) -> tuple[str | None, str]:
    """`param` and the message of the 400 that the request gets; nothing is written for it."""
    answer = client.ask(**asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["message"]
    assert not Message.objects.exists()
    return error["param"], error["message"]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_good_object_is_refused(openai_of_alice, body):
    answer = openai_of_alice.post("chat/completions", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, None)


def test_a_body_that_is_too_large_is_400_here(openai_of_alice):
    answer = openai_of_alice.ask("x" * 1024 * 1024)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


def test_a_body_without_a_content_type_is_read(openai_of_alice):
    body = json.dumps({"model": "m", "messages": []})
    answer = openai_of_alice.post("chat/completions", body, content_type="")
    assert answer.json()["error"]["param"] == "messages"


# The fields -------------------------------------------------------------------------------------

WRONG = [
    ("temperature", [-0.1, 2.1, True, "1", [], {}, HUGE, -HUGE]),
    ("top_p", [-0.1, 1.1, False, "1", HUGE]),
    ("max_tokens", [0, -1, 1.5, True, "5", 2**31, HUGE]),
    ("max_completion_tokens", [0, 1.5, True, "5", HUGE]),
    ("stop", [5, True, {}, "", ["a", ""], ["a", None], ["a", 5], ["a"] * 5, "a\0", "\ud800"]),
    ("stream", ["true", 1, 0, [], {}]),
    ("stream_options", ["yes", 1, []]),
    ("model", [5, True, [], "a\0"]),
    ("user", ["", " ", "a\nb", "x" * 65, 5, True, "a\0", []]),
    ("messages", [None, [], {}, "Hello?", 5]),
    ("tools", [[{"type": "function"}], {}, "x", True]),
    ("functions", [[{"name": "f"}]]),
    ("n", [2, 0, True, "1", HUGE]),
    ("audio", [{"voice": "alloy", "format": "wav"}, True]),
    ("modalities", [["text", "audio"], ["audio"], "text"]),
    ("response_format", [{"type": "json_object"}, {"type": "json_schema"}, "text"]),
    ("logprobs", [True, 1, 0]),
    ("top_logprobs", [5, False]),
    ("web_search_options", [{}]),
]


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG for value in values],
    ids=lambda each: str(each)[:20],
)
def test_a_field_that_is_wrong_is_named(openai_of_alice, name, value):
    assert refusal(openai_of_alice, **{name: value})[0] == name


def test_a_field_within_a_field_is_named(openai_of_alice):
    found = refusal(openai_of_alice, stream_options={"include_usage": "yes"})
    assert found[0] == "stream_options.include_usage"


def test_the_message_says_what_is_wrong_with_the_field(openai_of_alice):
    _param, message = refusal(openai_of_alice, temperature=3)
    assert message == "temperature: Ensure this value is less than or equal to 2."


def test_a_key_that_is_not_printable_is_named(openai_of_alice):
    assert refusal(openai_of_alice, key="schlüssel")[0] == "Idempotency-Key"


HARMLESS = [
    {"model": None},
    {"model": ""},
    {"temperature": 0, "top_p": 0},
    {"temperature": 2, "top_p": 1},
    {"temperature": None, "top_p": None, "max_tokens": None, "stop": None},
    {"max_tokens": 5.0},
    {"stop": []},
    {"stop": ["a", "b", "c", "d"]},
    {"stream": None, "stream_options": None},
    {"stream": False, "stream_options": {"include_usage": True}},
    {"stream_options": {"include_usage": None, "include_obfuscation": False}},
    {"n": 1, "tools": [], "functions": [], "modalities": ["text"], "logprobs": False},
    {"n": None, "tools": None, "audio": None, "response_format": {"type": "text"}},
    {"user": "x" * 64},
    {"user": None},
    {"seed": 1, "metadata": {"a": "b"}, "store": True, "presence_penalty": 0.5, "logit_bias": {}},
    {"tool_choice": "none", "parallel_tool_calls": True, "service_tier": "auto", "made_up": 1},
]


@pytest.mark.parametrize("fields", HARMLESS, ids=str)
def test_what_does_no_harm_is_let_through(openai_of_alice, fields):
    openai_of_alice.hold(**fields)
    assert Message.objects.count() == 1


def test_only_what_was_chosen_is_kept(openai_of_alice):
    openai_of_alice.hold(max_tokens=20, max_completion_tokens=9, temperature=None, stop="END")
    assert Prompt.objects.get().params == {"max_tokens": 9, "stop": ["END"]}


# The messages -----------------------------------------------------------------------------------

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
MESSAGES = [
    ("messages[0]", [5]),
    ("messages[0]", ["Hello?"]),
    ("messages[1]", [user("Hello?"), None]),
    ("messages[0].role", [{"content": "Hello?"}]),
    ("messages[0].role", [{"role": "robot", "content": "Hello?"}]),
    ("messages[0].role", [{"role": ["user"], "content": "Hello?"}]),
    ("messages[1].role", [user("Hello?"), {"role": "tool", "content": "5", "tool_call_id": "1"}]),
    ("messages[1].role", [user("Hello?"), {"role": "function", "content": "5", "name": "f"}]),
    ("messages[0].tool_calls", [{"role": "assistant", "content": "", "tool_calls": [{}]}]),
    (
        "messages[0].function_call",
        [{"role": "assistant", "content": "", "function_call": {"a": 1}}],
    ),
    ("messages[0].audio", [{"role": "assistant", "content": "", "audio": {"id": "1"}}]),
    ("messages[0].content", [{"role": "user"}]),
    ("messages[0].content", [user(None)]),
    ("messages[0].content", [user(5)]),
    ("messages[0].content", [user({"text": "Hello?"})]),
    ("messages[0].content", [user([])]),
    ("messages[0].content", [user("a\0b")]),
    ("messages[0].content", [user("a\ud800")]),
    ("messages[0].content", [{"role": "system", "content": "a\0b"}, user("Hello?")]),
    ("messages[0].content[0]", [user(["Hello?"])]),
    ("messages[0].content[1].type", [user([{"type": "text", "text": "What?"}, PICTURE])]),
    ("messages[0].content[0].type", [user([{"type": "input_audio", "input_audio": {}}])]),
    ("messages[0].content[0].type", [user([{"type": "file", "file": {}}])]),
    ("messages[0].content[0].type", [user([{"text": "Hello?"}])]),
    ("messages[0].content[0].text", [user([{"type": "text"}])]),
    ("messages[0].content[0].text", [user([{"type": "text", "text": "a\0"}])]),
    ("messages", [{"role": "system", "content": "Rhyme."}]),
    ("messages", [{"role": "assistant", "content": "Hi."}]),
]


@pytest.mark.parametrize(
    ("param", "messages"), MESSAGES, ids=[f"{param} {n}" for n, (param, _) in enumerate(MESSAGES)]
)
def test_a_message_that_is_wrong_is_named(openai_of_alice, param, messages):
    assert refusal(openai_of_alice, messages=messages)[0] == param


@pytest.mark.parametrize("text", ["", " \n", [{"type": "text", "text": " "}]])
def test_the_question_must_say_something(openai_of_alice, text):
    asked = [user("Hello?"), {"role": "assistant", "content": "Hi."}, user(text)]
    assert refusal(openai_of_alice, messages=asked)[0] == "messages[2].content"


def test_the_question_has_16000_characters_at_most(openai_of_alice):
    assert refusal(openai_of_alice, text="好" * 16_001)[0] == "messages[0].content"
    openai_of_alice.hold(messages=[user("好" * 16_000)])
    assert Message.objects.get().question == "好" * 16_000


def test_what_is_not_the_question_may_be_longer_and_may_be_empty(openai_of_alice):
    system, said = {"role": "system", "content": "x" * 100_000}, {"role": "assistant"}
    openai_of_alice.hold(messages=[system, user(""), said | {"content": ""}, user("Hello?")])
    assert [len(turn["content"]) for turn in Prompt.objects.get().turns] == [100_000, 0, 0, 6]


def test_an_answer_that_was_begun_may_come_last(openai_of_alice):
    openai_of_alice.hold(messages=[user("Hello?"), {"role": "assistant", "content": "Well,"}])
    assert Message.objects.get().question == "Hello?"


# Persons ----------------------------------------------------------------------------------------


def test_callers_cannot_invent_the_platforms_names(openai_of_alice):
    assert refusal(openai_of_alice, user="o_someone")[0] == "user"


# Order ------------------------------------------------------------------------------------------


def test_the_body_is_looked_at_before_the_numbers_state(openai_of_alice, number):
    factories.put(number, State.IN_REVIEW)
    assert refusal(openai_of_alice, temperature=3)[0] == "temperature"


def test_a_refused_request_keeps_no_key(openai_of_alice):
    openai_of_alice.ask(key="k1", temperature=3)
    openai_of_alice.hold(key="k1")
    assert Message.objects.count() == 1


@pytest.mark.parametrize("depth", [100, 900, 5_000, 100_000])
def test_a_deep_body_is_read_or_refused(openai_of_alice, depth):
    deep = b"[" * depth + b"]" * depth
    body = b'{"messages": [{"role": "user", "content": ""}], "metadata": ' + deep + b"}"
    answer = openai_of_alice.post("chat/completions", body, **{"Idempotency-Key": "k1"})
    assert answer.status_code == 400
