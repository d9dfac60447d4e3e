"""Event streams as providers really write them, and as they should not."""

import asyncio
import json

import httpx2
import pytest

from bots.provider import CutShort, Endpoint, Provider, ProviderFault, Thought, Usage

pytestmark = pytest.mark.alike

ENDPOINT = Endpoint("https://api.example.com/v1", "sk-test-1234", "m")
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def event(delta, finish=None, **more):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} | more


def read(*events):
    """What a call yields from a stream of these events (objects, or bytes as they are)."""
    lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in events]
    return read_stream(httpx2.ByteStream(b"".join(b"data: " + line + b"\n\n" for line in lines)))


def read_stream(stream):
    def answer(_request):
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)

    async def run():
        provider = Provider()
        provider._http._transport = httpx2.MockTransport(answer)
        return [piece async for piece in provider.stream(ENDPOINT, [], request_id="r")]

    return asyncio.run(run())


class Slowly(httpx2.AsyncByteStream):
    """The events, with a pause before each but the first."""

    def __init__(self, pause, *events):
        self._pause, self._events = pause, events

    async def __aiter__(self):
        for each in self._events:
            yield b"data: " + json.dumps(each).encode() + b"\n\n"
            await asyncio.sleep(self._pause)


def test_naming_its_role_does_not_make_a_model_begin(settings):
    settings.FIRST_TOKEN_SECONDS, settings.BETWEEN_TOKENS_SECONDS = 20, 0.05
    events = event({"role": "assistant", "content": ""}), event({"content": "a"}, "stop")
    assert read_stream(Slowly(0.2, *events)) == ["a"]


def test_it_reads_text_that_comes_with_the_finish():
    assert read(event({"content": "a"}), event({"content": "b"}, "stop")) == ["a", "b"]


def test_a_finish_without_a_farewell_is_a_finish():
    assert read(event({"content": "a"}), event({}, "eos")) == ["a"]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_it_tells_why_an_answer_is_not_whole(reason):
    events = event({"content": "a"}), event({}, reason), {"choices": [], "usage": USAGE}
    assert read(*events) == ["a", CutShort(reason), Usage(3, 2, 5)]


def test_a_finish_for_a_strange_reason_is_a_finish():
    assert read(event({"content": "a"}), event({}, ["length"])) == ["a"]


def test_trouble_after_the_finish_spoils_nothing():
    assert read(event({"content": "a"}, "stop"), b"{torn") == ["a"]


def test_text_after_the_finish_is_not_text():
    assert read(event({"content": "a"}, "stop"), event({"content": "b"})) == ["a"]


def test_a_refusal_is_text():
    assert read(event({"refusal": "I will not."}), event({}, "stop")) == ["I will not."]


def test_what_a_model_thinks_is_not_text():
    said = read(event({"reasoning_content": "Hm."}), event({"content": "a"}, "stop"))
    assert said == [Thought("Hm."), "a"]


def test_a_thought_that_is_told_twice_is_one():
    thought = {"reasoning_content": "Hm.", "reasoning": "Hm."}
    assert read(event(thought), event({"content": "a"}, "stop")) == [Thought("Hm."), "a"]


def test_the_last_usage_counts():
    early = USAGE | {"completion_tokens": 1}
    assert read(event({"content": "a"}, usage=early), event({}, "stop", usage=USAGE)) == [
        "a",
        Usage(3, 2, 5),
    ]


def test_a_missing_total_is_added_up():
    counts = {"prompt_tokens": 3, "completion_tokens": 2}
    assert read(event({}, "stop", usage=counts)) == [Usage(3, 2, 5)]


@pytest.mark.parametrize("count", [-1, 10**30, "7", True, 1.5, None, [1]])
def test_a_count_that_is_none_makes_no_usage(count):
    assert read(event({}, "stop", usage=USAGE | {"prompt_tokens": count})) == []


@pytest.mark.parametrize(
    "bad",
    [
        b"null",
        b"5",
        b'"text"',
        b"[1]",
        b"NaN",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"1" * 10_000,
        {"choices": 5},
        {"choices": [5]},
        {"choices": {"0": 5}},
        {"choices": [{"delta": 5}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"content": [{"type": "text"}]}}]},
    ],
)
def test_an_event_outside_the_protocol_is_71008(bad):
    with pytest.raises(ProviderFault) as raised:
        read(event({"content": "a"}), bad, event({}, "stop"))
    assert raised.value.code == 71008


@pytest.mark.parametrize("empty", [{}, {"choices": []}, {"choices": None}, {"object": "ping"}])
def test_an_event_without_choices_is_passed_over(empty):
    assert read(empty, event({"content": "a"}, "stop")) == ["a"]


def test_an_empty_stream_is_71008():
    with pytest.raises(ProviderFault) as raised:
        read()
    assert raised.value.code == 71008


def test_an_error_with_odd_fields_is_71006():
    with pytest.raises(ProviderFault) as raised:
        read({"error": {"message": ["no", "text"], "type": {"deep": 1}, "code": 5}})
    assert raised.value.code == 71006
