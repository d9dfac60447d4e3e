"""Calls to a provider, against a fake one that behaves in every bad way."""

import asyncio
import hashlib
import logging
import socket
import time
import traceback
from contextlib import aclosing

import pytest

from bots.provider import Endpoint, Provider, ProviderFault, Sampling, Usage
from bots.provider_faults import NO_FINISH
from tests.upstream import Upstream, running_upstream

pytestmark = pytest.mark.alike

KEY = "sk-test-canary-8f2c41d7"
BAD_KEY = "sk-bad-canary-8f2c41d7"
QUESTION = [{"role": "user", "content": "hello there"}]


@pytest.fixture
def impatient(settings):
    settings.FIRST_TOKEN_SECONDS = 0.4
    settings.BETWEEN_TOKENS_SECONDS = 0.3


def with_provider(work):
    """Run `work(provider)` on a loop of its own."""

    async def run():
        provider = Provider()
        try:
            return await work(provider)
        finally:
            await provider.aclose()

    return asyncio.run(run())


def answer(upstream, model="echo", key=KEY, messages=QUESTION, **options):
    """Everything that one call yields."""

    async def work(provider):
        endpoint = Endpoint(upstream.url, key, model)
        return [
            piece
            async for piece in provider.stream(endpoint, messages, request_id="msg_1", **options)
        ]

    return with_provider(work)


def fault(upstream, model="echo", key=KEY):
    """The fault that one call ends with."""
    with pytest.raises(ProviderFault) as raised:
        answer(upstream, model, key)
    return raised.value


def wait_until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Answers --------------------------------------------------------------------------------------


def test_it_yields_the_text_in_pieces_and_then_the_usage(upstream):
    *pieces, usage = answer(upstream)
    assert len(pieces) == 5
    assert "".join(pieces) == "You said: hello there"
    assert usage == Usage(prompt_tokens=6, completion_tokens=5, total_tokens=11)


def test_it_yields_no_usage_where_the_provider_sent_none(upstream):
    assert answer(upstream, "no-usage") == ["ok"]


def test_it_sends_the_request_as_asked(upstream):
    answer(upstream, sampling=Sampling(0.25, 0.5, 7, ["END"]))
    body = upstream.calls()["last"]["body"]
    assert (body["model"], body["messages"], body["stream"]) == ("echo", QUESTION, True)
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.25, 0.5, 7)
    assert body["stop"] == ["END"]
    assert body["stream_options"] == {"include_usage": True}


def test_it_leaves_out_what_was_not_asked(upstream):
    answer(upstream)
    unasked = {"temperature", "top_p", "max_tokens", "stop"}
    assert not unasked & upstream.calls()["last"]["body"].keys()


def test_it_names_the_message_so_that_repeats_can_be_counted(upstream):
    answer(upstream)
    assert upstream.calls()["counts"] == {"msg_1": 1}


def test_nul_and_lone_surrogates_do_not_reach_the_caller(upstream):
    assert "".join(answer(upstream, "nul")[:-1]) == "ab\ufffd\ufffdc"


def test_a_question_with_a_lone_surrogate_can_be_asked(upstream):
    turns = [{"role": "user", "content": "a\ud83db"}]
    assert "".join(answer(upstream, messages=turns)[:-1]) == "You said: a\ufffdb"


def test_it_asks_again_without_stream_options_where_they_are_refused(upstream):
    assert answer(upstream, "refuse-stream-options") == ["ok"]
    assert upstream.calls()["counts"] == {"msg_1": 2}


def test_it_asks_again_by_the_newer_name_where_max_tokens_is_refused(upstream):
    answer(upstream, "refuse-max-tokens", sampling=Sampling(max_tokens=7))
    assert upstream.calls()["last"]["body"]["max_completion_tokens"] == 7


def test_steady_tokens_are_no_timeout_however_long_the_answer(upstream, settings):
    settings.BETWEEN_TOKENS_SECONDS = 0.25
    assert "".join(answer(upstream, "brisk")[:-1]) == "You said: hello there"


# Faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "code", "key_status"),
    [
        ("402", 71004, "out_of_quota"),
        ("403", 71003, "no_access"),
        ("404", 71003, "no_access"),
        ("429", 71005, "rate_limited"),
        ("429-quota", 71004, "out_of_quota"),
        ("400", 71006, None),
        ("500", 71006, "trouble"),
        ("redirect", 71006, "incompatible"),
        ("reset", 71006, "unreachable"),
        ("sse-error", 71006, "trouble"),
        ("cut", 71008, "trouble"),
        ("no-finish", 71008, "trouble"),
        ("html", 71008, "incompatible"),
        ("garbage", 71008, "trouble"),
        ("compressed", 71008, "incompatible"),
        ("huge", 71009, None),
        ("huge-event", 71009, None),
    ],
)
def test_each_trouble_has_its_code_and_its_word_on_the_key(upstream, model, code, key_status):
    trouble = fault(upstream, model)
    assert (trouble.code, trouble.key_status) == (code, key_status)
    assert trouble.evidence


@pytest.mark.parametrize("model", ["hang", "stall", "drip"])
def test_a_provider_that_stops_or_crawls_is_71007(upstream, impatient, model):
    trouble = fault(upstream, model)
    assert (trouble.code, trouble.key_status) == (71007, "trouble")


def test_a_refused_key_is_71002(upstream):
    trouble = fault(upstream, key=BAD_KEY)
    assert (trouble.code, trouble.key_status) == (71002, "invalid")


@pytest.mark.parametrize("key", ["", "sk with spaces", "sk-密钥", "sk-1\r\nX-Evil: 1", "sk-\0"])
def test_a_key_that_no_header_can_carry_is_71002_without_a_call(upstream, key):
    assert fault(upstream, key=key).code == 71002
    assert upstream.calls()["total"] == 0


def test_evidence_names_status_class_and_request(upstream):
    expected = "HTTP 404 model_not_found (request req_of_the_simulator): The model does not exist"
    assert fault(upstream, "404").evidence == expected


def test_a_page_instead_of_a_stream_is_told_by_its_type(upstream):
    assert fault(upstream, "html").evidence == f"{NO_FINISH}: text/html"


def test_a_closed_port_is_71006(settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    with running_upstream() as gone:
        pass
    trouble = fault(gone)
    assert (trouble.code, trouble.key_status) == (71006, "unreachable")
    assert trouble.evidence == "no connection: refused"


def test_an_address_that_the_guard_refuses_is_71006(upstream, settings):
    settings.OUTBOUND_ALLOW = []
    trouble = fault(upstream)
    assert (trouble.code, trouble.key_status) == (71006, "unreachable")
    assert "private or reserved" in trouble.evidence
    assert trouble.evidence.startswith("not called")


def test_a_provider_that_accepts_and_is_silent_is_71007(settings, impatient):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        trouble = fault(Upstream(silent.getsockname()[1]))
    assert (trouble.code, trouble.key_status) == (71007, "unreachable")


def test_a_silence_after_the_first_word_has_a_deadline_of_its_own(upstream, settings):
    settings.FIRST_TOKEN_SECONDS, settings.BETWEEN_TOKENS_SECONDS = 30, 0.2
    started = time.monotonic()
    assert fault(upstream, "stall").code == 71007
    assert time.monotonic() - started < 10


def test_an_answer_that_takes_too_long_in_all_is_71007(upstream, settings):
    settings.ANSWER_SECONDS = 0.7
    assert fault(upstream, "slow").code == 71007


def test_an_answer_with_too_many_characters_is_71009(upstream, settings):
    settings.ANSWER_CHARACTERS_AT_MOST = 20
    assert fault(upstream).code == 71009


def test_an_answer_with_just_as_many_characters_as_allowed_passes(upstream, settings):
    settings.ANSWER_CHARACTERS_AT_MOST = 21
    assert "".join(answer(upstream)[:-1]) == "You said: hello there"


def test_a_429_tells_how_long_to_wait(upstream):
    assert fault(upstream, "429").retry_after == 1.0


# Secrets --------------------------------------------------------------------------------------


def test_an_endpoint_does_not_show_its_key():
    assert KEY not in repr(Endpoint("https://api.example.com/v1", KEY, "m"))


def test_a_key_that_the_provider_quotes_is_struck_out(upstream):
    trouble = fault(upstream, key=BAD_KEY)
    assert trouble.evidence.endswith("Incorrect API key provided: …")
    assert "canary" not in str(trouble)


@pytest.mark.parametrize("model", ["echo", "reset", "cut", "429"])
def test_no_key_is_in_a_log_or_a_traceback(upstream, caplog, model):
    caplog.set_level(logging.DEBUG)
    trouble = fault(upstream, model, BAD_KEY)
    told = "".join(traceback.format_exception(trouble)) + caplog.text
    assert "canary" not in told
    assert trouble.__cause__ is trouble.__context__ is None


def test_keys_of_two_endpoints_do_not_mix_on_shared_connections(upstream):
    keys = [f"sk-test-{number:04}" for number in range(20)]

    async def work(provider):
        endpoints = [Endpoint(upstream.url, key, "instant") for key in keys * 3]
        calls = [provider.stream(each, QUESTION, request_id="r") for each in endpoints]
        await asyncio.gather(*(anext(call) for call in calls))
        await asyncio.gather(*(call.aclose() for call in calls))

    with_provider(work)
    digests = {hashlib.sha256(f"Bearer {key}".encode()).hexdigest(): 3 for key in keys}
    assert upstream.calls()["keys"] == digests


def test_what_the_operator_keeps_for_openai_does_not_travel(upstream, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway-Token: secret")
    answer(upstream)
    expected = {"accept", "accept-encoding", "authorization", "connection", "content-length"}
    expected |= {"content-type", "host", "user-agent", "x-request-id", "x-stainless-retry-count"}
    assert set(upstream.calls()["last"]["headers"]) == expected


# Stopping -------------------------------------------------------------------------------------


def test_closing_the_generator_closes_the_upstream_connection(upstream):
    async def work(provider):
        call = provider.stream(Endpoint(upstream.url, KEY, "slow"), QUESTION, request_id="r")
        async with aclosing(call) as pieces:
            await anext(pieces)
        await asyncio.to_thread(wait_until, lambda: upstream.calls()["aborted"] == 1)

    with_provider(work)


@pytest.mark.parametrize("model", ["slow", "hang"])
def test_cancelling_the_task_closes_the_upstream_connection(upstream, model):
    async def work(provider):
        call = provider.stream(Endpoint(upstream.url, KEY, model), QUESTION, request_id="r")
        task = asyncio.create_task(_exhaust(call))
        await asyncio.to_thread(wait_until, lambda: upstream.calls()["total"] == 1)
        task.cancel()
        await asyncio.to_thread(wait_until, lambda: upstream.calls()["aborted"] == 1)
        assert task.cancelled()

    with_provider(work)


async def _exhaust(call):
    async for _piece in call:
        pass


def test_a_fault_closes_the_upstream_connection(upstream, impatient):
    fault(upstream, "stall")
    wait_until(lambda: upstream.calls()["aborted"] == 1)
