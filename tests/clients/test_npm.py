"""openai and simple-oauth2 from npm, unmodified; the scripts are in `node/`."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.robots import Robot, expired_token

pytestmark = [pytest.mark.processes, pytest.mark.alike]

Node = Callable[..., Any]
BOTH = pytest.mark.parametrize("method", ["header", "body"])
BAD_TOKENS = pytest.mark.parametrize(
    "token_of",
    [lambda _robot: "sk-wrong", expired_token, Robot.revoked_token],
    ids=["wrong", "expired", "revoked"],
)


def openai(node: Node, robot: Robot, token: str = "", **options: str) -> Any:
    return node("openai", BASE_URL=robot.v1, API_KEY=token or robot.token(), **options)


def oauth(node: Node, robot: Robot, secret: str = "", **options: str) -> Any:
    given = {"TOKEN_HOST": robot.url, "APP_ID": robot.app_id}
    return node("simple-oauth2", **given, APP_SECRET=secret or robot.app_secret, **options)


def test_openai_asks(node: Node, robot: Robot):
    told = openai(node, robot)
    assert told["content"] == "You said: Hello"
    assert told["finish_reason"] == "stop"
    assert told["usage"]["total_tokens"] > 0


def test_openai_streams(node: Node, robot: Robot):
    told = openai(node, robot, STREAM="1")
    assert told["content"] == "You said: Hello"
    assert told["finish_reason"] == "stop"
    assert told["usage"]["total_tokens"] > 0
    assert told["chunks"] > 2


@BAD_TOKENS
def test_openai_is_told_of_a_token_that_is_no_good(node: Node, robot: Robot, token_of):
    told = openai(node, robot, token_of(robot))
    assert told["error"]["name"] == "AuthenticationError"
    assert told["error"]["code"] == "invalid_api_key"


def test_openai_is_told_that_the_robot_is_out_of_order(node: Node, robot_of):
    told = openai(node, robot_of("403"))
    assert told["error"]["name"] == "InternalServerError"
    assert told["error"]["code"] == "robot_unavailable"


def test_openai_asks_eight_times_at_once(node: Node, robot: Robot):
    told = openai(node, robot, TIMES="8")
    assert told["contents"] == [f"You said: Hello {number}" for number in range(8)]


@BOTH
def test_simple_oauth2_takes_two_tokens_that_are_both_good(node: Node, robot: Robot, method: str):
    told = oauth(node, robot, METHOD=method)
    assert told["expired"] is False
    assert told["expires_in"] == 7200
    assert len(set(told["tokens"])) == 2
    assert told["codes"] == [0, 0]


@BOTH
def test_simple_oauth2_is_told_of_a_wrong_secret(node: Node, robot: Robot, method: str):
    told = oauth(node, robot, "fwsk_wrong", METHOD=method)
    assert told["error"]["status"] == 401
    assert told["error"]["payload"]["error"] == "invalid_client"


@BOTH
def test_simple_oauth2_revokes_one_token_and_no_other(node: Node, robot: Robot, method: str):
    told = oauth(node, robot, METHOD=method, REVOKE="1")
    assert told["codes"] == [40001, 0]
