"""requests-oauthlib, unmodified: https://requests-oauthlib.readthedocs.io/"""

from typing import Any

import pytest
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError, TokenExpiredError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from tests.clients.robots import Robot, ask, expired_token, refusal, streamed

pytestmark = [pytest.mark.processes, pytest.mark.alike]


def session_of(robot: Robot, **options: Any) -> OAuth2Session:
    return OAuth2Session(client=BackendApplicationClient(client_id=robot.app_id, **options))


def basic(robot: Robot, secret: str) -> dict[str, Any]:
    return {"auth": HTTPBasicAuth(robot.app_id, secret)}


def post(robot: Robot, secret: str) -> dict[str, Any]:
    return {"client_secret": secret, "include_client_id": True}


BOTH = pytest.mark.parametrize("way", [basic, post])


def signed_in(robot: Robot, way: Any = basic, **options: Any) -> OAuth2Session:
    session = session_of(robot, **options)
    session.fetch_token(f"{robot.url}/oauth2/token", timeout=20, **way(robot, robot.app_secret))
    return session


def holding(robot: Robot, token: str) -> OAuth2Session:
    held = {"access_token": token, "token_type": "Bearer", "expires_in": 7200}
    return OAuth2Session(client_id=robot.app_id, token=held)


@BOTH
def test_it_takes_a_token_and_asks(robot: Robot, way: Any):
    session = signed_in(robot, way)
    assert session.token["expires_in"] == 7200
    assert ask(session, robot, "Hello")["answer"] == "You said: Hello"


def test_it_streams_an_answer(robot: Robot):
    session = signed_in(robot)
    asked = ask(session, robot, "Word by word", wait=0)
    text, item = streamed(session, robot, asked["messageID"])
    assert text == item["answer"] == "You said: Word by word"


def test_its_scope_is_not_changed(robot: Robot):
    """oauthlib raises a Warning where another scope comes back than it asked for."""
    session = signed_in(robot, scope=["chat", "feedback"])
    assert ask(session, robot, "Hello")["answer"] == "You said: Hello"


@BOTH
def test_it_is_told_of_a_wrong_secret(robot: Robot, way: Any):
    session = session_of(robot)
    with pytest.raises(InvalidClientError) as told:
        session.fetch_token(f"{robot.url}/oauth2/token", **way(robot, "fwsk_wrong"))
    assert told.value.error == "invalid_client"
    assert told.value.description


def test_it_knows_by_itself_when_its_token_has_expired(robot: Robot):
    session = signed_in(robot)
    session.token = dict(session.token) | {"expires_in": -1, "expires_at": 1}
    with pytest.raises(TokenExpiredError):
        ask(session, robot, "Too late")


def test_it_is_told_of_an_expired_token(robot: Robot):
    assert refusal(holding(robot, expired_token(robot)), robot) == (401, 42001)


def test_it_is_told_of_a_revoked_token(robot: Robot):
    assert refusal(holding(robot, robot.revoked_token()), robot) == (401, 40001)


def test_a_second_token_does_not_kill_the_first(robot: Robot):
    first, second = signed_in(robot), signed_in(robot)
    assert first.token["access_token"] != second.token["access_token"]
    assert ask(first, robot, "One")["answer"] == "You said: One"
    assert ask(second, robot, "Two")["answer"] == "You said: Two"
