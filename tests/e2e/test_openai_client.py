"""The official OpenAI library, unmodified, with only `base_url` and `api_key` changed."""

import time
from collections.abc import Iterator

import openai
import pytest

from tests.platform import Platform, running_platform, wait_for
from tests.upstream import Upstream, running_upstream

pytestmark = pytest.mark.processes

MODELS = ["echo", "brisk", "slow", "hang", "403"]  # in the list, so that no key is probed by asking
HELLO = [{"role": "user", "content": "Hello?"}]


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    with running_upstream(models=MODELS) as running:
        yield running


@pytest.fixture(scope="module")
def platform(tmp_path_factory, provider: Upstream) -> Iterator[Platform]:
    allowed = f"127.0.0.1:{provider.port}"
    directory = tmp_path_factory.mktemp("openai")
    with running_platform(directory, OUTBOUND_ALLOW=allowed, LOCAL_MODEL="0") as running:
        yield running


class Robots:
    """A client for a robot of each behaviour of the provider's, made when it is first asked for."""

    def __init__(self, platform: Platform, provider: Upstream) -> None:
        self._platform, self._provider = platform, provider
        self._tokens: dict[str, str] = {}

    def token(self, model: str) -> str:
        if model not in self._tokens:
            named = ["--base-url", self._provider.url, "--api-key", "sk-test-123456"]
            made = self._platform.provision(*named, "--model", model, name=f"Robot {model}")
            self._tokens[model] = self._platform.client(made).token
        return self._tokens[model]

    def client(self, model: str = "echo", token: str = "", **options) -> openai.OpenAI:
        return openai.OpenAI(
            base_url=f"{self._platform.url}/v1",
            api_key=token or self.token(model),
            http_client=openai.DefaultHttpxClient(trust_env=False),
            **options,
        )


@pytest.fixture(scope="module")
def robots(platform: Platform, provider: Upstream) -> Robots:
    return Robots(platform, provider)


def ask(client: openai.OpenAI, **asked):
    return client.chat.completions.create(**{"model": "gpt-4o", "messages": HELLO} | asked)


def test_it_answers(robots: Robots):
    answer = ask(robots.client(), user="bob", temperature=0.5, stop=["END"])
    assert answer.choices[0].message.content == "You said: Hello?"
    assert (answer.choices[0].finish_reason, answer.model) == ("stop", "echo")
    assert answer.usage.total_tokens > 0
    assert answer._request_id


def test_it_streams_with_usage(robots: Robots):
    chunks = list(ask(robots.client(), stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert (text, chunks[0].choices[0].delta.role) == ("You said: Hello?", "assistant")
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens > 0


def test_it_streams_as_the_words_come(robots: Robots):
    client = robots.client("slow")
    began = time.monotonic()
    with ask(client, stream=True) as stream:
        next(iter(stream))
        assert time.monotonic() - began < 5  # of the eight seconds that the answer takes


def test_its_streaming_helper_puts_the_answer_together(robots: Robots):
    client = robots.client()
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO) as stream:
        whole = stream.get_final_completion()
    assert whole.choices[0].message.content == "You said: Hello?"


def test_an_answer_can_be_said_again_as_part_of_the_conversation(robots: Robots):
    client = robots.client()
    said = ask(client).choices[0].message
    again = ask(client, messages=[*HELLO, said, {"role": "user", "content": "And?"}])
    assert again.choices[0].message.content == "You said: And?"


def test_it_lists_the_robots_model(robots: Robots):
    client = robots.client()
    assert [model.id for model in client.models.list()] == ["echo"]
    assert client.models.retrieve("echo").id == "echo"
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("gpt-4o")
    assert raised.value.code == "model_not_found"


def test_a_wrong_token_is_an_authentication_error(robots: Robots):
    with pytest.raises(openai.AuthenticationError) as raised:
        ask(robots.client(token="sk-wrong"))
    assert raised.value.code == "invalid_api_key"


@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_field_is_a_bad_request(robots: Robots, stream):
    with pytest.raises(openai.BadRequestError) as raised:
        ask(robots.client(), temperature=5, stream=stream)
    assert raised.value.param == "temperature"


def test_a_key_for_another_request_is_a_conflict_at_once(robots: Robots):
    client = robots.client()
    key = {"Idempotency-Key": "one key"}
    first, again = (ask(client, extra_headers=key) for _ in range(2))
    assert first == again
    with pytest.raises(openai.ConflictError) as raised:
        ask(client, extra_headers=key, top_p=0.5)
    repeats = raised.value.request.headers["x-stainless-retry-count"]
    assert repeats == "0"  # the library repeats a 409 unless it is told not to


@pytest.mark.parametrize("stream", [False, True])
def test_what_fails_before_the_first_words_has_its_own_status_and_is_not_repeated(
    robots: Robots, provider: Upstream, stream
):
    client = robots.client("403")
    provider.reset()
    with pytest.raises(openai.InternalServerError) as failed:
        ask(client, stream=stream)
    assert (failed.value.status_code, failed.value.code) == (503, "robot_unavailable")
    assert provider.calls()["total"] == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_closes_the_connection_to_the_provider(
    robots: Robots, provider: Upstream, stream
):
    client = robots.client("hang", timeout=1.5, max_retries=0)
    provider.reset()
    with pytest.raises(openai.APITimeoutError):
        ask(client, stream=stream)
    wait_for(lambda: provider.calls()["aborted"] == 1, 10, "the end of the call")


def test_a_client_that_stops_reading_a_stream_cancels_it(robots: Robots, provider: Upstream):
    client = robots.client("slow")
    provider.reset()
    with ask(client, stream=True) as stream:
        message_id = next(iter(stream)).id
    wait_for(lambda: provider.calls()["aborted"] == 1, 10, "the end of the call")
    assert provider.calls()["counts"] == {message_id: 1}


def test_a_client_with_a_key_comes_back_for_its_answer(robots: Robots, provider: Upstream):
    key = {"Idempotency-Key": "patience"}
    with pytest.raises(openai.APITimeoutError):
        ask(robots.client("brisk", timeout=0.2, max_retries=0), extra_headers=key)
    assert ask(robots.client("brisk"), extra_headers=key).choices[0].message.content
