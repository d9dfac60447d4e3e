"""The simulator as its callers see it, over real sockets."""

import asyncio
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx2
import psutil
import pytest

from bots.simulator.behaviours import BEHAVIOURS, FAMILIES, catalogue
from bots.simulator.ledger import Counts, Ledger
from portal import parts
from portal.environment import BASE_DIR
from tests.bots.at_work import wait_for
from tests.upstream import Upstream, running_upstream

KEY = {"Authorization": "Bearer sk-good-1234567890"}
REFUSALS = ["400", "401", "402", "403", "404", "429", "429-quota", "500", "503"]
pytestmark = pytest.mark.alike


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    with running_upstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(server):
    server.reset()
    return server


def ask(upstream, model, *, headers=None, timeout=5.0, **body):
    asked = {"model": model, "messages": [{"role": "user", "content": "hi you"}], **body}
    url = f"{upstream.url}/chat/completions"
    return httpx2.post(url, json=asked, headers=KEY | (headers or {}), timeout=timeout)


def events(reply):
    lines = [line.removeprefix("data: ") for line in reply.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def stream(upstream, model, **body):
    wanted = {"stream": True, "stream_options": {"include_usage": True}}
    return events(ask(upstream, model, **wanted | body))


def text_of(streamed):
    deltas = [choice["delta"] for event in streamed for choice in event["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


@contextmanager
def running_process(*arguments, **environment):
    """The simulator as a process of its own: (process, handle)."""
    command = [sys.executable, "-m", "bots.simulator", "--port", "0", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | environment
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        yield process, Upstream(int(line.rsplit(":", 1)[1].split("/")[0]))
    finally:
        process.kill()
        process.communicate()


# Answers ----------------------------------------------------------------------------------------


def test_it_answers_whole_where_no_stream_is_asked_for(upstream):
    answer = ask(upstream, "echo").json()
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "You said: hi you"}
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == 6


def test_it_streams_the_same_text_in_pieces(upstream):
    streamed = stream(upstream, "echo")
    assert text_of(streamed) == "You said: hi you"
    assert len(streamed) > 4
    assert streamed[-1]["usage"]["total_tokens"] == 10


def test_it_tells_no_usage_that_was_not_asked_for(upstream):
    assert all("usage" not in event for event in stream(upstream, "echo", stream_options=None))


def test_a_name_that_means_nothing_here_echoes(upstream):
    assert text_of(stream(upstream, "gpt-4o-mini")) == "You said: hi you"


@pytest.mark.parametrize(
    ("model", "finish"), [("length", "length"), ("filtered", "content_filter")]
)
def test_it_ends_for_the_reason_that_was_asked_for(upstream, model, finish):
    assert stream(upstream, model)[-2]["choices"][0]["finish_reason"] == finish
    assert ask(upstream, model).json()["choices"][0]["finish_reason"] == finish


def test_the_slow_one_counts_to_forty(upstream, monkeypatch):
    begun = time.monotonic()
    with httpx2.stream(
        "POST",
        f"{upstream.url}/chat/completions",
        json={"model": "slow", "stream": True},
        headers=KEY,
    ) as reply:
        seen = next(chunk for chunk in reply.iter_text() if '"2 "' in chunk)
    assert seen
    assert 0.35 < time.monotonic() - begun < 2


def test_it_waits_for_as_long_as_the_name_says(upstream):
    begun = time.monotonic()
    assert text_of(stream(upstream, "wait-0.3")) == "I waited 0.3 s."
    assert 0.3 <= time.monotonic() - begun < 2


def test_it_repeats_the_question_in_as_many_seconds_as_the_name_says(upstream):
    begun = time.monotonic()
    assert text_of(stream(upstream, "echo-0.3")) == "You said: hi you"
    assert 0.3 <= time.monotonic() - begun < 2


def test_it_gives_as_many_pieces_as_the_name_says(upstream):
    assert text_of(stream(upstream, "pieces-7")) == "word " * 7


@pytest.mark.parametrize("model", ["wait-601", "pieces-10001"])
def test_a_number_beyond_the_bounds_is_refused(upstream, model):
    assert ask(upstream, model).status_code == 400


def test_the_flaky_one_fails_so_many_times_for_each_message(upstream):
    one, two = {"X-Request-ID": "one"}, {"X-Request-ID": "two"}
    asked = [one, one, two, one, two]
    answers = [ask(upstream, "flaky-2", headers=headers).status_code for headers in asked]
    assert answers == [500, 500, 500, 200, 500]


def test_the_flaky_one_tells_messages_without_an_id_by_their_text(upstream):
    assert [ask(upstream, "flaky-1").status_code for _ in range(2)] == [500, 200]
    assert ask(upstream, "flaky-1", user="another").status_code == 500


# Troubles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", REFUSALS)
def test_it_refuses_with_the_status_of_the_name(upstream, model):
    refused = ask(upstream, model)
    assert refused.status_code == int(model[:3])
    assert refused.json()["error"]["message"]


def test_too_fast_says_when_to_come_back_and_out_of_quota_does_not(upstream):
    assert ask(upstream, "429").headers["retry-after"] == "1"
    over = ask(upstream, "429-quota")
    assert over.json()["error"]["code"] == "insufficient_quota"
    assert "retry-after" not in over.headers


@pytest.mark.parametrize("model", ["hang", "silent", "drip"])
def test_it_keeps_a_caller_waiting(upstream, model):
    with pytest.raises(httpx2.TimeoutException):
        ask(upstream, model, stream=True, timeout=httpx2.Timeout(5.0, read=0.04))


def test_it_tears_the_connection_in_mid_answer(upstream):
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(upstream, "cut", stream=True)


def test_it_resets_the_connection(upstream):
    body = b'{"model": "reset"}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=5) as raw:
        raw.sendall(head.encode() + b"Authorization: Bearer sk-good\r\n\r\n" + body)
        with pytest.raises(ConnectionResetError):
            raw.recv(1000)


@pytest.mark.parametrize("model", ["garbage", "no-finish", "sse-error"])
def test_it_ends_a_stream_badly(upstream, model):
    streamed = ask(upstream, model, stream=True).text
    assert "You sa" in streamed
    assert '"stop"' not in streamed


def test_the_documentation_has_every_name_with_its_sentence():
    documented = (BASE_DIR / "docs" / "simulator.md").read_text()
    rows = [line for line in documented.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(f"| `{name}` | {text} |" for name, text in catalogue().items())


def test_every_name_has_one_sentence(upstream):
    assert set(catalogue()) == {
        *BEHAVIOURS,
        *(f"{name}-{f.example}" for name, f in FAMILIES.items()),
    }
    assert all(sentence.endswith(".") and len(sentence) < 80 for sentence in catalogue().values())


# Keys -------------------------------------------------------------------------------------------


def test_a_bad_key_is_refused_and_quoted(upstream):
    refused = ask(upstream, "echo", headers={"Authorization": "Bearer sk-bad-1"})
    assert refused.status_code == 401
    assert "sk-bad-1" in refused.text


@pytest.mark.parametrize(("key", "status"), [("sk-good", 200), ("sk-bad", 401), ("sk-nolist", 404)])
def test_the_list_of_models_depends_on_the_key(upstream, key, status):
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx2.get(f"{upstream.url}/models", headers=headers).status_code == status


def test_a_key_does_as_it_is_told_whatever_is_asked(upstream):
    upstream.play("sk-one", "503")
    one, two = ({"Authorization": f"Bearer sk-{name}"} for name in ("one", "two"))
    assert ask(upstream, "instant", headers=one).status_code == 503
    assert ask(upstream, "instant", headers=two).status_code == 200
    upstream.play("sk-one", "")
    assert ask(upstream, "instant", headers=one).status_code == 200


@pytest.mark.parametrize(("model", "status"), [("503", 503), ("429-quota", 200)])
def test_of_a_used_up_quota_the_list_of_models_says_nothing(upstream, model, status):
    upstream.play("sk-one", model)
    headers = {"Authorization": "Bearer sk-one"}
    assert httpx2.get(f"{upstream.url}/models", headers=headers).status_code == status


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"key": "sk-one"}', b"\xff"])
def test_what_a_key_is_to_do_has_to_be_said(upstream, body):
    assert httpx2.post(f"{upstream.root}/keys", content=body).status_code == 400


def test_where_one_key_is_welcome_all_others_are_not():
    digest = hashlib.sha256(b"sk-ours").hexdigest()
    with running_process(SIMULATOR_KEY_SHA256=digest) as (_process, upstream):
        ours = {"Authorization": "Bearer sk-ours"}
        assert ask(upstream, "instant", headers=ours).status_code == 200
        assert ask(upstream, "instant").status_code == 401
        assert httpx2.get(f"{upstream.root}/calls").status_code == 401


# What is counted --------------------------------------------------------------------------------


def test_it_counts_calls_by_request_id_and_by_digest_of_the_key(upstream):
    for request_id in ("a", "a", "b"):
        ask(upstream, "instant", headers={"X-Request-ID": request_id})
    counted = upstream.calls()
    assert counted["counts"] == {"a": 2, "b": 1}
    assert counted["total"] == 3
    assert list(counted["keys"]) == [hashlib.sha256(KEY["Authorization"].encode()).hexdigest()]


def test_it_counts_who_left_early(upstream):
    with pytest.raises(httpx2.TimeoutException):
        ask(upstream, "hang", stream=True, timeout=httpx2.Timeout(5.0, read=0.1))
    deadline = time.monotonic() + 5
    while upstream.calls()["in_flight"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert upstream.calls()["aborted"] == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_it_counts_tokens_as_it_tells_them(upstream, streamed):
    ask(upstream, "echo", stream=streamed)
    tokens = upstream.calls()["tokens"]
    assert (tokens["prompt"], tokens["completion"], tokens["aborted"]) == (6, 4, 0)


@pytest.mark.parametrize("model", ["429", "500", "html", "reset"])
def test_what_it_refuses_uses_no_tokens(upstream, model):
    with suppress(httpx2.HTTPError):
        ask(upstream, model)
    assert set(upstream.calls()["tokens"].values()) == {0}


def test_it_counts_the_tokens_of_those_who_left_early_once_more(upstream):
    with pytest.raises(httpx2.TimeoutException):
        ask(upstream, "stall", stream=True, timeout=httpx2.Timeout(5.0, read=0.1))
    wait_for(lambda: upstream.calls()["aborted"])
    assert upstream.calls()["tokens"] == {"prompt": 6, "completion": 1, "aborted": 7}


def test_a_key_may_always_be_too_fast(upstream):
    assert ask(upstream, "echo", headers={"Authorization": "Bearer sk-busy-1"}).status_code == 429


def test_it_counts_the_most_at_once(upstream):
    async def ask_together():
        async with httpx2.AsyncClient(headers=KEY, timeout=10) as client:
            url, body = f"{upstream.url}/chat/completions", {"model": "wait-0.5"}
            await asyncio.gather(*(client.post(url, json=body) for _ in range(9)))

    asyncio.run(ask_together())
    counted = upstream.calls()
    assert (counted["most_in_flight"], counted["in_flight"], counted["aborted"]) == (9, 0, 0)


def test_counts_are_forgotten_in_the_order_of_their_coming():
    counts = Counts(at_most=3)
    for name in "abcdefga":
        counts.add(name)
    assert counts.as_dict() == {"d": 1, "e": 1, "f": 1, "g": 1, "a": 1}
    assert counts.add("g") == 2


def test_of_what_it_is_asked_it_keeps_nothing_unless_told_to():
    ledgers = [Ledger(), Ledger(keeps_last=True)]
    for ledger in ledgers:
        ledger.begin({"model": "echo"}, {"authorization": "Bearer sk-secret"})
    quiet, told = (ledger.as_json() for ledger in ledgers)
    assert quiet["last"] == {}
    assert told["last"] == {"body": {"model": "echo"}, "headers": ["authorization"]}
    assert "sk-secret" not in json.dumps([quiet, told])


# Bad input, and the process ---------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"{", b"[]", b'"echo"', b"[" * 100_000, b"\xff\xfe"])
def test_a_body_that_is_no_object_is_refused(upstream, body):
    url = f"{upstream.url}/chat/completions"
    assert httpx2.post(url, content=body, headers=KEY).status_code == 400


@pytest.mark.parametrize("messages", [None, 7, "hi", [1, None, "x"], [{"role": "user"}], {}])
def test_messages_of_any_shape_are_answered(upstream, messages):
    assert ask(upstream, "echo", messages=messages).status_code == 200


def test_what_is_no_http_ends_the_connection(upstream):
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=5) as raw:
        raw.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert raw.recv(1000) == b""


def test_an_unknown_path_is_404(upstream):
    assert httpx2.get(f"{upstream.root}/v2/models", headers=KEY).status_code == 404


def test_one_small_process_holds_a_thousand_calls():
    async def hold(port):
        body = b'{"model": "hang", "stream": true}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        asked = head.encode() + b"Authorization: Bearer sk-good\r\n\r\n" + body
        pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1_000)]
        for _reader, writer in pairs:
            writer.write(asked)
        for reader, _writer in pairs:
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)

    async def held(process, upstream):
        await hold(upstream.port)
        return psutil.Process(process.pid).memory_info().rss

    with running_process() as (process, upstream):
        assert asyncio.run(held(process, upstream)) < 40_000_000
        assert upstream.calls()["most_in_flight"] == 1_000


def test_it_knows_nothing_of_django():
    script = "import bots.simulator.__main__, sys; print('django' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_the_platforms_own_is_small_and_says_nothing_of_what_it_is_asked(settings):
    settings.SIMULATOR_API_KEY = "sk-simulator-of-a-test"
    part = parts.simulator()
    remembered = part.command[part.command.index("--remember") :]
    with running_process(*remembered, **part.environment) as (process, handle):
        own = {"Authorization": f"Bearer {settings.SIMULATOR_API_KEY}"}
        statuses = [ask(handle, name, headers=own).status_code for name in ("echo", "401")]
        assert [*statuses, ask(handle, "echo").status_code] == [200, 401, 401]
        assert psutil.Process(process.pid).memory_info().rss < 40 * 1024 * 1024
        process.terminate()
        assert process.communicate(timeout=5)[0] == ""


def test_the_process_ends_at_once_when_it_is_told_to():
    with running_process() as (process, _upstream):
        process.terminate()
        assert process.wait(5) == 0


def test_a_taken_port_is_told_in_one_line(upstream):
    command = [sys.executable, "manage.py", "simulator", "--port", str(upstream.port)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert told.returncode == 1
    assert told.stderr.startswith(f"error: cannot listen on 127.0.0.1:{upstream.port}")
    assert told.stderr.count("\n") == 1
