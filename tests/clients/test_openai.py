"""openai (Python), unmodified, with no more than `base_url` and `api_key` of ours."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from tests.clients.robots import Robot, draft, expired_token
from tests.platform import Platform

pytestmark = [pytest.mark.processes, pytest.mark.alike]

HELLO = [{"role": "user", "content": "Hello"}]


def client_of(robot: Robot, token: str = "") -> openai.OpenAI:
    return openai.OpenAI(
        base_url=robot.v1, api_key=token or robot.token(), max_retries=0, timeout=60
    )


def complete(client: openai.OpenAI, content: str = "Hello") -> str | None:
    turns = [{"role": "user", "content": content}]
    done = client.chat.completions.create(model="any", messages=turns)
    return done.choices[0].message.content


def test_it_asks(robot: Robot):
    done = client_of(robot).chat.completions.create(model="any", messages=HELLO, user="alice")
    assert done.object == "chat.completion"
    assert done.choices[0].message.content == "You said: Hello"
    assert done.choices[0].finish_reason == "stop"
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens > 0


def test_it_streams(robot: Robot):
    options = {"include_usage": True}
    chunks = list(
        client_of(robot).chat.completions.create(
            model="any", messages=HELLO, stream=True, stream_options=options
        )
    )
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "You said: Hello"
    assert choices[-1].finish_reason == "stop"
    assert chunks[-1].usage.total_tokens > 0
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}


def test_its_own_helper_for_streams_is_content(robot: Robot):
    with client_of(robot).chat.completions.stream(model="any", messages=HELLO) as stream:
        done = stream.get_final_completion()
    assert done.choices[0].message.content == "You said: Hello"


def test_it_lists_the_robots_models(robot: Robot):
    assert "echo" in [model.id for model in client_of(robot).models.list()]


def test_its_answers_are_in_the_feed(robot: Robot):
    complete(client_of(robot), "Find me in the feed")
    feed = robot.platform.client({"appId": robot.app_id, "appSecret": robot.app_secret}).feed()
    [item] = [each for each in feed if each.get("question") == "Find me in the feed"]
    assert (item["channel"], item["openID"]) == ("openai", "openai")


@pytest.mark.parametrize(
    "token_of",
    [lambda _robot: "sk-wrong", expired_token, Robot.revoked_token],
    ids=["wrong", "expired", "revoked"],
)
def test_it_is_told_of_a_token_that_is_no_good(robot: Robot, token_of: Callable[[Robot], str]):
    client = client_of(robot, token_of(robot))
    with pytest.raises(openai.AuthenticationError) as told:
        complete(client)
    assert told.value.code == "invalid_api_key"
    assert told.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    "options", [{"n": 2}, {"tools": [{"type": "function"}]}], ids=["n", "tools"]
)
def test_it_is_told_what_is_not_done_here(robot: Robot, options):
    with pytest.raises(openai.BadRequestError) as told:
        client_of(robot).chat.completions.create(model="any", messages=HELLO, **options)
    assert told.value.param == next(iter(options))


def test_it_is_told_that_the_number_is_not_approved(platform: Platform):
    with pytest.raises(openai.PermissionDeniedError) as told:
        complete(client_of(draft(platform)))
    assert told.value.code == "permission_denied"


def test_it_is_told_that_the_robot_is_out_of_order(robot_of: Callable[..., Robot]):
    """Never as 401: the caller's token is good, it is the robot's key that is not."""
    with pytest.raises(openai.InternalServerError) as told:
        complete(client_of(robot_of("403")))
    assert told.value.status_code == 503
    assert told.value.code == "robot_unavailable"


def test_an_idempotency_key_is_answered_once(robot: Robot):
    headers = {"Idempotency-Key": "key-of-openai"}
    client = client_of(robot)
    first, second = (
        client.chat.completions.create(model="any", messages=HELLO, extra_headers=headers)
        for _time in range(2)
    )
    assert first.id == second.id
    with pytest.raises(openai.ConflictError) as told:
        client.chat.completions.create(model="any", messages=HELLO * 2, extra_headers=headers)
    assert told.value.code == "idempotency_conflict"


def test_many_ask_at_once_and_each_gets_its_own_answer(robot: Robot):
    clients = [client_of(robot) for _number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(complete, clients, map(str, range(8))))
    assert answers == [f"You said: {number}" for number in range(8)]
