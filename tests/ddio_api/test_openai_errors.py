"""The error table of the OpenAI door, each row by a request that meets it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.http import HttpResponse

from ddio_api import tokens
from ddio_api.openai_door.errors import ROWS
from portal import app_records, credentials
from portal.models import ServiceNumber, State
from tests import factories
from tests.ddio_api.answers import fail, once_asked
from tests.ddio_api.openai_client import OpenAiClient, openai_client
from tests.ddio_api.test_errors import HAN, raising

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = [
    ((40001, 41001, 42001), 401, "invalid_request_error", "invalid_api_key"),
    ((40164, 48001, 50002), 403, "invalid_request_error", "permission_denied"),
    ((40003, 44004, 45002, 47001), 400, "invalid_request_error", None),
    ((45009, 71011), 429, "insufficient_quota", "insufficient_quota"),
    ((45011, 71005), 429, "rate_limit_exceeded", "rate_limit_exceeded"),
    ((87014,), 400, "invalid_request_error", "content_filter"),
    ((40900,), 409, "invalid_request_error", "idempotency_conflict"),
    ((71001, 71002, 71003, 71004, -1), 503, "server_error", "robot_unavailable"),
    ((71006, 71008, 71009, 71010), 502, "server_error", None),
    ((71007,), 504, "server_error", None),
    ((40404,), 404, "invalid_request_error", "unknown_url"),
    ((43002,), 405, "invalid_request_error", "method_not_supported"),
]
EACH = [(code, *row) for codes, *row in TABLE for code in codes]


@dataclass
class Scene:
    """What a request needs to go wrong."""

    number: ServiceNumber
    settings: Any
    monkeypatch: pytest.MonkeyPatch
    language: str = "en"

    @property
    def client(self) -> OpenAiClient:
        return self.speaking(openai_client(self.number))

    def speaking(self, client: OpenAiClient) -> OpenAiClient:
        client._headers["Accept-Language"] = self.language
        return client

    def move(self, state: str) -> None:
        factories.put(self.number, state)


Act = Callable[[Scene], HttpResponse]
SCENES: dict[int, Act] = {}


def scene(code: int) -> Callable[[Act], Act]:
    def keep(act: Act) -> Act:
        SCENES[code] = act
        return act

    return keep


@scene(-1)
def database_away(it: Scene) -> HttpResponse:
    client = it.client
    with connection.execute_wrapper(raising(OperationalError)):
        return client.ask()


@scene(40001)
def revoked(it: Scene) -> HttpResponse:
    client = it.client
    credentials.revoke(it.number.secrets.get(), actor=None)
    return client.ask()


@scene(40003)
def invented_person(it: Scene) -> HttpResponse:
    return it.client.ask(user="o_someone")


@scene(40164)
def foreign_address(it: Scene) -> HttpResponse:
    client = it.client
    it.number.networks.create(network="198.51.100.0/24")
    app_records.changed(it.number.pk)
    return client.ask()


@scene(40404)
def unknown_path(it: Scene) -> HttpResponse:
    return it.client.post("embeddings", {})


@scene(40900)
def key_reused(it: Scene) -> HttpResponse:
    it.client.hold(key="k1")
    return it.client.ask("Other", key="k1")


@scene(41001)
def no_token(it: Scene) -> HttpResponse:
    return it.speaking(OpenAiClient()).ask()


@scene(42001)
def expired(it: Scene) -> HttpResponse:
    it.settings.ACCESS_TOKEN_SECONDS = 0
    generation = factories.secret(it.number).row.generation
    client = OpenAiClient(tokens.issue(it.number.app_id, generation)[0])
    return it.speaking(client).ask()


@scene(43002)
def wrong_method(it: Scene) -> HttpResponse:
    return it.client.get("chat/completions")


@scene(44004)
def empty(it: Scene) -> HttpResponse:
    return it.client.ask(" ")


@scene(45002)
def too_long(it: Scene) -> HttpResponse:
    return it.client.ask("x" * 16_001)


@scene(45009)
def used_up(it: Scene) -> HttpResponse:
    it.settings.ASKS_PER_NUMBER_AND_DAY = 1
    it.client.hold()
    return it.client.ask()


@scene(45011)
def too_many_pending(it: Scene) -> HttpResponse:
    it.settings.PENDING_PER_PERSON = 1
    it.client.hold()
    return it.client.ask()


@scene(47001)
def wrong_field(it: Scene) -> HttpResponse:
    return it.client.ask(temperature=3)


@scene(48001)
def not_approved(it: Scene) -> HttpResponse:
    it.move(State.IN_REVIEW)
    return it.client.ask()


@scene(50002)
def suspended(it: Scene) -> HttpResponse:
    client = it.client
    it.move(State.SUSPENDED)
    return client.ask()


def failing(code: int) -> Act:
    """The answer fails with this code while its caller waits."""

    def act(it: Scene) -> HttpResponse:
        with once_asked(lambda message: fail(message, code)):
            return it.client.ask()

    return act


@pytest.fixture
def it(number, settings, monkeypatch) -> Scene:
    return Scene(number, settings, monkeypatch)


def act_of(code: int) -> Act:
    return SCENES.get(code) or failing(code)


@pytest.mark.parametrize(("code", "status", "kind", "name"), EACH)
def test_a_request_produces_each_row_of_the_table(it, code, status, kind, name):
    answer = act_of(code)(it)
    error = answer.json()["error"]
    assert list(answer.json()) == ["error"]
    assert sorted(error) == ["code", "message", "param", "type"]
    assert (answer.status_code, error["type"], error["code"]) == (status, kind, name)
    assert error["message"]


def test_the_table_has_no_other_rows():
    assert set(ROWS) == {code for code, *_row in EACH}


@pytest.mark.parametrize("code", sorted(ROWS))
def test_the_message_is_in_the_callers_language(it, code):
    it.language = "zh-Hans"
    assert HAN.search(act_of(code)(it).json()["error"]["message"])


def test_an_answer_that_is_withheld_is_a_403(it):
    assert failing(50002)(it).json()["error"]["code"] == "permission_denied"


def test_an_unexpected_failure_is_a_503_that_gives_no_reason(it):
    def break_down(_question: Any) -> None:
        raise ZeroDivisionError("the secret reason")

    it.monkeypatch.setattr("bots.quotas.ask", break_down)
    answer = it.client.ask()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "robot_unavailable")
    assert b"secret reason" not in answer.content


def test_too_many_requests_are_told_how_many_there_may_be(it):
    it.settings.DDIO_REQUESTS_PER_SECOND, it.settings.DDIO_REQUEST_BURST = 0.1, 1
    client = it.client
    client.get("models")
    answer = client.ask()
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["RateLimit"].startswith('"app";r=0')


@pytest.mark.parametrize("code", [45009, 45011])
def test_every_429_says_when_to_come_again(it, code):
    assert int(act_of(code)(it).headers["Retry-After"]) >= 1


@pytest.mark.parametrize("code", [40001, 41001, 42001])
def test_who_has_no_good_token_hears_how_to_bring_one(it, code):
    assert act_of(code)(it).headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("code", [-1, 40001, 45011, 71005])
def test_what_may_pass_by_may_be_repeated(it, code):
    assert "x-should-retry" not in act_of(code)(it).headers


@pytest.mark.parametrize("code", [40900, 45009, 71001, 71006, 71007, 71011])
def test_clients_are_told_not_to_repeat_what_is_final(it, code):
    assert act_of(code)(it).headers["x-should-retry"] == "false"


@pytest.mark.parametrize("path", ["", "chat", "completions", "models/", "%00", "a//b", "💥"])
def test_an_unknown_path_is_told_apart_for_every_method(path):
    client = OpenAiClient()
    answers = [client.call(method, path) for method in ["POST", "PUT", "DELETE", "OPTIONS"]]
    codes = {(answer.status_code, answer.json()["error"]["code"]) for answer in answers}
    assert codes == {(404, "unknown_url")}


def test_a_wrong_method_is_told_the_right_one(it):
    answer = it.client.call("PUT", "models")
    assert (answer.status_code, answer.headers["Allow"].split(", ")[0]) == (405, "GET")


def test_the_tokens_of_the_platform_work_in_their_own_header_too(number):
    issued = factories.secret(number)
    client = OpenAiClient()
    client._headers = {"access-token": tokens.issue(number.app_id, issued.row.generation)[0]}
    assert client.get("models").status_code == 200


def test_the_callers_own_request_id_comes_back(it):
    answer = it.client.get("models", **{"X-Request-ID": "my-own_id-1"})
    assert answer.headers["X-Request-ID"] == "my-own_id-1"
