"""Errors: every row of the table, in the caller's language, and never a bare failure."""

import asyncio
import re

import pytest
from django.db import InterfaceError, OperationalError, connection

from bots import feed
from ddio_api import errors
from ddio_api.errors import TABLE
from portal import credentials
from portal.hold import HeldResponse
from tests import factories
from tests.ddio_api.scenes import SCENES, Scene

pytestmark = pytest.mark.django_db
HAN = re.compile("[\u4e00-\u9fff]")
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO", "TRACE"]
UNKNOWN = [
    "",
    "chat",
    "chat/",
    "chat/feedback/a/b",
    "token/",
    "Token",
    "nonsense",
    "%00",
    "💥",
    "a//b",
]


@pytest.fixture
def scene(number, settings, monkeypatch) -> Scene:
    return Scene(number, settings, monkeypatch, {})


@pytest.mark.parametrize("code", TABLE)
def test_a_request_produces_each_row_of_the_table(scene, code):
    answer = SCENES[code](scene)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (TABLE[code].status, code)
    assert body["msg"]
    assert "result" not in body
    assert body["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("code", sorted(set(TABLE) - {40164, 48001}))
def test_the_sentence_is_the_tables(scene, code):
    assert SCENES[code](scene).json()["msg"] == str(TABLE[code].message)


@pytest.mark.parametrize("code", TABLE)
def test_the_sentence_is_in_the_callers_language(scene, code):
    scene.headers["Accept-Language"] = "zh-Hans"
    assert HAN.search(SCENES[code](scene).json()["msg"])


@pytest.mark.parametrize("language", ["zh-CN", "zh", "zh-Hans-CN,zh;q=0.9,en;q=0.5"])
def test_chinese_has_several_names(scene, language):
    scene.headers["Accept-Language"] = language
    assert HAN.search(SCENES[40404](scene).json()["msg"])


def test_a_sentence_about_a_field_is_in_the_callers_language_too(scene):
    scene.headers["Accept-Language"] = "zh-Hans"
    assert HAN.search(SCENES[47001](scene).json()["fields"]["wait"][0])


def test_the_next_caller_hears_of_a_field_in_his_own_language(client_of_alice):
    asked = {"limit": 1000}
    said = [
        client_of_alice.get("chat/feedback", asked, **{"Accept-Language": language}).json()
        for language in ("en", "zh-Hans", "en")
    ]
    assert [bool(HAN.search(each["fields"]["limit"][0])) for each in said] == [False, True, False]


@pytest.mark.parametrize("language", ["fr", "*", "x" * 5000, "\x7f", "zh-Hant;q=bad", ""])
def test_any_other_language_is_english(scene, language):
    scene.headers["Accept-Language"] = language
    assert SCENES[40404](scene).json()["msg"] == str(TABLE[40404].message)


def test_who_has_no_token_hears_how_to_bring_one(anonymous):
    assert anonymous.get("chat/feedback").headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("code", [45009, 45011])
def test_every_429_says_when_to_come_again(scene, code):
    assert int(SCENES[code](scene).headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("seconds", "header"), [(0, "1"), (0.2, "1"), (1, "1"), (1.01, "2"), (4, "4"), (5, "5")]
)
def test_retry_after_is_never_too_early_and_never_zero(seconds, header):
    assert errors.DdioError(45011, retry_after=seconds).headers["Retry-After"] == header


# Methods and paths ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "wrong", "allowed"),
    [
        ("token", "PUT", "POST"),
        ("chat/send", "GET", "POST"),
        ("chat/feedback", "POST", "GET"),
        ("chat/feedback/msg_0", "DELETE", "GET"),
        ("chat/feedback/msg_0/stream", "POST", "GET"),
        ("chat/feedback", "FOO", "GET"),
        ("message/send", "GET", "POST"),
        ("followers", "POST", "GET"),
        ("chat/feedback", "OPTIONS", "GET"),
        ("schema/", "POST", "GET"),
        ("docs/", "POST", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client_of_alice, path, wrong, allowed):
    answer = client_of_alice.call(wrong, path)
    assert (answer.status_code, answer.json()["code"]) == (405, 43002)
    assert allowed in answer.headers["Allow"].split(", ")
    assert wrong not in answer.headers["Allow"].split(", ")


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_path_is_40404_for_every_method(anonymous, path):
    answers = [anonymous.call(method, path) for method in METHODS]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, 40404)}
    assert {answer.headers["X-Request-ID"][:4] for answer in answers} == {"req_"}


def test_an_unknown_path_answers_head_too(anonymous):
    answer = anonymous.call("HEAD", "nonsense")
    assert (answer.status_code, answer.content) == (404, b"")


def test_head_answers_like_get_without_the_body(client_of_alice):
    answer = client_of_alice.call("HEAD", "chat/feedback")
    assert (answer.status_code, answer.content) == (200, b"")


# Request ids ---------------------------------------------------------------------------------


def test_the_callers_own_request_id_comes_back(client_of_alice):
    answer = client_of_alice.get("chat/feedback", **{"X-Request-ID": "my-own_id-1"})
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == "my-own_id-1"


@pytest.mark.parametrize(
    "bad", ["short", "x" * 65, "with space", "a\tb-cdefgh", "ünïcödé-id", "<script>"]
)
def test_an_unsound_request_id_is_replaced(client_of_alice, bad):
    answer = client_of_alice.get("chat/feedback", **{"X-Request-ID": bad})
    assert answer.headers["X-Request-ID"].startswith("req_")


# Failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [OperationalError, InterfaceError])
@pytest.mark.parametrize(
    "path", ["chat/feedback", "chat/feedback/msg_0", "chat/feedback/msg_0/stream"]
)
def test_a_database_that_is_away_is_a_503(client_of_alice, path, failure):
    with connection.execute_wrapper(raising(failure)):
        answer = client_of_alice.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, -1)
    assert answer.headers["Retry-After"] == "5"
    assert "away" not in answer.json()["msg"]


def test_a_token_and_an_ask_meet_the_same_503(client_of_alice, anonymous, number):
    body = {"appID": number.app_id, "appSecret": credentials.new_secret()}
    with connection.execute_wrapper(raising(OperationalError)):
        token = anonymous.post("token", body)
        asked = client_of_alice.post("chat/send", {"openID": "alice", "message": "Hello?"})
    assert (token.status_code, asked.status_code) == (503, 503)


def raising(failure):
    def wrapper(execute, sql, params, many, context):
        raise failure("the database at 10.0.0.1 is away")

    return wrapper


def held_when(client, number, monkeypatch, failure) -> HeldResponse:
    """A request that waits, and whose look at the database fails with this."""

    def look(_message_id: str) -> bool:
        raise failure("the database at 10.0.0.1 is away")

    monkeypatch.setattr("ddio_api.waiting._is_settled", look)
    message = factories.message(number)
    return client.get(f"chat/feedback/{message.pk}", {"wait": 5})


def test_a_database_that_goes_away_during_a_wait_is_a_503(client_of_alice, number, monkeypatch):
    answer = held_when(client_of_alice, number, monkeypatch, OperationalError)
    assert (answer.status_code, answer.json()["code"]) == (503, -1)
    assert answer.headers["Retry-After"] == "5"


def test_an_unexpected_failure_during_a_wait_has_the_envelope(client_of_alice, number, monkeypatch):
    answer = held_when(client_of_alice, number, monkeypatch, ZeroDivisionError)
    assert (answer.status_code, answer.json()["code"]) == (500, -1)
    assert b"10.0.0.1" not in answer.content


@pytest.mark.django_db(transaction=True)
def test_a_message_that_vanishes_during_a_wait_is_not_found(client_of_alice, number, monkeypatch):
    monkeypatch.setattr("ddio_api.waiting._is_settled", lambda pk: bool(vanish(pk)))
    message = factories.message(number)
    answer = client_of_alice.get(f"chat/feedback/{message.pk}", {"wait": 5})
    assert (answer.status_code, answer.json()["code"]) == (404, 40404)


def vanish(pk: str) -> int:
    return feed.Message.objects.filter(pk=pk).delete()[0]


def test_an_unexpected_failure_shows_no_reason(scene):
    answer = SCENES[-1](scene)
    assert answer.status_code == 500
    assert set(answer.json()) == {"code", "msg", "request_id"}
    assert b"secret reason" not in answer.content
    assert b"Traceback" not in answer.content


def test_an_unexpected_failure_is_logged(scene, caplog):
    SCENES[-1](scene)
    assert "unexpected_failure" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_wait_is_given_up_for_a_client_that_goes_away(client_of_alice, number):
    message = factories.message(number)
    held = client_of_alice._client.get(
        f"/platform/api2/chat/feedback/{message.pk}?wait=30", headers=client_of_alice._headers
    )
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled(held))


async def cancelled(held: HeldResponse) -> None:
    waiting = asyncio.create_task(held.resolve())
    await asyncio.sleep(0.05)
    waiting.cancel()
    await waiting
