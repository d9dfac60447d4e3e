"""wechatpy, with no more than the address of its token door overridden.

Its calls send the accessToken in the query, as WeChat wants it; ours takes it from the header
alone, so the client's own requests carry both.
"""

from typing import Any

import pytest
import requests
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

from tests.clients.robots import Robot, ask, expired_token, refusal

pytestmark = [pytest.mark.processes, pytest.mark.alike]


class OldDoor(WeChatClient):
    """GET /cgi-bin/token, as wechatpy takes it from WeChat."""

    def __init__(self, robot: Robot, secret: str = "", **options: Any) -> None:
        super().__init__(robot.app_id, secret or robot.app_secret, timeout=20, **options)
        self.url = robot.url

    def fetch_access_token(self) -> dict[str, Any]:
        query = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(f"{self.url}/cgi-bin/token", query)


class StableDoor(OldDoor):
    """POST /cgi-bin/stable_token, by wechatpy's own request and its own reading of errors."""

    def fetch_access_token(self) -> dict[str, Any]:
        body = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        path = f"{self.url}/cgi-bin/stable_token"
        granted = self.post(path, data=body, params={"access_token": ""})
        self.session.set(self.access_token_key, granted["access_token"], granted["expires_in"])
        return granted


DOORS = pytest.mark.parametrize("door", [OldDoor, StableDoor])


def holding(token: str) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return session


@DOORS
def test_it_takes_a_token_and_asks(robot: Robot, door: type[OldDoor]):
    client = door(robot)
    granted = client.fetch_access_token()
    assert granted["expires_in"] == 7200
    assert ask(holding(client.access_token), robot, "Hello")["answer"] == "You said: Hello"


def test_it_calls_by_its_own_requests(robot: Robot):
    client = OldDoor(robot)
    headers = {"Authorization": f"Bearer {client.access_token}"}
    body = {"openID": "alice", "message": "你好", "wait": 20}
    told = client.post(f"{robot.api}/chat/send", data=body, headers=headers)
    assert told["result"]["answer"] == "You said: 你好"


@DOORS
def test_it_is_told_of_a_wrong_secret(robot: Robot, door: type[OldDoor]):
    with pytest.raises(WeChatClientException) as told:
        door(robot, "fwsk_wrong").fetch_access_token()
    assert told.value.errcode == 40125
    assert told.value.errmsg


@DOORS
def test_it_is_told_of_an_unknown_app(robot: Robot, door: type[OldDoor]):
    stranger = Robot(robot.platform, "fw0000000000000000", robot.app_secret)
    with pytest.raises(WeChatClientException) as told:
        door(stranger).fetch_access_token()
    assert told.value.errcode == 40125


@DOORS
def test_it_is_told_of_a_malformed_app(robot: Robot, door: type[OldDoor]):
    with pytest.raises(WeChatClientException) as told:
        door(Robot(robot.platform, "wx?", robot.app_secret)).fetch_access_token()
    assert told.value.errcode == 40013


@DOORS
def test_a_second_token_does_not_kill_the_first(robot: Robot, door: type[OldDoor]):
    first, second = door(robot).access_token, door(robot).access_token
    assert first != second
    assert ask(holding(first), robot, "One")["answer"] == "You said: One"
    assert ask(holding(second), robot, "Two")["answer"] == "You said: Two"


def test_force_refresh_kills_nothing(robot: Robot):
    client = StableDoor(robot)
    first = client.access_token
    body = {"grant_type": "client_credential", "appid": robot.app_id, "secret": robot.app_secret}
    query = {"access_token": ""}
    path = f"{robot.url}/cgi-bin/stable_token"
    client.post(path, data=body | {"force_refresh": True}, params=query)
    assert ask(holding(first), robot, "Hello")["answer"] == "You said: Hello"


def test_it_renews_what_has_expired_by_its_own_clock(robot: Robot):
    client = OldDoor(robot)
    first = client.access_token
    client.expires_at = 1
    assert client.access_token != first


def test_its_expired_token_is_refused(robot: Robot):
    assert refusal(holding(expired_token(robot)), robot) == (401, 42001)


def test_it_raises_when_its_token_is_revoked(robot: Robot):
    client = OldDoor(robot, access_token=robot.revoked_token())
    headers = {"Authorization": f"Bearer {client.access_token}"}
    with pytest.raises(WeChatClientException) as told:
        client.get(f"{robot.api}/chat/feedback", headers=headers)
    assert told.value.response.json()["code"] == 40001
