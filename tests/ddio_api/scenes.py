"""One request for each row of the error table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse

from ddio_api import tokens
from portal import app_records, credentials
from portal.models import ServiceNumber, State
from tests import factories
from tests.conftest import DdioClient, ddio_client


@dataclass
class Scene:
    """What a request needs to go wrong; `headers` go with each."""

    number: ServiceNumber
    settings: Any
    monkeypatch: pytest.MonkeyPatch
    headers: dict[str, str]

    @property
    def anonymous(self) -> DdioClient:
        return DdioClient()

    @property
    def client(self) -> DdioClient:
        return ddio_client(self.number)

    def move(self, state: str) -> None:
        factories.put(self.number, state)

    def token(self, **body: Any) -> HttpResponse:
        return self.anonymous.post("token", body, **self.headers)

    def send(self, **body: Any) -> HttpResponse:
        asked = {"openID": "alice", "message": "Hello?"} | body
        return self.client.post("chat/send", asked, **self.headers)

    def read(self, client: DdioClient) -> HttpResponse:
        return client.get("chat/feedback", **self.headers)


Act = Callable[[Scene], HttpResponse]
SCENES: dict[int, Act] = {}


def scene(code: int) -> Callable[[Act], Act]:
    def keep(act: Act) -> Act:
        SCENES[code] = act
        return act

    return keep


@scene(-1)
def unexpected(it: Scene) -> HttpResponse:
    def break_down(_query: Any) -> None:
        raise ZeroDivisionError("the secret reason")

    it.monkeypatch.setattr("bots.feed.read", break_down)
    return it.read(it.client)


@scene(40001)
def revoked(it: Scene) -> HttpResponse:
    client = it.client
    credentials.revoke(it.number.secrets.get(), actor=None)
    return it.read(client)


@scene(40002)
def other_access_type(it: Scene) -> HttpResponse:
    return it.token(appID=it.number.app_id, appSecret="x", accessType="USER")


@scene(40003)
def invented_person(it: Scene) -> HttpResponse:
    return it.send(openID="o_someone")


@scene(40013)
def malformed_app(it: Scene) -> HttpResponse:
    return it.token(appID="robot", appSecret="x")


@scene(40125)
def wrong_secret(it: Scene) -> HttpResponse:
    return it.token(appID=it.number.app_id, appSecret=credentials.new_secret())


@scene(40164)
def from_elsewhere(it: Scene) -> HttpResponse:
    client = it.client
    it.number.networks.create(network="198.51.100.0/24")
    app_records.changed(it.number.pk)
    return it.read(client)


@scene(40243)
def frozen(it: Scene) -> HttpResponse:
    issued = factories.secret(it.number)
    credentials.freeze(issued.row, actor=None)
    return it.token(appID=it.number.app_id, appSecret=issued.clear)


@scene(40404)
def absent(it: Scene) -> HttpResponse:
    return it.client.get("chat/feedback/msg_0", **it.headers)


@scene(40900)
def key_reused(it: Scene) -> HttpResponse:
    it.headers["Idempotency-Key"] = "k1"
    it.send()
    return it.send(message="Other")


@scene(41001)
def no_token(it: Scene) -> HttpResponse:
    return it.read(it.anonymous)


@scene(41002)
def no_app(it: Scene) -> HttpResponse:
    return it.token(appSecret="x")


@scene(41004)
def no_secret(it: Scene) -> HttpResponse:
    return it.token(appID=it.number.app_id)


@scene(42001)
def expired(it: Scene) -> HttpResponse:
    it.settings.ACCESS_TOKEN_SECONDS = 0
    generation = factories.secret(it.number).row.generation
    return it.read(DdioClient(tokens.issue(it.number.app_id, generation)[0]))


@scene(43002)
def wrong_method(it: Scene) -> HttpResponse:
    return it.client.call("DELETE", "chat/feedback", **it.headers)


@scene(44004)
def empty(it: Scene) -> HttpResponse:
    return it.send(message=" \n")


@scene(45002)
def too_long(it: Scene) -> HttpResponse:
    return it.send(message="好" * 16_001)


@scene(45009)
def used_up(it: Scene) -> HttpResponse:
    it.settings.ASKS_PER_NUMBER_AND_DAY = 1
    it.send()
    return it.send()


@scene(45011)
def too_fast(it: Scene) -> HttpResponse:
    it.settings.DDIO_REQUESTS_PER_SECOND, it.settings.DDIO_REQUEST_BURST = 0.1, 1
    client = it.client
    it.read(client)
    return it.read(client)


@scene(47001)
def wrong_field(it: Scene) -> HttpResponse:
    return it.send(wait="soon")


@scene(48001)
def not_approved(it: Scene) -> HttpResponse:
    it.move(State.IN_REVIEW)
    return it.send()


@scene(50002)
def suspended(it: Scene) -> HttpResponse:
    client = it.client
    it.move(State.SUSPENDED)
    return it.read(client)
