"""A service number as the developer of an external system knows it."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import requests

from tests.platform import Platform, parse_events

# Through the token door itself, so that the token is like any other, but for its time.
EXPIRED = """
from django.conf import settings
from django.test import Client
settings.ACCESS_TOKEN_SECONDS = -1
client = Client(SERVER_NAME="localhost")
answer = client.post("/platform/api2/token", {!r}, content_type="application/json")
print(answer.json()["accessToken"])
"""


@dataclass(frozen=True)
class Robot:
    """`api` is DDIO's base URL, `v1` is OpenAI's."""

    platform: Platform
    app_id: str
    app_secret: str

    @property
    def url(self) -> str:
        return self.platform.url

    @property
    def api(self) -> str:
        return f"{self.url}/platform/api2"

    @property
    def v1(self) -> str:
        return f"{self.url}/v1"

    @property
    def credentials(self) -> dict[str, str]:
        return {"appID": self.app_id, "appSecret": self.app_secret}

    def token(self) -> str:
        answer = requests.post(f"{self.api}/token", json=self.credentials, timeout=10)
        token: str = answer.json()["accessToken"]
        return token

    def revoked_token(self) -> str:
        token = self.token()
        pair = (self.app_id, self.app_secret)
        answer = requests.post(f"{self.url}/oauth2/revoke", {"token": token}, auth=pair, timeout=10)
        answer.raise_for_status()
        return token


@cache
def expired_token(robot: Robot) -> str:
    printed = robot.platform.manage("shell", "-c", EXPIRED.format(robot.credentials)).stdout
    return printed.split()[-1]


def provisioned(platform: Platform, *arguments: str, name: str) -> Robot:
    made = platform.provision(*arguments, name=name)
    return Robot(platform, made["appId"], made["appSecret"])


def draft(platform: Platform, *arguments: str) -> Robot:
    """A number that nobody has approved yet."""
    names = ["--developer-email", "dev@example.org", "--number-name", "Draft"]
    done = platform.manage("provision", *names, "--new-secret", "--json", *arguments)
    made = json.loads(done.stdout)
    return Robot(platform, made["appId"], made["appSecret"])


def ask(session: requests.Session, robot: Robot, message: str, wait: int = 20) -> dict[str, Any]:
    """Ask by the session of a library, which sees to the accessToken."""
    body = {"openID": "alice", "message": message, "wait": wait}
    answer = session.post(f"{robot.api}/chat/send", json=body, timeout=wait + 20)
    assert answer.status_code in (200, 202), answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result


def streamed(
    session: requests.Session, robot: Robot, message_id: str
) -> tuple[str, dict[str, Any]]:
    """The text of all `delta` events, and the item of the closing `done`."""
    path = f"{robot.api}/chat/feedback/{message_id}/stream"
    with session.get(path, stream=True, timeout=60) as answer:
        events = list(parse_events(line.decode() for line in answer.iter_lines(chunk_size=1)))
    text = "".join(data["text"] for kind, _id, data in events if kind == "delta")
    assert events[-1][0] == "done"
    return text, events[-1][2]


def refusal(session: requests.Session, robot: Robot) -> tuple[int, int]:
    """HTTP status and code of a call with the session's token."""
    answer = session.get(f"{robot.api}/chat/feedback", params={"limit": 1}, timeout=20)
    return answer.status_code, json.loads(answer.content)["code"]
