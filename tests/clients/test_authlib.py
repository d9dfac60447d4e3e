"""Authlib, unmodified: https://docs.authlib.org/en/latest/client/"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from tests.clients.robots import Robot, ask, expired_token, refusal, streamed

pytestmark = [pytest.mark.processes, pytest.mark.alike]

BOTH = pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])


def session_of(robot: Robot, secret: str = "", **options: Any) -> OAuth2Session:
    given = {
        "token_endpoint": f"{robot.url}/oauth2/token",
        "grant_type": "client_credentials",
        "default_timeout": 20,
    }
    return OAuth2Session(robot.app_id, secret or robot.app_secret, **given | options)


def signed_in(robot: Robot, **options: Any) -> OAuth2Session:
    session = session_of(robot, **options)
    session.fetch_token()
    return session


def holding(robot: Robot, token: str) -> OAuth2Session:
    """It believes that its token is good."""
    held = {"access_token": token, "token_type": "Bearer", "expires_in": 7200}
    return session_of(robot, token=held)


@BOTH
def test_it_takes_a_token_and_asks(robot: Robot, method: str):
    session = signed_in(robot, token_endpoint_auth_method=method)
    assert session.token["token_type"] == "Bearer"
    assert session.token["expires_in"] == 7200
    assert ask(session, robot, "Hello")["answer"] == "You said: Hello"


def test_it_streams_an_answer(robot: Robot):
    session = signed_in(robot)
    asked = ask(session, robot, "Word by word", wait=0)
    text, item = streamed(session, robot, asked["messageID"])
    assert text == item["answer"] == "You said: Word by word"


def test_it_finds_the_doors_in_the_metadata(robot: Robot):
    address = f"{robot.url}/.well-known/oauth-authorization-server"
    metadata = requests.get(address, timeout=10).json()
    session = OAuth2Session(robot.app_id, robot.app_secret, **metadata)
    session.fetch_token(grant_type="client_credentials")
    told = session.revoke_token(
        metadata["revocation_endpoint"], token=session.token["access_token"]
    )
    assert told.status_code == 200


def test_it_gets_no_other_scope_than_it_asked_for(robot: Robot):
    session = session_of(robot, scope="chat")
    assert session.fetch_token().get("scope", "chat") == "chat"


@BOTH
def test_it_is_told_of_a_wrong_secret(robot: Robot, method: str):
    session = session_of(robot, "fwsk_wrong", token_endpoint_auth_method=method)
    with pytest.raises(OAuthError) as told:
        session.fetch_token()
    assert told.value.error == "invalid_client"
    assert told.value.description


def test_it_is_told_of_an_unknown_app(robot: Robot):
    session = session_of(Robot(robot.platform, "fw0000000000000000", robot.app_secret))
    with pytest.raises(OAuthError) as told:
        session.fetch_token()
    assert told.value.error == "invalid_client"


def test_it_is_told_of_a_grant_that_is_not_given_here(robot: Robot):
    session = session_of(robot)
    with pytest.raises(OAuthError) as told:
        session.fetch_token(grant_type="password", username="alice", password="secret")
    assert told.value.error == "unsupported_grant_type"


def test_it_revokes_one_token_and_no_other(robot: Robot):
    revoked, kept = signed_in(robot), signed_in(robot)
    answer = revoked.revoke_token(
        f"{robot.url}/oauth2/revoke",
        token=revoked.token["access_token"],
        token_type_hint="access_token",
    )
    assert answer.status_code == 200
    assert refusal(revoked, robot) == (401, 40001)
    assert ask(kept, robot, "Still here")["answer"] == "You said: Still here"


@BOTH
def test_it_may_revoke_what_is_no_token(robot: Robot, method: str):
    session = session_of(robot, revocation_endpoint_auth_method=method)
    assert session.revoke_token(f"{robot.url}/oauth2/revoke", token="nothing").status_code == 200


def test_it_is_told_of_an_expired_token(robot: Robot):
    assert refusal(holding(robot, expired_token(robot)), robot) == (401, 42001)


def test_it_renews_a_token_by_itself(robot: Robot):
    session = signed_in(robot)
    first = session.token["access_token"]
    session.token = dict(session.token) | {"expires_at": 1}
    assert ask(session, robot, "Once more")["answer"] == "You said: Once more"
    assert session.token["access_token"] != first


def test_many_take_tokens_at_once_and_all_are_good(robot: Robot):
    with ThreadPoolExecutor(8) as pool:
        sessions = list(pool.map(lambda _number: signed_in(robot), range(16)))
    answers = {ask(session, robot, "Hello")["answer"] for session in sessions}
    assert len({session.token["access_token"] for session in sessions}) == 16
    assert answers == {"You said: Hello"}
